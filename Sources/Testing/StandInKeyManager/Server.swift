import Digests
import Glibc
import LinuxIO
import Model
import TLS
import Wire

/// The HTTPS server: a client certificate is asked for and may be absent; it counts by its public
/// key alone.
struct Server: Sendable {
  private let listener: Listener
  private let tls: StandInTLSContext
  private let commands: Commands

  /// Blocks until it listens.
  init(on place: HostPort, _ tls: StandInTLSContext, _ commands: Commands) throws(SocketFailure) {
    listener = try Listener.bind(place, backlog: 1024)
    self.tls = tls
    self.commands = commands
  }

  /// Accepts connections, each on a thread of its own, until the process ends.
  func run() {
    while true {
      guard let socket = try? listener.accept() else {
        Clock.sleep(until: .inMilliseconds(100))
        continue
      }
      _ = try? Thread.start("connection") { serve(socket) }
    }
  }

  private func serve(_ socket: Socket) {
    do {
      let session = try tls.accept(over: socket, until: .inMilliseconds(10_000))
      let identity = session.peerPublicKeyDigest.map { "h1:" + Self.base64(of: $0) }
      var parser = HTTPRequestParser(bodyLimit: 1 << 20)
      while true {
        guard let request = try parser.next() else {
          let bytes = try session.read(upTo: 16 << 10, until: .inMilliseconds(90_000))
          if bytes.isEmpty { return }
          parser.feed(bytes)
          continue
        }
        let answer = answer(request, identity)
        try session.write(answer.bytes(closes: request.closes), until: .inMilliseconds(10_000))
        if request.closes {
          session.close(until: .inMilliseconds(1_000))
          return socket.finish(until: .inMilliseconds(1_000))
        }
      }
    } catch {
      // The connection is over; a client that breaks off is nothing to report.
    }
  }

  private func answer(_ request: HTTPRequest, _ identity: String?) -> HTTPResponse {
    let parts = request.path.split(separator: "/", omittingEmptySubsequences: true)
    switch (request.method, parts) {
    case ("GET", ["version"]): return version(request)
    case ("GET", ["v1", "health", "live"]), ("GET", ["v1", "health", "ready"]):
      return HTTPResponse(200)
    case ("GET", ["v1", "health", "metrics"]):
      return identity == nil
        ? failure(.accessDenied) : .text(200, "# TYPE minkms_up gauge\nminkms_up 1\n# EOF")
    case ("POST", ["v1", "kms"]): return failure(.accessDenied)
    case ("POST", let parts) where parts.count == 3 && parts[..<2] == ["v1", "kms"]:
      do throws(CommandFailure) {
        let body = try commands.run(request.body, enclave: String(parts[2]), identity: identity)
        return HTTPResponse(
          200, headers: ["content-type": "application/octet-stream"], body: body)
      } catch { return failure(error) }
    default: return .text(404, "not found")
    }
  }

  private func version(_ request: HTTPRequest) -> HTTPResponse {
    let (version, api) = ("2026-01-01T00-00-00Z", "v1")
    let accepted = request.headers["accept"] ?? ""
    if accepted.contains("application/octet-stream") || accepted.contains("application/*") {
      return HTTPResponse(
        200, headers: ["content-type": "application/octet-stream"],
        body: Protobuf.text(1, version) + Protobuf.text(2, "stand-in") + Protobuf.text(3, api))
    }
    let body = #"{"version":"\#(version)","commit":"stand-in","api_version":"\#(api)"}"#
    return HTTPResponse(200, headers: ["content-type": "application/json"], body: Array(body.utf8))
  }

  private func failure(_ failure: CommandFailure) -> HTTPResponse {
    HTTPResponse(
      failure.status, headers: ["content-type": "application/octet-stream"],
      body: Protobuf.text(1, failure.text))
  }

  /// Base64 with the URL alphabet, without padding.
  private static func base64(of bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start...].prefix(3)
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for index in 0...group.count { text.append(alphabet[bits >> (18 - 6 * index) & 63]) }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
