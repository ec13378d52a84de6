// SPDX-License-Identifier: Apache-2.0
package import Model
package import Sockets
package import TLS

/// A connection with TLS or, for probes and stand-ins, without.
package enum Transport {
  case plain(Socket)
  case tls(TLSSession)

  package var socket: Socket {
    switch self {
    case .plain(let socket): socket
    case .tls(let session): session.socket
    }
  }

  /// Blocks until something has come; empty at the orderly end of the stream.
  package func read(until deadline: Instant) throws(HTTPSFailure) -> [UInt8] {
    switch self {
    case .plain(let socket):
      do throws(SocketFailure) {
        return try socket.read(upTo: 16 << 10, until: deadline)
      } catch { throw .transfer(error) }
    case .tls(let session):
      do throws(TLSFailure) {
        return try session.read(upTo: 16 << 10, until: deadline)
      } catch { throw .tls(error) }
    }
  }

  package func write(_ bytes: [UInt8], until deadline: Instant) throws(HTTPSFailure) {
    switch self {
    case .plain(let socket):
      do throws(SocketFailure) {
        try socket.write(bytes, until: deadline)
      } catch { throw .transfer(error) }
    case .tls(let session):
      do throws(TLSFailure) { try session.write(bytes, until: deadline) } catch {
        throw .tls(error)
      }
    }
  }

  /// Says that nothing more will come. Blocks at most until the deadline; the socket stays open.
  package func close(until deadline: Instant) {
    if case .tls(let session) = self { session.close(until: deadline) }
  }
}
