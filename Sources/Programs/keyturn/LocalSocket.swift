// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTP
import HTTPS
import Model
import Operator
import Sockets

/// The agent's local socket: HTTP without TLS, since only root gets to it.
struct LocalSocket: LocalAgent {
  func ask(
    _ request: HTTPRequest, socket path: String, deadline: Instant
  ) throws(Refusal) -> HTTPResponse {
    guard let address = SocketAddress.local(path) else {
      throw Refusal(.configuration, "\(path) is too long for the path of a socket")
    }
    do {
      let socket = try Socket.connect(to: address, until: deadline)
      let connection = try HTTPConnection.open(
        over: socket, HostPort(host: "localhost", port: 80), security: .none,
        bodyLimit: Limits.httpBodyBytes, until: deadline)
      defer { connection.close() }
      return try connection.exchange(request, closes: true, until: deadline)
    } catch {
      let advice =
        geteuid() == 0 ? "is keyturnd running on this host?" : "only root may speak to the agent"
      throw Refusal(geteuid() == 0 ? .unreachable : .notPermitted, "\(error); \(advice)")
    }
  }
}
