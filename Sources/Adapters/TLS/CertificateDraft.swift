// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Model

final class CertificateDraft {
  private let certificate: Certificate
  /// Whose certificate signs it; nil if it signs itself.
  private let issuer: Certificate?

  /// A certificate for `key`, with a random serial number of 127 bits, valid for a range of seconds
  /// from now, but no longer than its issuer.
  init(
    key: KeyHandle, validSeconds: ClosedRange<Int>, issuer: Certificate? = nil
  ) throws(CertificateFailure) {
    ERR_clear_error()
    guard let pointer = X509_new() else { throw Self.failure("start") }
    certificate = Certificate(owning: pointer)
    self.issuer = issuer
    var serial = [UInt8](repeating: 0, count: 16)
    guard RAND_bytes(&serial, 16) == 1 else { throw Self.failure("draw a serial number for") }
    // Positive, and never of fewer bytes (RFC 5280, 4.1.2.2).
    serial[0] = serial[0] & 0x3F | 0x40
    guard X509_set_version(pointer, 2) == 1,
      ASN1_STRING_set(X509_get_serialNumber(pointer), serial, 16) == 1,
      X509_gmtime_adj(X509_getm_notBefore(pointer), validSeconds.lowerBound) != nil,
      X509_gmtime_adj(X509_getm_notAfter(pointer), validSeconds.upperBound) != nil,
      X509_set_pubkey(pointer, key.pointer) == 1
    else { throw Self.failure("fill in") }
    if let issuer {
      let end = X509_get0_notAfter(issuer.pointer)
      guard X509_cmp_current_time(end) > 0 else {
        throw CertificateFailure(
          "the CA's certificate has expired (\(CertificateInfo(issuer).notAfterText)); "
            + "make a new CA with `keyturn pki init`")
      }
      if ASN1_TIME_compare(end, X509_get0_notAfter(pointer)) < 0 {
        guard X509_set1_notAfter(pointer, end) == 1 else { throw Self.failure("date") }
      }
    }
  }

  /// From five minutes ago, as the hosts' clocks may differ, for `days` days.
  static func validSeconds(days: Int) throws(CertificateFailure) -> ClosedRange<Int> {
    guard (1...36_500).contains(days) else {
      throw CertificateFailure("\(days) days is not a validity: 1 to 36500 are possible")
    }
    return -Int(Revocations.beginsBeforeIssue)...(days * 86_400)
  }

  func setSubject(
    commonName: String, organization: String? = nil, unit: String? = nil
  ) throws(CertificateFailure) {
    let subject = X509_get_subject_name(certificate.pointer)
    for (field, text) in [("O", organization), ("OU", unit), ("CN", commonName)] {
      guard let text else { continue }
      let bytes = Array(text.utf8)
      guard
        X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0)
          == 1
      else { throw Self.failure("name") }
    }
    let name = issuer.map { X509_get_subject_name($0.pointer) } ?? subject
    guard X509_set_issuer_name(certificate.pointer, name) == 1 else { throw Self.failure("name") }
  }

  /// Adds an extension in the notation of x509v3_config(5). `value` must hold nothing unchecked
  /// from outside.
  func add(_ nid: Int32, _ value: String) throws(CertificateFailure) {
    var context = X509V3_CTX()
    X509V3_set_ctx(
      &context, issuer?.pointer ?? certificate.pointer, certificate.pointer, nil, nil, 0)
    guard let added = X509V3_EXT_conf_nid(nil, &context, nid, value) else {
      throw Self.failure("make the extension \(value) of")
    }
    defer { X509_EXTENSION_free(added) }
    guard X509_add_ext(certificate.pointer, added, -1) == 1 else {
      throw Self.failure("add the extension \(value) to")
    }
  }

  func sign(by key: KeyHandle) throws(CertificateFailure) -> Certificate {
    // Ed25519 hashes by itself and takes no digest.
    let isEd25519 = EVP_PKEY_get_base_id(key.pointer) == EVP_PKEY_ED25519
    guard X509_sign(certificate.pointer, key.pointer, isEd25519 ? nil : EVP_sha256()) > 0 else {
      throw Self.failure("sign")
    }
    return certificate
  }

  private static func failure(_ step: String) -> CertificateFailure {
    CertificateFailure("\(step) a certificate: \(OpenSSLError.drainText())")
  }
}

extension KeyHandle {
  static func generateP256() throws(CertificateFailure) -> KeyHandle {
    ERR_clear_error()
    guard let pointer = kt_generate_p256() else {
      throw CertificateFailure("make a key: \(OpenSSLError.drainText())")
    }
    return KeyHandle(owning: pointer)
  }
}

extension Certificate {
  /// The first O of the subject.
  var organization: String? {
    let subject = X509_get_subject_name(pointer)
    let index = X509_NAME_get_index_by_NID(subject, NID_organizationName, -1)
    guard index >= 0, let text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index))
    else { return nil }
    let bytes = UnsafeBufferPointer(
      start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text)))
    return String(validating: bytes, as: UTF8.self)
  }
}
