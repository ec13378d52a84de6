// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import KeyManager
internal import Model
internal import Secrets
internal import Sockets

/// The way through an HTTP proxy, as Go's net/http makes it: CONNECT, which only a 200 answers
/// well.
enum ProxyTunnel {
  /// Blocks until the proxy at the other end of `socket` leads to `target`, or the deadline.
  static func open(
    over socket: Socket, _ proxy: ProxySettings.Proxy, to target: HostPort, until deadline: Instant
  ) throws(ProbeFailure) {
    var head = "CONNECT \(target.text) HTTP/1.1\r\nhost: \(target.text)\r\n"
    if let authorization = proxy.authorization {
      head += "proxy-authorization: \(authorization.reveal())\r\n"
    }
    var parser = HTTPResponseParser(bodyLimit: Limits.probeBodyBytes, toConnect: true)
    func refuse(_ failure: SocketFailure) -> ProbeFailure {
      var refusal = ProbeFailure(failure)
      refusal.text = "the proxy \(proxy.text), asked for \(target.text): \(refusal.text)"
      return refusal
    }
    do throws(SocketFailure) {
      try socket.write(Array("\(head)\r\n".utf8), until: deadline)
    } catch { throw refuse(error) }
    while true {
      if let response = try parse(&parser, proxy) {
        guard response.status == 200 else {
          throw ProbeFailure(
            "the proxy \(proxy.text) answers CONNECT \(target.text) with \(response.status) "
              + HTTPResponse.reason(response.status))
        }
        guard parser.isIdle else {
          throw ProbeFailure("the proxy \(proxy.text) speaks where the Key Manager should")
        }
        return
      }
      let bytes: [UInt8]
      do throws(SocketFailure) {
        bytes = try socket.read(upTo: 4 << 10, until: deadline)
      } catch { throw refuse(error) }
      if bytes.isEmpty {
        throw ProbeFailure(
          "the proxy \(proxy.text) closed the connection instead of leading to \(target.text)")
      }
      parser.feed(bytes)
    }
  }

  private static func parse(
    _ parser: inout HTTPResponseParser, _ proxy: ProxySettings.Proxy
  ) throws(ProbeFailure) -> HTTPResponse? {
    do throws(HTTPViolation) { return try parser.next() } catch {
      throw ProbeFailure("the proxy \(proxy.text) does not speak HTTP: \(error.reason)")
    }
  }
}
