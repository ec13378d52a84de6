// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc
package import Model
package import Sockets
internal import Threads

/// One TLS connection: OpenSSL between two memory BIOs, the bytes carried to and from the socket
/// here.
///
/// It belongs to one thread; only its ``socket`` may be interrupted from another. Every call blocks
/// at most until its deadline. After a failure the session is over, and each later call fails with
/// `closed`; only a read that timed out can be followed by another call.
package final class TLSSession {
  package enum Side { case client, server }

  /// The socket below; from another thread only to interrupt it.
  package let socket: Socket
  /// Who the peer's certificate says it is; nil before the handshake, or if it does not say.
  package private(set) var peer: Principal?
  /// What the peer's certificate says; nil before the handshake, or if it showed none.
  package private(set) var peerCertificate: CertificateInfo?
  /// The key of the CA that the peer's certificate was verified with; nil before the handshake, or without one.
  package private(set) var peerAuthority: [UInt8]?
  /// SHA-256 of the peer's SubjectPublicKeyInfo, 32 bytes; nil if it showed no certificate.
  package var peerPublicKeyDigest: [UInt8]? { peerCertificate?.publicKeyDigest }

  /// The version that both sides agreed on, for example `TLSv1.3`.
  package var protocolVersion: String {
    SSL_get_version(ssl).map { String(cString: $0) } ?? "unknown"
  }

  let ssl: OpaquePointer
  /// From the socket, and to it. Both belong to `ssl`.
  private let (input, output): (OpaquePointer, OpaquePointer)
  private let side: Side
  private var isOver = false
  private var hasReceived = false
  /// The certificate that failed the verification.
  private var rejected: CertificateInfo?

  package init(_ context: ContextHandle, over socket: Socket, _ side: Side) throws(TLSFailure) {
    ERR_clear_error()
    guard let ssl = SSL_new(context.pointer), let input = BIO_new(BIO_s_mem()),
      let output = BIO_new(BIO_s_mem())
    else {
      throw TLSFailure(.system, "TLS with \(socket.peer): \(OpenSSLError.drainText())")
    }
    SSL_set_bio(ssl, input, output)
    if side == .client { SSL_set_connect_state(ssl) } else { SSL_set_accept_state(ssl) }
    self.ssl = ssl
    self.input = input
    self.output = output
    self.socket = socket
    self.side = side
    // Borrowed by the verification callback, which runs only within calls of this object.
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
  }
  deinit { SSL_free(ssl) }

  /// Blocks until both sides have agreed, or the deadline.
  package func handshake(until deadline: Instant) throws(TLSFailure) {
    while try step(until: deadline, { SSL_do_handshake(ssl) }) == nil {
      try fill(until: deadline)
    }
    notePeer()
  }

  /// Takes what has come and continues the handshake; whether it is done. Does not block: if the
  /// kernel does not take the few bytes at once, that is a failure.
  func advance() throws(TLSFailure) -> Bool {
    if isOver { throw TLSFailure(.closed, "TLS with \(socket.peer): the session is over") }
    let received: [UInt8]
    do throws(SocketFailure) {
      guard let bytes = try socket.readNow(upTo: 16 << 10) else { return false }
      received = bytes
    } catch {
      isOver = true
      throw TLSFailure(error, attempt)
    }
    try take(received)
    guard try step(until: Clock.now(), { SSL_do_handshake(ssl) }) != nil else { return false }
    notePeer()
    return true
  }

  private func notePeer() {
    guard let x509 = SSL_get1_peer_certificate(ssl) else { return }
    let certificate = CertificateInfo(Certificate(owning: x509))
    peerCertificate = certificate
    peer = certificate.principal
    peerAuthority = kt_verified_root(ssl).map {
      CertificateInfo(borrowing: $0).publicKeyDigest
    }
  }

  /// Blocks until something has come, at most `count` bytes of it, or the deadline; empty when the
  /// peer has ended the session in order. An end without that is a failure: something may have been
  /// cut off.
  package func read(upTo count: Int, until deadline: Instant) throws(TLSFailure) -> [UInt8] {
    while true {
      // First wait, then allocate.
      if BIO_ctrl_pending(input) == 0 && SSL_has_pending(ssl) == 0 { try fill(until: deadline) }
      var isBlocked = false
      let bytes = try [UInt8](unsafeUninitializedCapacity: count) {
        buffer, filled throws(TLSFailure) in
        let result = try step(until: deadline) {
          SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
        }
        filled = Int(result ?? 0)
        isBlocked = result == nil
      }
      if !isBlocked { return bytes }
      try fill(until: deadline)
    }
  }

  /// Blocks until the kernel has taken all of `bytes`, or the deadline.
  package func write(_ bytes: [UInt8], until deadline: Instant) throws(TLSFailure) {
    try bytes.withUnsafeBufferPointer { buffer throws(TLSFailure) in
      var rest = buffer[...]
      while !rest.isEmpty {
        // A record at a time, so that the encrypted copy stays small.
        let part = UnsafeBufferPointer(rebasing: rest.prefix(16 << 10))
        let result = try step(until: deadline) {
          SSL_write(ssl, part.baseAddress, Int32(part.count))
        }
        if let result { rest = rest.dropFirst(Int(result)) } else { try fill(until: deadline) }
      }
    }
  }

  /// Says that nothing more will come, as far as that works until the deadline. The socket stays
  /// open.
  package func close(until deadline: Instant) {
    if isOver { return }
    ERR_clear_error()
    SSL_shutdown(ssl)
    try? flush(until: deadline)
    isOver = true
  }

  /// One call of OpenSSL, and what it wants to send. Its positive result, 0 at the end of the
  /// session, or nil if it needs input first.
  private func step(until deadline: Instant, _ call: () -> Int32) throws(TLSFailure) -> Int32? {
    if isOver { throw TLSFailure(.closed, "TLS with \(socket.peer): the session is over") }
    ERR_clear_error()
    let result = call()
    let code = SSL_get_error(ssl, result)
    switch code {
    case SSL_ERROR_NONE:
      try flush(until: deadline)
      return result
    case SSL_ERROR_WANT_READ:
      try flush(until: deadline)
      return nil
    case SSL_ERROR_ZERO_RETURN:
      return 0
    default:
      let failure = failure(OpenSSLError.drain())
      // The alert that tells the other side why; it does not matter if it does not arrive.
      try? flush(until: deadline)
      isOver = true
      throw failure
    }
  }

  /// Sends what OpenSSL has to send.
  private func flush(until deadline: Instant) throws(TLSFailure) {
    var bytes: UnsafePointer<CChar>?
    let count = kt_bio_data(output, &bytes)
    guard count > 0 else { return }
    do throws(SocketFailure) {
      try socket.write(UnsafeRawBufferPointer(start: bytes, count: count), until: deadline)
    } catch {
      isOver = true
      throw TLSFailure(error, attempt)
    }
    kt_bio_reset(output)
  }

  /// Waits for bytes from the socket and gives them to OpenSSL.
  private func fill(until deadline: Instant) throws(TLSFailure) {
    if isOver { throw TLSFailure(.closed, "TLS with \(socket.peer): the session is over") }
    let bytes: [UInt8]
    do throws(SocketFailure) {
      bytes = try socket.read(upTo: 16 << 10, until: deadline)
    } catch {
      let failure = TLSFailure(error, attempt)
      isOver = failure.kind != .timedOut
      throw failure
    }
    try take(bytes)
  }

  /// Gives OpenSSL what has come from the socket.
  private func take(_ bytes: [UInt8]) throws(TLSFailure) {
    if bytes.isEmpty {
      isOver = true
      throw TLSFailure(.closed, "\(attempt): the other side closed the connection")
    }
    if !hasReceived && bytes.starts(with: "HTTP/".utf8) {
      isOver = true
      throw TLSFailure(.plainHTTP, "\(attempt): it speaks HTTP without TLS on this port")
    }
    hasReceived = true
    let written = BIO_write(input, bytes, Int32(bytes.count))
    precondition(Int(written) == bytes.count, "a memory BIO takes everything")
  }

  private var attempt: String { "TLS with \(socket.peer)" }

  /// The callback of the verification: keeps what is known of the certificate that did not pass.
  static func noteRejected(_ store: OpaquePointer?) {
    guard let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
      let address = SSL_get_ex_data(OpaquePointer(ssl), 0),
      let certificate = X509_STORE_CTX_get_current_cert(store)
    else { return }
    let session = Unmanaged<TLSSession>.fromOpaque(address).takeUnretainedValue()
    session.rejected = CertificateInfo(borrowing: certificate)
  }

  private func failure(_ errors: [OpenSSLError]) -> TLSFailure {
    let queue = errors.map(\.text).joined(separator: "; ")
    let reasons = errors.compactMap(\.sslReason)
    let verdict = Int32(clamping: SSL_get_verify_result(ssl))
    if reasons.contains(SSL_R_CERTIFICATE_VERIFY_FAILED), verdict != X509_V_OK {
      let reason = String(cString: X509_verify_cert_error_string(Int(verdict)))
      let certificate = rejected.map {
        ", certificate \($0.subject) of \($0.issuer), \($0.validityText(at: Int64(time(nil))))"
      }
      return TLSFailure(
        TLSFailure.kind(ofVerification: verdict),
        "\(attempt): the certificate is not accepted: \(reason)\(certificate ?? "") [\(queue)]")
    }
    for reason in reasons {
      if let (kind, words) = TLSFailure.meaning(ofReason: reason) {
        return TLSFailure(kind, "\(attempt): \(words) [\(queue)]")
      }
    }
    return TLSFailure(.protocolError, "\(attempt): [\(queue)]")
  }
}

extension TLSFailure {
  /// A failure of the socket below.
  init(_ failure: SocketFailure, _ attempt: String) {
    switch failure {
    case .timedOut: self.init(.timedOut, "\(attempt): \(failure)")
    case .closed: self.init(.closed, "\(attempt): \(failure)")
    default: self.init(.system, "\(attempt): \(failure)")
    }
  }

  /// The kind of an X509_V_ERR_ code.
  static func kind(ofVerification code: Int32) -> Kind {
    switch code {
    case X509_V_ERR_CERT_HAS_EXPIRED: .certificateExpired
    case X509_V_ERR_CERT_NOT_YET_VALID: .certificateNotYetValid
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .nameMismatch
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE:
      .unknownAuthority
    default: .certificateRefused
    }
  }

  /// The kind of an SSL_R_ reason, in words; nil for those that speak for themselves.
  static func meaning(ofReason reason: Int32) -> (Kind, String)? {
    switch reason {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      (.noCertificate, "the other side showed no certificate")
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      (.certificateRequired, "the other side requires a certificate")
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
      SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
      SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA,
      SSL_R_TLSV1_ALERT_ACCESS_DENIED, SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
      (.refusedByPeer, "the other side refused our certificate")
    case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
      (.plainHTTP, "the other side speaks HTTP without TLS")
    case SSL_R_WRONG_VERSION_NUMBER:
      (.notTLS, "the other side does not speak TLS")
    case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_VERSION_TOO_LOW,
      SSL_R_VERSION_TOO_HIGH, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      (.protocolVersion, "no common version of TLS")
    default: nil
    }
  }
}
