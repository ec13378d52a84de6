// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import HTTPS
package import Linux
package import Sockets
internal import TLS

/// Servers for the stand-ins and for tests. They authenticate nobody: no program of the product may
/// use them.
package enum StandInServer {
  /// Starts serving; plain HTTP if `context` is nil. See
  /// ``HTTPSServer/start(listener:identity:bounds:policy:log:)``.
  package static func start(
    listener: Listener, context: StandInTLSContext?,
    bounds: HTTPSServer.Bounds = HTTPSServer.Bounds(), log: @escaping @Sendable (String) -> Void,
    handler: @escaping @Sendable (HTTPRequest, HTTPSServer.Peer) -> HTTPResponse
  ) throws(Errno) -> HTTPSServer {
    let server = HTTPSServer(
      listener: listener, bounds: bounds, log: log,
      security: context.map { context in
        .tls { socket throws(TLSFailure) in try context.begin(over: socket) }
      } ?? .plain,
      policy: ServingPolicy(answer: handler))
    try server.run()
    return server
  }
}
