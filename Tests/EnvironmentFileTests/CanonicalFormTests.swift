// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Model
import Testing

@Suite struct CanonicalFormTests {
  @Test(
    "what is written is read alike by both readers and comes back as it was",
    arguments: [
      "", "v", "http://minio-{1...4}:9000/data", " lead and trail ", "it's", "'q'", "a#b # c",
      "100%",
      "a!b", "~;&|<>()*?[]", "\u{E9}\u{1F511}", "\u{FEFF}", "=",
    ])
  func roundTrip(_ value: String) throws {
    let line = try CanonicalForm.line(name: "MINIO_X", value: value)
    #expect(line == "MINIO_X=\"\(value)\"")
    let file = document("A=1\n\(line)\nB=2\n")
    #expect(file.systemd.pairs == ["A=1", "MINIO_X=\(value)", "B=2"])
    #expect(file.minio.pairs == ["A=1", "MINIO_X=\(value)", "B=2"])
  }

  @Test(
    "a value that is not read alike is refused, and the message does not hold it",
    arguments: [
      "\"", "\\", "`", "$", "\0", "\t", "\n", "\r", "\u{1B}", "\u{7F}", "\u{85}", "\u{9F}",
      "\u{FFFE}", String(decoding: [0xEF, 0xB7, 0x90], as: UTF8.self), "\u{10FFFF}",
    ])
  func refused(_ part: String) throws {
    let refusal = try #require(
      refusal { () throws(Refusal) in
        _ = try CanonicalForm.line(name: "MINIO_X", value: "secretword" + part)
      })
    #expect(refusal.code == .validation)
    #expect(refusal.message.contains("MINIO_X"))
    #expect(!refusal.message.contains("secretword"))
  }

  @Test(
    "a name that is not one for both readers is refused",
    arguments: ["", "1A", "A-B", "A B", "A=", "\u{E9}", "\u{212A}MS", "export", "exportA", "A\n"])
  func names(_ name: String) {
    #expect(
      refusal { () throws(Refusal) in _ = try CanonicalForm.line(name: name, value: "v") }?.code
        == .validation)
  }

  @Test("the longest line is 65534 bytes, so that CR LF can follow; one more is refused")
  func longest() throws {
    let value = String(repeating: "v", count: 65534 - 4)
    let line = try CanonicalForm.line(name: "K", value: value)
    #expect(document(line + "\r\n").minio["K"] == value)
    #expect(
      refusal { () throws(Refusal) in _ = try CanonicalForm.line(name: "K", value: value + "v") }?
        .code == .validation)
  }
}
