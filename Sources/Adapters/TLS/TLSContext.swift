// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
package import Model
package import Secrets
package import Sockets

/// The TLS of Keyturn's own links, for both sides: TLS 1.3 only, both show a certificate of the
/// cluster's CA, nothing of the system's roots counts, and there is no option that skips any of it.
///
/// Purposes are checked too: only a certificate for serverAuth may accept, only one for clientAuth
/// may connect.
package final class TLSContext: Sendable {
  package let own: CertificateInfo
  /// The own certificate as it is shown, PEM.
  package let certificatePEM: String
  let caPEM: String
  /// The CAs that are trusted.
  package let authorities: [TrustedAuthority]
  /// The key of the CA of these that issued the own certificate; nil if it is none of them.
  package let authority: [UInt8]?
  /// What is shared with the contexts that come after this one.
  package let revocations: RevocationList
  /// Who we are, by the own certificate.
  package let principal: Principal
  /// With the first end of the cluster's CA, or of several during a change.
  package var ownCertificate: OwnCertificate {
    OwnCertificate(
      principal: principal, validFrom: own.notBefore, validUntil: own.notAfter,
      authorityUntil: authorities.map(\.validUntil).min())
  }
  /// Other modules use it in tests alone (Testing/StandInTransport).
  package let handle: ContextHandle

  private init(
    _ handle: ContextHandle, _ certificatePEM: String, own: CertificateInfo, principal: Principal,
    caPEM: String, authorities: [TrustedAuthority], authority: [UInt8]?,
    revocations: RevocationList
  ) {
    self.authorities = authorities
    self.authority = authority
    self.revocations = revocations
    self.handle = handle
    self.certificatePEM = certificatePEM
    self.caPEM = caPEM
    self.own = own
    self.principal = principal
  }

  /// A context from a certificate (others of its chain may follow it), its key and the cluster's CA
  /// (during a change of CA, both). Reads no files.
  package static func mutual(
    certificatePEM: String, keyPEM: Secret, caPEM: String,
    revocations: RevocationList = RevocationList()
  ) throws(CertificateFailure) -> TLSContext {
    let handle = try ContextHandle(minimumVersion: TLS1_3_VERSION)
    try handle.use(certificatePEM: certificatePEM, keyPEM: keyPEM)
    try handle.trust(caPEM, "the cluster's CA")
    handle.verifyPeer(SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
    let chain = try Certificate.all(inPEM: certificatePEM, "the own certificate")
    let own = CertificateInfo(chain[0])
    guard let principal = own.principal else {
      throw CertificateFailure(
        "the own certificate (\(own.subject)) names no keyturn://CLUSTER/ROLE/NAME; "
          + "issue one with `keyturn pki issue`")
    }
    // The text may hold the key as well, and what is shown must not.
    let shown = try chain.map { (certificate) throws(CertificateFailure) in try certificate.pem() }
    let (authorities, authority) = try trusted(caPEM, chain)
    return TLSContext(
      handle, shown.joined(), own: own, principal: principal, caPEM: caPEM,
      authorities: authorities, authority: authority, revocations: revocations)
  }

  /// The CAs of a PEM text, and which of them issued the last certificate of a chain.
  private static func trusted(
    _ caPEM: String, _ chain: [Certificate]
  ) throws(CertificateFailure) -> ([TrustedAuthority], [UInt8]?) {
    let authorities = try Certificate.all(inPEM: caPEM, "the cluster's CA")
    let issuer = authorities.first { authority in
      defer { ERR_clear_error() }
      return chain.last.map {
        X509_verify($0.pointer, X509_get0_pubkey(authority.pointer)) == 1
      } ?? false
    }
    return (
      authorities.map(TrustedAuthority.init), issuer.map { CertificateInfo($0).publicKeyDigest }
    )
  }

  /// The same certificate and key with other trusted CAs.
  package func trusting(_ caPEM: String) throws(CertificateFailure) -> TLSContext {
    let other = try ContextHandle(minimumVersion: TLS1_3_VERSION)
    try other.show(asIn: handle)
    try other.trust(caPEM, "the cluster's CA")
    other.verifyPeer(SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
    let chain = try Certificate.all(inPEM: certificatePEM, "the own certificate")
    let (authorities, authority) = try Self.trusted(caPEM, chain)
    return TLSContext(
      other, certificatePEM, own: own, principal: principal, caPEM: caPEM,
      authorities: authorities, authority: authority, revocations: revocations)
  }

  /// A context with another certificate of the same holder, and the same CA. A certificate that the other agents would
  /// refuse is refused here already.
  ///
  /// - Parameter atAnyTime: one that is not valid now is taken as well.
  package func renewed(
    certificatePEM: String, keyPEM: Secret, atAnyTime: Bool = false
  ) throws(CertificateFailure) -> TLSContext {
    let renewed = try TLSContext.mutual(
      certificatePEM: certificatePEM, keyPEM: keyPEM, caPEM: caPEM, revocations: revocations)
    guard renewed.principal == principal else {
      throw CertificateFailure(
        "the certificate is that of \(renewed.principal.uri), this is \(principal.uri)")
    }
    try renewed.handle.verify(
      certificatePEM, purposes: [X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT],
      atAnyTime: atAnyTime)
    return renewed
  }

  /// Blocks until the server at the other end of `socket` has proved to be `expected`, or the
  /// deadline.
  ///
  /// The server judges our certificate only after that: its refusal comes out of the first read.
  package func connect(
    over socket: Socket, expecting expected: Principal, until deadline: Instant
  ) throws(TLSFailure) -> TLSSession {
    let session = try TLSSession(handle, over: socket, .client)
    try session.handshake(until: deadline)
    guard session.peer == expected else {
      let actual = session.peer.map { Self.text($0, beside: expected) }
      session.close(until: deadline)
      throw TLSFailure(
        .unexpectedPeer,
        "TLS with \(socket.peer): reached \(actual ?? "a certificate without a Keyturn name") "
          + "instead of \(Self.text(expected, beside: session.peer)); "
          + "check the address in the inventory and the certificate on that host")
    }
    if let certificate = session.peerCertificate,
      let revoked = revocations.revoked(expected, validFrom: certificate.notBefore)
    {
      session.close(until: deadline)
      throw TLSFailure(.certificateRefused, "TLS with \(socket.peer): \(revoked.text)")
    }
    return session
  }

  /// Begins a handshake with the client at the other end of `socket`, which must show a certificate
  /// of the CA. Any cluster, role and name of that CA comes in; ``TLSSession/peer`` is for the
  /// caller to judge.
  package func begin(over socket: Socket) throws(TLSFailure) -> TLSHandshake {
    try TLSHandshake(handle, over: socket)
  }

  /// The bare name where only the names differ, else all of it.
  private static func text(_ one: Principal, beside other: Principal?) -> String {
    guard let other, one.cluster == other.cluster, one.role == other.role else { return one.uri }
    return one.name
  }
}

/// A CA that is trusted.
package struct TrustedAuthority: Sendable, Hashable {
  /// SHA-256 of its SubjectPublicKeyInfo, by which it is told from another of the same name.
  package var key: [UInt8]
  /// Its end, seconds since 1970-01-01 UTC.
  package var validUntil: Int64

  /// The one CA of a PEM text; throws for anything else.
  package init(certificatePEM: String) throws(CertificateFailure) {
    let all = try Certificate.all(inPEM: certificatePEM, "the CA's certificate")
    guard all.count == 1, X509_check_ca(all[0].pointer) == 1 else {
      throw CertificateFailure("it is not the one certificate of a certificate authority")
    }
    self.init(all[0])
  }

  init(_ certificate: Certificate) {
    let info = CertificateInfo(certificate)
    key = info.publicKeyDigest
    validUntil = info.notAfter
  }
}

/// The server's side of a handshake under way. It never blocks: advance it whenever bytes have
/// come. It belongs to one thread.
package final class TLSHandshake {
  private let session: TLSSession

  package init(_ context: ContextHandle, over socket: Socket) throws(TLSFailure) {
    session = try TLSSession(context, over: socket, .server)
  }

  /// Takes what has come. The session, once both sides have agreed; nil if more must come. After a
  /// failure it is over, and the alert that says why has been sent.
  package func advance() throws(TLSFailure) -> TLSSession? {
    try session.advance() ? session : nil
  }
}
