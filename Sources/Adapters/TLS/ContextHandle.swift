// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
package import Secrets

/// The owner of an SSL_CTX. It is set up by one thread, then never changed.
package final class ContextHandle: Sendable {
  // Proof: after the set-up only SSL_new uses it, which is safe from any thread
  // (openssl-threads(7)). Other modules see it for the set-up of the stand-ins' context alone
  // (Testing/StandInTransport).
  nonisolated(unsafe) package let pointer: OpaquePointer

  package init(minimumVersion: Int32) throws(CertificateFailure) {
    ERR_clear_error()
    guard let pointer = SSL_CTX_new(TLS_method()) else {
      throw CertificateFailure("set up TLS: \(OpenSSLError.drainText())")
    }
    kt_ctx_options(pointer, minimumVersion)
    self.pointer = pointer
  }
  deinit { SSL_CTX_free(pointer) }

  /// Shows this certificate, and the rest of its chain if the text holds one.
  package func use(certificatePEM: String, keyPEM: Secret) throws(CertificateFailure) {
    let chain = try Certificate.all(inPEM: certificatePEM, "the own certificate")
    let key = try KeyHandle(pem: keyPEM, "the own key")
    ERR_clear_error()
    guard SSL_CTX_use_certificate(pointer, chain[0].pointer) == 1 else {
      throw CertificateFailure("use the own certificate: \(OpenSSLError.drainText())")
    }
    guard SSL_CTX_use_PrivateKey(pointer, key.pointer) == 1 else {
      throw CertificateFailure(
        "the own key does not belong to the own certificate (\(OpenSSLError.drainText())); "
          + "give the pair that was issued together")
    }
    for certificate in chain.dropFirst() {
      guard kt_ctx_add_chain(pointer, certificate.pointer) == 1 else {
        throw CertificateFailure("use the own chain: \(OpenSSLError.drainText())")
      }
    }
  }

  /// Shows the certificate and chain of another context, by its key.
  func show(asIn other: ContextHandle) throws(CertificateFailure) {
    ERR_clear_error()
    guard kt_ctx_show_same(pointer, other.pointer) == 1 else {
      throw CertificateFailure("use the own certificate: \(OpenSSLError.drainText())")
    }
  }

  /// Trusts every certificate of a PEM text as a root.
  func trust(_ pem: String, _ what: String) throws(CertificateFailure) {
    for certificate in try Certificate.all(inPEM: pem, what) {
      guard X509_STORE_add_cert(SSL_CTX_get_cert_store(pointer), certificate.pointer) == 1 else {
        throw CertificateFailure("trust \(what): \(OpenSSLError.drainText())")
      }
    }
  }

  /// Throws if the first certificate of a PEM text is not one that whoever trusts the same roots takes for these
  /// purposes now.
  func verify(
    _ pem: String, purposes: [Int32], atAnyTime: Bool
  ) throws(CertificateFailure) {
    let certificate = try Certificate.all(inPEM: pem, "the certificate")[0]
    for purpose in purposes {
      ERR_clear_error()
      let check = X509_STORE_CTX_new()
      defer { X509_STORE_CTX_free(check) }
      guard
        X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(pointer), certificate.pointer, nil) == 1,
        X509_STORE_CTX_set_purpose(check, purpose) == 1
      else { throw CertificateFailure("verify a certificate: \(OpenSSLError.drainText())") }
      if atAnyTime {
        X509_STORE_CTX_set_flags(check, UInt(X509_V_FLAG_NO_CHECK_TIME))
      }
      guard X509_verify_cert(check) == 1 else {
        let reason = X509_verify_cert_error_string(Int(X509_STORE_CTX_get_error(check)))
        throw CertificateFailure(
          "the certificate is not valid here: \(reason.map { String(cString: $0) } ?? "unknown")")
      }
    }
  }

  /// Verifies the peer's chain, and remembers the certificate that did not pass for the message.
  func verifyPeer(_ mode: Int32) {
    SSL_CTX_set_verify(pointer, mode) { accepted, store in
      if accepted == 0 { TLSSession.noteRejected(store) }
      return accepted
    }
  }
}
