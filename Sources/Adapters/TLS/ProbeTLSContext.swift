// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc
package import Model
package import Sockets

/// The TLS of probes toward a Key Manager or MinIO, as those programs' own clients do it: TLS 1.2
/// or later, the server verified. Never for Keyturn's own links.
package final class ProbeTLSContext: Sendable {
  private let handle: ContextHandle
  /// The DER of the one certificate that counts, where it is pinned.
  private let pinned: [UInt8]?

  private init(_ handle: ContextHandle, pinned: [UInt8]?) {
    self.handle = handle
    self.pinned = pinned
  }

  /// Trusts the system's roots, unless told otherwise, and every certificate in `extraRootsPEM`, be
  /// it a root or not, as Go does; the server's certificate must be for the host's name or address,
  /// by a subject alternative name. Shows `client` if the server asks for a certificate.
  ///
  /// What was received is wiped inside OpenSSL when it has been read: it may be a data key.
  package static func verifying(
    extraRootsPEM: [String] = [], trustsSystemRoots: Bool = true, client: Credentials? = nil
  ) throws(CertificateFailure) -> ProbeTLSContext {
    let handle = try ContextHandle(minimumVersion: TLS1_2_VERSION)
    kt_ctx_like_go(handle.pointer)
    if trustsSystemRoots { try handle.trustSystemRoots() }
    for pem in extraRootsPEM { try handle.trust(pem, "an additional root") }
    if let client {
      try handle.use(certificatePEM: client.certificatePEM, keyPEM: client.keyPEM)
    }
    handle.verifyPeer(SSL_VERIFY_PEER)
    return ProbeTLSContext(handle, pinned: nil)
  }

  /// Trusts exactly one certificate, the first of `leafPEM`, whatever names it holds, for https to
  /// the MinIO of this very host, whose certificate file is at hand.
  package static func pinned(leafPEM: String) throws(CertificateFailure) -> ProbeTLSContext {
    let leaf = try Certificate.all(inPEM: leafPEM, "the pinned certificate")[0]
    let handle = try ContextHandle(minimumVersion: TLS1_2_VERSION)
    // Instead of the chain, ``connect(over:host:until:)`` compares the certificate itself, before a
    // byte is sent.
    SSL_CTX_set_verify(handle.pointer, SSL_VERIFY_NONE, nil)
    return ProbeTLSContext(handle, pinned: leaf.der)
  }

  /// Trusts nothing and accepts any certificate, to see which one is shown. For servers whose
  /// answers are not trusted and that get no secret.
  package static func observing() throws(CertificateFailure) -> ProbeTLSContext {
    let handle = try ContextHandle(minimumVersion: TLS1_2_VERSION)
    SSL_CTX_set_verify(handle.pointer, SSL_VERIFY_NONE, nil)
    return ProbeTLSContext(handle, pinned: nil)
  }

  /// Blocks until the server at the other end of `socket` has proved to be `host` (a name, or an
  /// address in figures) or to hold the pinned certificate, or the deadline.
  package func connect(
    over socket: Socket, host: String, until deadline: Instant
  ) throws(TLSFailure) -> TLSSession {
    let session = try TLSSession(handle, over: socket, .client)
    let parameters = SSL_get0_param(session.ssl)
    if X509_VERIFY_PARAM_set1_ip_asc(parameters, host) != 1 {
      // As Go's verification: the subject's common name counts for nothing.
      X509_VERIFY_PARAM_set_hostflags(
        parameters,
        UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
      guard X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1,
        kt_ssl_set_server_name(session.ssl, host) == 1
      else { throw TLSFailure(.system, "TLS with \(host): \(OpenSSLError.drainText())") }
    }
    try session.handshake(until: deadline)
    if let pinned {
      let leaf = SSL_get1_peer_certificate(session.ssl).map { Certificate(owning: $0) }
      guard leaf?.der == pinned else {
        session.close(until: deadline)
        throw TLSFailure(
          .unexpectedPeer,
          "TLS with \(socket.peer): it shows another certificate than the pinned one: "
            + (session.peerCertificate?.subject ?? "none"))
      }
    }
    return session
  }
}

extension Certificate {
  fileprivate var der: [UInt8] {
    var bytes: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(pointer, &bytes)
    defer { CRYPTO_free(bytes, nil, 0) }
    precondition(count > 0, "a parsed certificate can be written again")
    return Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
  }
}

extension ContextHandle {
  /// Trusts the roots of the system, where OpenSSL looks for them, SSL_CERT_FILE and SSL_CERT_DIR
  /// included.
  ///
  /// A directory of hashed names is read only as far as it is needed; the bundle is read whole, 4
  /// MB in memory. So the bundle is left alone where the directory will do, as on Debian and
  /// Ubuntu.
  fileprivate func trustSystemRoots() throws(CertificateFailure) {
    ERR_clear_error()
    let isSet =
      getenv(X509_get_default_cert_file_env()) != nil
      || getenv(X509_get_default_cert_dir_env()) != nil
    let usesDirectory = !isSet && Self.hasHashedNames(String(cString: X509_get_default_cert_dir()))
    let result =
      usesDirectory
      ? SSL_CTX_set_default_verify_dir(pointer) : SSL_CTX_set_default_verify_paths(pointer)
    guard result == 1 else {
      throw CertificateFailure("trust the system's roots: \(OpenSSLError.drainText())")
    }
  }

  /// Whether a directory holds a name such as `002c0b4f.0` (openssl-rehash(1)).
  private static func hasHashedNames(_ path: String) -> Bool {
    guard let directory = opendir(path) else { return false }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let isHashed = withUnsafeBytes(of: &entry.pointee.d_name) { name in
        name.prefix(8).allSatisfy { $0.hexValue != nil && !$0.isCapital }
          && name[8] == 0x2E && name[9] == 0x30 && name[10] == 0
      }
      if isHashed { return true }
    }
    return false
  }
}
