// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
package import Model
package import Secrets
package import Sockets
package import TLS

/// The server side of the stand-in for a Key Manager: it asks for a client certificate, accepts any
/// and none, and leaves it to the caller to know the client by ``TLSSession/peerPublicKeyDigest``
/// (docs/facts.md, "Identity and TLS"). It authenticates nobody: no program of the product may use
/// it.
package final class StandInTLSContext: Sendable {
  let handle: ContextHandle

  private init(_ handle: ContextHandle) { self.handle = handle }

  /// `isOutdated`: it speaks TLS 1.1 at most.
  package static func acceptingAnyClient(
    certificatePEM: String, keyPEM: Secret, isOutdated: Bool = false
  ) throws(CertificateFailure) -> StandInTLSContext {
    let handle = try ContextHandle(minimumVersion: TLS1_2_VERSION)
    if isOutdated { kt_ctx_outdated(handle.pointer, TLS1_1_VERSION) }
    try handle.use(certificatePEM: certificatePEM, keyPEM: keyPEM)
    SSL_CTX_set_verify(handle.pointer, SSL_VERIFY_PEER) { _, _ in 1 }
    return StandInTLSContext(handle)
  }

  /// Blocks until the handshake is done or the deadline has come.
  package func accept(over socket: Socket, until deadline: Instant) throws(TLSFailure) -> TLSSession
  { try handle.accept(over: socket, until: deadline) }

  package func begin(over socket: Socket) throws(TLSFailure) -> TLSHandshake {
    try TLSHandshake(handle, over: socket)
  }
}

extension TLSContext {
  /// Blocks until the client at the other end of `socket` has shown a certificate of the CA, or the
  /// deadline. The product's servers begin a handshake instead, which never blocks.
  package func accept(over socket: Socket, until deadline: Instant) throws(TLSFailure) -> TLSSession
  { try handle.accept(over: socket, until: deadline) }
}

extension ContextHandle {
  fileprivate func accept(
    over socket: Socket, until deadline: Instant
  ) throws(TLSFailure) -> TLSSession {
    let session = try TLSSession(self, over: socket, .server)
    try session.handshake(until: deadline)
    return session
  }
}
