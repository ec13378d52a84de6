// SPDX-License-Identifier: Apache-2.0
import Model
import Secrets
import Testing

@Suite struct RedactorTests {
  static let key = "k1:" + String(repeating: "aB3-_", count: 9)
  static let other = "k2:" + String(repeating: "Zz9_-", count: 10)
  static let redactor = Redactor(environment: [
    ("MINIO_KMS_API_KEY", key), ("MINIO_ROOT_PASSWORD", "p+s/\"w\\ rd%<ü>"),
    ("MINIO_ROOT_USER", "administrator"), ("MINIO_KMS_SSE_KEY", "my-sse-key"),
    ("MINIO_LICENSE", "eyJhbGciOi"), ("MINIO_KMS_SECRET_KEY", "name:c2VjcmV0LXNlY3JldC1zZWNyZXQ="),
    ("MINIO_NOTIFY_TOKEN", "on"),
  ]) { name, _ in name == "MINIO_KMS_API_KEY" ? "h1:identity" : nil }

  @Test(
    "a known secret is taken out, in whatever form it stands",
    arguments: [
      ("nothing here", "nothing here"), ("", ""),
      ("key \(key)!", "key h1:identity!"),
      ("\(key)\(key)", "h1:identity"),
      ("\(key) \(key)", "h1:identity h1:identity"),
      ("Get \"https://kms:7373/v1?k=\(key)&x=1\"", "Get \"https://kms:7373/v1?k=h1:identity&x=1\""),
      ("https://k1%3A\(key.dropFirst(3))@kms", "https://h1:identity@kms"),
      ("https://k1%3a\(key.dropFirst(3))@kms", "https://h1:identity@kms"),
      ("{\"a\":\"\(key)\"}", "{\"a\":\"h1:identity\"}"),
      ("only \(key.dropFirst(3)) of it", "only h1:identity of it"),
      ("p+s/\"w\\ rd%<ü>", "<redacted>"),
      ("json p+s\\/\\\"w\\\\ rd%\\u003cü\\u003e.", "json <redacted>."),
      ("json p+s/\\\"w\\\\ rd%<\\u00fc>.", "json <redacted>."),
      ("url p%2Bs%2F%22w%5C%20rd%25%3C%C3%BC%3E.", "url <redacted>."),
      ("url p%2bs/%22w%5c%20rd%25%3c%c3%bc%3e.", "url <redacted>."),
      ("form p%2Bs%2F%22w%5C+rd%25%3C%C3%BC%3E.", "form <redacted>."),
      ("license eyJhbGciOi", "license <redacted>"),
      ("the part c2VjcmV0LXNlY3JldC1zZWNyZXQ= alone", "the part <redacted> alone"),
      ("user administrator, key my-sse-key, on", "user administrator, key my-sse-key, on"),
    ])
  func known(_ text: String, _ expected: String) {
    #expect(Self.redactor.redact(text) == expected)
  }

  @Test(
    "what looks like an API key goes even if it is not known",
    arguments: [
      ("got \(other).", "got <redacted>."),
      ("got k2%3A\(other.dropFirst(3)).", "got <redacted>."),
      ("k1:" + String(repeating: "a", count: 43), "<redacted>"),
      ("k1:" + String(repeating: "a", count: 42), "k1:" + String(repeating: "a", count: 42)),
      ("k3:" + String(repeating: "a", count: 43), "k3:" + String(repeating: "a", count: 43)),
      ("h1:" + String(repeating: "a", count: 43), "h1:" + String(repeating: "a", count: 43)),
      ("k1:k1:" + String(repeating: "a", count: 43), "k1:<redacted>"),
    ])
  func unknownKeys(_ text: String, _ expected: String) {
    #expect(Redactor().redact(text) == expected)
  }

  @Test(
    "the value in an assignment to a secret variable goes, known or not",
    arguments: [
      (
        "minio.service: Ignoring invalid environment assignment "
          + "'export MINIO_ROOT_PASSWORD=it's a \"b\" X=c': /etc/default/minio",
        "minio.service: Ignoring invalid environment assignment "
          + "'export MINIO_ROOT_PASSWORD=<redacted>': /etc/default/minio"
      ),
      (
        "Ignoring invalid environment assignment 'MINIO-KMS_API_KEY=x': /f",
        "Ignoring invalid environment assignment 'MINIO-KMS_API_KEY=<redacted>': /f"
      ),
      ("MINIO_ROOT_PASSWORD=a b=c d", "MINIO_ROOT_PASSWORD=<redacted>"),
      (
        "[A=1 MINIO_ROOT_PASSWORD=a b MINIO_SITE=x]",
        "[A=1 MINIO_ROOT_PASSWORD=<redacted> MINIO_SITE=x]"
      ),
      ("https://h/p?token=abc&x=1", "https://h/p?token=<redacted>&x=1"),
      (
        "{\"level\":\"FATAL\",\"message\":\"bad: MINIO_LICENSE=a\\\"b c\",\"time\":\"t\"}",
        "{\"level\":\"FATAL\",\"message\":\"bad: MINIO_LICENSE=<redacted>\",\"time\":\"t\"}"
      ),
      ("MINIO_ROOT_PASSWORD=", "MINIO_ROOT_PASSWORD="),
      (
        "MINIO_KMS_SSE_KEY=name MINIO_KMS_SERVER=https://k",
        "MINIO_KMS_SSE_KEY=name MINIO_KMS_SERVER=https://k"
      ),
      ("= == =", "= == ="),
    ])
  func assignments(_ text: String, _ expected: String) {
    #expect(Redactor().redact(text) == expected)
  }

  /// base64 of what stands before a secret, it, and what stands behind.
  private static func base64(_ text: String, alphabet: String = "+/") -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + alphabet)
    let bytes = Array(text.utf8)
    return stride(from: 0, to: bytes.count, by: 3).map { start in
      let group = Array(bytes[start..<min(start + 3, bytes.count)])
      let whole = group + [0, 0]
      let bits = Int(whole[0]) << 16 | Int(whole[1]) << 8 | Int(whole[2])
      return (0..<4).map { $0 <= group.count ? String(letters[bits >> (18 - 6 * $0) & 63]) : "=" }
        .joined()
    }.joined()
  }

  @Test(
    "a known secret in base64 goes, wherever it stands in what was encoded",
    arguments: ["", "a", "ab", "abc", "user:"], ["", "z", "?z", "?yz"])
  func base64(_ before: String, _ after: String) {
    for alphabet in ["+/", "-_"] {
      for secret in [Self.key, "p+s/\"w\\ rd%<ü>"] {
        let text = Self.base64(before + secret + after, alphabet: alphabet)
        let redacted = Self.redactor.redact("Authorization: Basic \(text)!")
        let label = secret == Self.key ? "h1:identity" : "<redacted>"
        #expect(redacted.contains(label) && redacted.hasPrefix("Authorization: Basic "))
        // No more is left of it than what the neighbours' bits are in.
        let left = redacted.utf8.count - "Authorization: Basic !".utf8.count - label.utf8.count
        #expect(left <= Self.base64(before).utf8.count + Self.base64(after).utf8.count + 4)
      }
    }
  }

  @Test("a value of five bytes is not looked for, one of six is")
  func shortest() {
    let redactor = Redactor(environment: [("A_TOKEN", "12345"), ("B_TOKEN", "abcdef")])
    #expect(redactor.redact("12345 abcdef") == "12345 <redacted>")
  }

  @Test("a secret that a cut line ends in goes too, from six bytes on")
  func cut() {
    let redactor = Redactor(environment: [("A_TOKEN", "0123456789")])
    #expect(redactor.redact("x 01234567") == "x <redacted>")
    #expect(redactor.redact("x 012345") == "x <redacted>")
    #expect(redactor.redact("x 01234") == "x 01234")
    #expect(redactor.redact("x 01234567 y") == "x 01234567 y")
  }

  @Test("each line of a secret of several lines is one")
  func lines() {
    let redactor = Redactor(environment: [("A_PRIVATE_KEY", "first line\nsecond line\n")])
    #expect(redactor.redact("x second line y") == "x <redacted> y")
  }

  @Test("a value in quotes is also looked for without them")
  func quoted() {
    let redactor = Redactor(environment: [("A_PASSWORD", "\"secret\"")])
    #expect(redactor.redact("x secret \"secret\"") == "x <redacted> <redacted>")
  }

  @Test("a secret that overlaps itself and a hostile line take linear time and leave nothing")
  func hostile() {
    let redactor = Redactor(environment: [("A_TOKEN", String(repeating: "a", count: 1_000) + "b")])
    let line = String(repeating: "a", count: Limits.journalLineBytes)
    #expect(redactor.redact(line + ".") == line + ".")
    #expect(redactor.redact(line + "b").hasSuffix("a<redacted>"))
    let assignments = String(repeating: "A_TOKEN=", count: 2_000)
    #expect(redactor.redact(assignments) == "A_TOKEN=<redacted>")
  }

  @Test("text that is no secret comes back byte for byte")
  func unchanged() {
    for text in ["%zz %2", "a\\", "\\u12", "ü😀 k1: k1", "+%41+"] {
      #expect(Self.redactor.redact(text) == text)
    }
  }
}
