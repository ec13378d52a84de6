// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc
package import Model

/// What a certificate says, for reports and for authorisation.
package struct CertificateInfo: Sendable, Hashable {
  /// The subject, for example `CN=minio-1,OU=node,O=prod`.
  package var subject: String
  /// The issuer, in the same form.
  package var issuer: String
  /// Valid from and until, seconds since 1970-01-01 UTC.
  package var notBefore: Int64
  package var notAfter: Int64
  /// Who its holder is: from the one subject alternative name of the form
  /// `keyturn://CLUSTER/ROLE/NAME`; nil if there is none, or more than one.
  package var principal: Principal?
  /// The DNS names among the subject alternative names.
  package var dnsNames: [String]
  /// The IP addresses among them.
  package var ipAddresses: [IPAddress]
  /// Its public key, for people: `EC P-256`, `RSA 2048`, `ED25519`.
  package var publicKeyText: String
  /// SHA-256 of the DER of its SubjectPublicKeyInfo, 32 bytes: what a Key Manager knows a client
  /// by.
  package var publicKeyDigest: [UInt8]

  package init(pem: String) throws(CertificateFailure) {
    self.init(try Certificate.all(inPEM: pem, "the certificate")[0])
  }

  /// Each readable certificate of a file, PEM; everything else in it is skipped.
  package static func blocks(inPEM bytes: [UInt8]) -> [String] {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    let text = String(decoding: bytes, as: UTF8.self)
    var blocks: [String] = []
    var rest = text[...]
    while let start = rest.firstRange(of: begin) {
      guard let stop = rest[start.upperBound...].firstRange(of: end) else { break }
      let block = rest[start.lowerBound..<stop.upperBound] + "\n"
      if (try? CertificateInfo(pem: String(block))) != nil { blocks.append(String(block)) }
      rest = rest[stop.upperBound...]
    }
    return blocks
  }

  init(_ certificate: Certificate) { self.init(borrowing: certificate.pointer) }

  init(borrowing x509: OpaquePointer) {
    subject = Self.text(X509_get_subject_name(x509))
    issuer = Self.text(X509_get_issuer_name(x509))
    notBefore = Self.seconds(X509_get0_notBefore(x509))
    notAfter = Self.seconds(X509_get0_notAfter(x509))
    let uris = Self.texts(x509, GEN_URI).filter { $0.hasPrefix("keyturn://") }
    principal = uris.count == 1 ? Principal(uri: uris[0]) : nil
    dnsNames = Self.texts(x509, GEN_DNS)
    ipAddresses = Self.names(x509, GEN_IPADD).compactMap(IPAddress.init(bytes:))
    publicKeyText = Self.keyText(x509)
    publicKeyDigest = Self.digest(x509)
  }

  /// Until when it is valid, for people: `2027-02-28T12:00:00Z`.
  package var notAfterText: String { CalendarTime.text(seconds: notAfter) }

  /// At a time, seconds since 1970-01-01 UTC.
  package func isValid(at seconds: Int64) -> Bool {
    notBefore <= seconds && seconds <= notAfter
  }

  /// Whole days from a time, seconds since 1970-01-01 UTC, until it expires; negative afterwards.
  package func daysLeft(at seconds: Int64) -> Int {
    let left = notAfter - seconds
    return Int(left >= 0 ? left / 86_400 : -((-left + 86_399) / 86_400))
  }

  /// Its validity at a time, for people: `expired 3 days ago`, `valid in 2 days`, `valid for 30
  /// days`, each with the date.
  package func validityText(at seconds: Int64) -> String {
    func days(_ seconds: Int64) -> String {
      let days = seconds / 86_400
      if days == 0 { return "\(max(1, seconds / 3600)) hour\(seconds < 7200 ? "" : "s")" }
      return "\(days) day\(days == 1 ? "" : "s")"
    }
    if seconds > notAfter { return "expired \(days(seconds - notAfter)) ago, on \(notAfterText)" }
    if seconds < notBefore {
      return "valid only in \(days(notBefore - seconds)), from "
        + CalendarTime.text(seconds: notBefore)
    }
    return "valid for \(days(notAfter - seconds)), until \(notAfterText)"
  }

  private static func keyText(_ x509: OpaquePointer) -> String {
    guard let key = X509_get0_pubkey(x509) else { return "unknown key" }
    let bits = EVP_PKEY_get_bits(key)
    switch EVP_PKEY_get_base_id(key) {
    case EVP_PKEY_RSA: return "RSA \(bits)"
    case EVP_PKEY_EC: return [256, 384, 521].contains(bits) ? "EC P-\(bits)" : "EC \(bits)"
    default: return EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? "unknown key"
    }
  }

  private static func text(_ name: OpaquePointer?) -> String {
    guard let name, let bio = try? MemoryBIO() else { return "" }
    // Control characters and quotes come out escaped.
    kt_print_name(bio.pointer, name)
    return bio.text
  }

  private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
    var parts = tm()
    guard ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
    return Int64(timegm(&parts))
  }

  private static func texts(_ x509: OpaquePointer, _ type: Int32) -> [String] {
    names(x509, type).compactMap { String(validating: $0, as: UTF8.self) }
  }

  /// The bytes of each subject alternative name of a kind.
  private static func names(_ x509: OpaquePointer, _ type: Int32) -> [[UInt8]] {
    guard let raw = X509_get_ext_d2i(x509, NID_subject_alt_name, nil, nil) else { return [] }
    let names = OpaquePointer(raw)
    defer { GENERAL_NAMES_free(names) }
    return (0..<kt_general_name_count(names)).compactMap { index in
      guard let name = kt_general_name(names, index, type) else { return nil }
      return Array(
        UnsafeBufferPointer(
          start: ASN1_STRING_get0_data(name), count: Int(ASN1_STRING_length(name))))
    }
  }

  private static func digest(_ x509: OpaquePointer) -> [UInt8] {
    var der: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der)
    defer { CRYPTO_free(der, nil, 0) }
    var digest = [UInt8](repeating: 0, count: 32)
    let result = EVP_Digest(der, Int(max(0, count)), &digest, nil, EVP_sha256(), nil)
    precondition(count > 0 && result == 1, "a parsed certificate has a public key")
    return digest
  }
}
