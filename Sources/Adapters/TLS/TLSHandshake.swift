// SPDX-License-Identifier: Apache-2.0
package import Sockets

/// The server's side of a handshake that is under way: it is taken on whenever something has come,
/// and never blocks. It belongs to one thread.
package final class TLSHandshake {
  private let session: TLSSession

  /// Begins one with the client at the other end of `socket`.
  package init(_ context: ContextHandle, over socket: Socket) throws(TLSFailure) {
    session = try TLSSession(context, over: socket, .server)
  }

  /// Takes what has come. The session, once both sides have agreed; nil if more must come. After a
  /// failure it is over, and the alert that says why has been sent.
  package func advance() throws(TLSFailure) -> TLSSession? {
    try session.advance() ? session : nil
  }
}

extension TLSContext {
  /// Begins a handshake with the client at the other end of `socket`, which must show a certificate
  /// of the CA. See ``accept(over:until:)`` for who comes in.
  package func begin(over socket: Socket) throws(TLSFailure) -> TLSHandshake {
    try TLSHandshake(handle, over: socket)
  }
}
