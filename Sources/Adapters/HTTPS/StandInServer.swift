public import LinuxIO
public import TLS
public import Wire

/// Servers for the TESTING stand-ins and for tests: they authenticate nobody. No program of the
/// product may use them.
public enum StandInServer {
  /// Starts serving; plain HTTP if `context` is nil. See
  /// ``HTTPSServer/start(listener:context:bounds:log:handler:)``.
  public static func start(
    listener: Listener, context: StandInTLSContext?,
    bounds: HTTPSServer.Bounds = HTTPSServer.Bounds(), log: @escaping @Sendable (String) -> Void,
    handler: @escaping @Sendable (HTTPRequest, HTTPSServer.Peer) -> HTTPResponse
  ) throws(Errno) -> HTTPSServer {
    let server = HTTPSServer(
      listener: listener, bounds: bounds, log: log,
      securing: { socket, deadline throws(TLSFailure) in
        guard let context else { return .plain(socket) }
        return .tls(try context.accept(over: socket, until: deadline))
      }, handler: handler)
    try server.run()
    return server
  }
}
