// SPDX-License-Identifier: Apache-2.0
import Secrets
import Testing

@Suite struct SecretTextsTests {
  private func texts(_ secrets: String...) -> SecretTexts {
    var texts = SecretTexts()
    for secret in secrets { texts.insert(Array(secret.utf8)) }
    return texts
  }

  @Test("a secret is found whole, without its prefix, and between other text")
  func found() {
    let texts = texts("k1:2COl4dS3G", "kes:v1:AbCdEfGh", " hunter22\r")
    for text in ["k1:2COl4dS3G", "x2COl4dS3Gx", "AbCdEfGh", "is hunter22!"] {
      #expect(texts.isHeld(by: text), "\(text)")
    }
  }

  @Test("the beginning alone, and a text of 7 bytes, are not looked for")
  func notFound() {
    let texts = texts("2COl4dS3G", "postgres://u:p@h", "hunter2")
    for text in ["2COl4dS3", "2COl4dS3H", "postgres://u:", "hunter2", ""] {
      #expect(!texts.isHeld(by: text), "\(text)")
    }
    #expect(!SecretTexts().isHeld(by: "hunter22"))
  }

  @Test("of many that begin alike the beginning counts")
  func alike() {
    var texts = SecretTexts()
    for number in 0..<1000 { texts.insert(Array("password\(number)".utf8)) }
    #expect(texts.isHeld(by: "password1000"))
    #expect(texts.isHeld(by: "password"))
    #expect(!texts.isHeld(by: "passwort1"))
  }
}
