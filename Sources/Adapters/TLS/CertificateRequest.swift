// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
package import Model
package import Secrets

/// A new key, and the request for a certificate of it (PKCS#10, RFC 2986): the key stays with who made it.
package struct CertificateRequest: Sendable {
  /// The request, PEM.
  package let pem: String
  /// The key, PKCS#8 PEM.
  package let keyPEM: Secret
  /// As ``CertificateInfo/publicKeyDigest`` of a certificate for it.
  package let publicKeyDigest: [UInt8]

  package init(for principal: Principal) throws(CertificateFailure) {
    let key = try KeyHandle.generateP256()
    ERR_clear_error()
    guard let request = X509_REQ_new() else { throw Self.failure("start") }
    defer { X509_REQ_free(request) }
    // Who gets the certificate is decided by who issues it; the name is for people who look at the request.
    let name = Array(principal.name.utf8)
    guard X509_REQ_set_version(request, 0) == 1,
      X509_REQ_set_pubkey(request, key.pointer) == 1,
      X509_NAME_add_entry_by_txt(
        X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8, name, Int32(name.count), -1, 0)
        == 1,
      X509_REQ_sign(request, key.pointer, EVP_sha256()) > 0
    else { throw Self.failure("sign") }
    let bio = try MemoryBIO()
    guard PEM_write_bio_X509_REQ(bio.pointer, request) == 1 else { throw Self.failure("write") }
    pem = bio.text
    keyPEM = try key.pem()
    publicKeyDigest = key.publicDigest
  }

  /// The public key of a request whose sender has shown, by the request's signature, that it has the private one. Only
  /// the kind of key that Keyturn makes is taken: ECDSA P-256.
  static func key(of pem: String) throws(CertificateFailure) -> KeyHandle {
    guard pem.utf8.count <= Limits.certificateBytes else {
      throw CertificateFailure(
        "the request has more than the \(Limits.certificateBytes) bytes that are allowed")
    }
    ERR_clear_error()
    let bio = try MemoryBIO(pem)
    guard let request = PEM_read_bio_X509_REQ(bio.pointer, nil, { _, _, _, _ in -1 }, nil) else {
      throw CertificateFailure(
        "the request is no PKCS#10 request in PEM (\(OpenSSLError.drainText()))")
    }
    defer { X509_REQ_free(request) }
    guard let pointer = X509_REQ_get_pubkey(request) else {
      throw CertificateFailure("the request has no key (\(OpenSSLError.drainText()))")
    }
    let key = KeyHandle(owning: pointer)
    var group = [CChar](repeating: 0, count: 32)
    var count = 0
    guard EVP_PKEY_get_base_id(pointer) == EVP_PKEY_EC,
      EVP_PKEY_get_group_name(pointer, &group, group.count, &count) == 1,
      String(decoding: group.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        == "prime256v1"
    else { throw CertificateFailure("the request's key is not ECDSA P-256") }
    guard X509_REQ_verify(request, pointer) == 1 else {
      throw CertificateFailure(
        "the request is not signed by its own key (\(OpenSSLError.drainText()))")
    }
    return key
  }

  private static func failure(_ step: String) -> CertificateFailure {
    CertificateFailure("\(step) a request for a certificate: \(OpenSSLError.drainText())")
  }
}
