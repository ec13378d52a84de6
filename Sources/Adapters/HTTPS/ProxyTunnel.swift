// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model
internal import Secrets
package import Sockets

/// The way through an HTTP proxy, as Go's net/http makes it: CONNECT, which only a 200 answers
/// well.
package enum ProxyTunnel {
  /// Blocks until the proxy at the other end of `socket` leads to `target`, or the deadline.
  package static func open(
    over socket: Socket, _ proxy: ProxySettings.Proxy, to target: HostPort, until deadline: Instant
  ) throws(HTTPSFailure) {
    var head = "CONNECT \(target.text) HTTP/1.1\r\nhost: \(target.text)\r\n"
    if let authorization = proxy.authorization {
      head += "proxy-authorization: \(authorization.reveal())\r\n"
    }
    var parser = HTTPResponseParser(bodyLimit: Limits.probeBodyBytes, toConnect: true)
    func refusal(_ text: String) -> HTTPSFailure {
      .proxy("the proxy \(proxy.text) \(text)", isTimeout: false)
    }
    func refusal(_ failure: SocketFailure) -> HTTPSFailure {
      let text = "the proxy \(proxy.text), asked for \(target.text): \(failure.description)"
      if case .timedOut = failure { return .proxy(text, isTimeout: true) }
      return .proxy(text, isTimeout: false)
    }
    do throws(SocketFailure) {
      try socket.write(Array("\(head)\r\n".utf8), until: deadline)
    } catch { throw refusal(error) }
    while true {
      let response: HTTPResponse?
      do throws(HTTPViolation) { response = try parser.next() } catch {
        throw refusal("does not speak HTTP: \(error.reason)")
      }
      if let response {
        guard response.status == 200 else {
          throw refusal(
            "answers CONNECT \(target.text) with \(response.status) "
              + HTTPResponse.reason(response.status))
        }
        guard parser.isIdle else { throw refusal("speaks where \(target.text) should") }
        return
      }
      let bytes: [UInt8]
      do throws(SocketFailure) {
        bytes = try socket.read(upTo: 4 << 10, until: deadline)
      } catch { throw refusal(error) }
      if bytes.isEmpty {
        throw refusal("closed the connection instead of leading to \(target.text)")
      }
      parser.feed(bytes)
    }
  }
}
