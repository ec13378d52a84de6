// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
internal import Model
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import TLS

enum TextFuzz {
  private static let secret = "sEcr3t-Passw0rd-0f-Tests"
  private static let key = "k1:" + String(repeating: "aB3-_", count: 9)

  /// Lines of a server's log: each gets one meaning, and no secret stays in one.
  static func lines(_ bytes: [UInt8]) -> String? {
    let redactor = Redactor(environment: [
      ("MINIO_ROOT_PASSWORD", secret), ("MINIO_KMS_API_KEY", key),
    ])
    var classifier = LineClassifier()
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let redacted = redactor.redact(String(line))
      if redacted.contains(secret) || redacted.contains(key) {
        return "lines: a secret is left"
      }
      for text in [String(line), redacted] {
        guard let entry = JournalEntry(fileLine: text, received: 1) else {
          return "lines: a line with a time of its arrival is none"
        }
        _ = classifier.take(entry)
        _ = CalendarTime.text(microseconds: entry.realtimeMicroseconds)
      }
    }
    return nil
  }

  /// DER, as it comes in a handshake.
  static func certificate(_ bytes: [UInt8]) -> String? {
    let base64 = Data(bytes).base64EncodedString(
      options: [.lineLength64Characters, .endLineWithLineFeed])
    let pem = "-----BEGIN CERTIFICATE-----\n\(base64)\n-----END CERTIFICATE-----\n"
    guard let info = try? CertificateInfo(pem: pem) else { return nil }
    if let principal = info.principal {
      if Principal(uri: principal.uri) != principal { return "certificate: the name is another" }
      if Name.problem(in: principal.name) != nil { return "certificate: a name that is none" }
    }
    for text in [info.subject, info.issuer] + info.dnsNames
    where text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
      return "certificate: a control character is left in a name"
    }
    for now: Int64 in [0, 1_800_000_000] {
      _ = (info.daysLeft(at: now), info.validityText(at: now))
    }
    if info.publicKeyDigest.count != 32 { return "certificate: the key's digest has no 32 bytes" }
    return nil
  }
}
