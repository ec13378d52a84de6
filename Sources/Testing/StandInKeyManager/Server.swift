// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import HTTP
import HTTPS
import JSONCoding
import Model
import Sockets
import StandInTransport
import TLS
import Threads

/// The HTTPS server: a client certificate is asked for and may be absent; it counts by its public
/// key alone.
struct Server: Sendable {
  struct Identity: Sendable {
    var tls: StandInTLSContext
    var outdatedTLS: StandInTLSContext
    var host: String
    var faultsFile: String?
  }

  let listener: Listener
  private let identity: Identity
  private let commands: Commands

  /// Blocks until it listens.
  init(on place: HostPort, _ identity: Identity, _ commands: Commands) throws(SocketFailure) {
    listener = try Listener.bind(place, backlog: 1024)
    self.identity = identity
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

  private var faults: Faults { Faults.load(identity.faultsFile) }

  // MARK: one connection

  private func serve(_ socket: Socket) {
    do {
      let faults = faults
      if faults.silent == true {
        // Until the client gives up.
        while !(try socket.read(upTo: 1 << 10, until: .inMilliseconds(60_000))).isEmpty {}
        return
      }
      var client: String?
      let connection: Transport
      if faults.plainHTTP == true {
        connection = .plain(socket)
      } else {
        let context = faults.outdatedTLS == true ? identity.outdatedTLS : identity.tls
        let session = try context.accept(over: socket, until: .inMilliseconds(10_000))
        client = session.peerPublicKeyDigest.map { "h1:" + Self.base64(of: $0) }
        connection = .tls(session)
      }
      var parser = HTTPRequestParser(bodyLimit: 1 << 20)
      while true {
        let next: HTTPRequest?
        do throws(HTTPViolation) { next = try parser.next() } catch {
          // Go's server answers so to what it cannot read, for example a TLS handshake.
          let answer = HTTPResponse.text(400, "bad request").bytes(closes: true)
          try connection.write(answer, until: .inMilliseconds(10_000))
          return socket.finish(until: .inMilliseconds(1_000))
        }
        guard let request = next else {
          let bytes = try connection.read(until: .inMilliseconds(90_000))
          if bytes.isEmpty { return }
          parser.feed(bytes)
          continue
        }
        let faults = self.faults
        if let delay = faults.slowMilliseconds { Clock.sleep(until: .inMilliseconds(delay)) }
        let answer = answer(request, client, faults)
        let closes = request.closes || faults.framing == "unframed"
        var rest = Self.bytes(answer, closes: closes, faults)[...]
        while !rest.isEmpty {
          let piece = rest.prefix(faults.framing == "pieces" ? 100 : rest.count)
          try connection.write(Array(piece), until: .inMilliseconds(10_000))
          rest = rest.dropFirst(piece.count)
        }
        if closes {
          connection.close(until: .inMilliseconds(1_000))
          return socket.finish(until: .inMilliseconds(1_000))
        }
      }
    } catch {
      // The connection is over; a client that breaks off is nothing to report.
    }
  }

  /// The answer on the wire, with the faults that are wanted.
  private static func bytes(_ answer: HTTPResponse, closes: Bool, _ faults: Faults) -> [UInt8] {
    var answer = answer
    if let type = faults.contentType {
      var headers = HTTPHeaders()
      for (name, value) in answer.headers.fields where name != "content-type" {
        headers.add(name, value)
      }
      headers.add("content-type", type)
      answer.headers = headers
    }
    let isFramed = answer.status == 200 && answer.body.count > 6
    switch faults.framing {
    case "truncated" where isFramed: answer.body.removeLast(answer.body.count / 2)
    case "trailing" where isFramed: answer.body.append(0)
    case "oversized" where isFramed: answer.body.replaceSubrange(2..<6, with: [255, 255, 255, 255])
    case "chunked", "unframed":
      var head = "HTTP/1.1 \(answer.status) \(HTTPResponse.reason(answer.status))\r\n"
      for (name, value) in answer.headers.fields { head += "\(name): \(value)\r\n" }
      if faults.framing == "unframed" {
        return Array("\(head)connection: close\r\n\r\n".utf8) + answer.body
      }
      head += "transfer-encoding: chunked\r\n\r\n"
      let chunk =
        answer.body.isEmpty
        ? []
        : Array("\(String(answer.body.count, radix: 16))\r\n".utf8) + answer.body
          + Array("\r\n".utf8)
      return Array(head.utf8) + chunk + Array("0\r\n\r\n".utf8)
    default: break
    }
    return answer.bytes(closes: closes)
  }

  // MARK: one request

  private func answer(_ request: HTTPRequest, _ client: String?, _ faults: Faults) -> HTTPResponse {
    let parts = request.path.split(separator: "/", omittingEmptySubsequences: true)
    switch (request.method, parts) {
    case ("GET", ["version"]): return version(request, faults)
    case ("GET", ["v1", "health", "live"]):
      return faults.notAlive == true ? .text(503, "not alive") : HTTPResponse(200)
    case ("GET", ["v1", "health", "ready"]):
      if faults.notReady == true { return .text(503, "no leader") }
      guard request.query("write") != nil else { return HTTPResponse(200) }
      return commands.cluster.obstacle(faults).map { .text(503, $0) } ?? HTTPResponse(200)
    case ("GET", ["v1", "health", "metrics"]):
      return client == nil
        ? failure(.accessDenied, faults) : .text(200, "# TYPE minkms_up gauge\nminkms_up 1\n# EOF")
    case ("POST", ["v1", "rpc", "vote"]), ("POST", ["v1", "rpc", "replicate"]):
      return peer(request, String(parts[2]), faults)
    case ("POST", let parts) where (2...3).contains(parts.count) && parts[..<2] == ["v1", "kms"]:
      do throws(CommandFailure) {
        let body = try commands.run(
          request.body, enclave: parts.count == 3 ? String(parts[2]) : "", identity: client, faults)
        return HTTPResponse(200, headers: ["content-type": "application/octet-stream"], body: body)
      } catch { return failure(error, faults) }
    default: return .text(404, "not found")
    }
  }

  /// Another Key Manager of the cluster asks whether a write can be taken, or sends one.
  private func peer(_ request: HTTPRequest, _ what: String, _ faults: Faults) -> HTTPResponse {
    guard request.headers[Cluster.secretField] == commands.cluster.secret else {
      return failure(.accessDenied, faults)
    }
    if faults.readOnly == true { return .text(503, "read-only") }
    if what == "vote" { return HTTPResponse(200, body: Array("\(commands.cluster.rank)".utf8)) }
    do {
      let change = try JSON.decode(State.Change.self, from: request.body)
      return HTTPResponse(try commands.take(change) ? 200 : 409)
    } catch { return .text(500, "\(error)") }
  }

  private func version(_ request: HTTPRequest, _ faults: Faults) -> HTTPResponse {
    let (version, api) = (faults.release ?? "2026-01-01T00-00-00Z", "v1")
    let host = faults.host ?? identity.host
    let accepted = request.headers["accept"] ?? ""
    if accepted.contains("application/octet-stream") || accepted.contains("application/*") {
      return HTTPResponse(
        200, headers: ["content-type": "application/octet-stream"],
        body: Protobuf.text(1, version) + Protobuf.text(2, "stand-in") + Protobuf.text(3, api)
          + Protobuf.text(4, host))
    }
    let body =
      #"{"version":"\#(version)","commit":"stand-in","api_version":"\#(api)","host":"\#(host)"}"#
    return HTTPResponse(200, headers: ["content-type": "application/json"], body: Array(body.utf8))
  }

  private func failure(_ failure: CommandFailure, _ faults: Faults) -> HTTPResponse {
    switch faults.errors {
    case "text": .text(failure.status, failure.text)
    case "json":
      HTTPResponse(
        failure.status, headers: ["content-type": "application/json"],
        body: Array(#"{"message":"\#(failure.text)"}"#.utf8))
    default:
      HTTPResponse(
        failure.status, headers: ["content-type": "application/octet-stream"],
        body: Protobuf.text(1, failure.text))
    }
  }

  /// The URL alphabet, without padding.
  private static func base64(of bytes: [UInt8]) -> String {
    let urlSafe: [Character: Character] = ["+": "-", "/": "_"]
    return String(Data(bytes).base64EncodedString().filter { $0 != "=" }.map { urlSafe[$0] ?? $0 })
  }
}
