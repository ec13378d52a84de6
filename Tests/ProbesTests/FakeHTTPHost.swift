// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTP
@testable import KeyManager
import Model
import Sockets
import StandInTransport
import TLS
import TestSupport
import Testing
import Threads

/// A host on 127.0.0.1 that answers requests as a test says, over TLS or not.
final class FakeHTTPHost: Sendable {
  /// What it does with a request.
  enum Answer: Sendable {
    /// Answers, and keeps the connection.
    case response(HTTPResponse)
    /// Answers, and closes the connection.
    case closing(HTTPResponse)
    /// Sends these bytes.
    case raw([UInt8])
    /// Does nothing until the other side goes.
    case silence
  }

  /// A request, with the identity that the client's certificate shows.
  struct Received: Sendable {
    var request: HTTPRequest
    var identity: String?
  }

  private let listener: Listener
  private let log: Lock<[Received]>

  var port: UInt16 { listener.address.port }
  var place: HostPort { HostPort(host: "127.0.0.1", port: port) }
  /// What it has received so far.
  var received: [Received] { log.withLock { $0 } }

  init(
    _ credentials: Credentials?, _ answer: @escaping @Sendable (HTTPRequest) -> Answer
  ) throws {
    let context = try credentials.map {
      try StandInTLSContext.acceptingAnyClient(
        certificatePEM: $0.certificatePEM, keyPEM: $0.keyPEM)
    }
    let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    let log = Lock<[Received]>([])
    self.listener = listener
    self.log = log
    try Thread.start("fake-accept") {
      while let accepted = try? listener.accept() {
        _ = try? Thread.start("fake-host") {
          try? Self.serve(accepted, context, log, answer)
        }
      }
    }
  }

  deinit { listener.shutdown() }

  private static func serve(
    _ socket: Socket, _ context: StandInTLSContext?, _ log: Lock<[Received]>,
    _ answer: @Sendable (HTTPRequest) -> Answer
  ) throws {
    let deadline = Instant.inMilliseconds(20_000)
    let session = try context?.accept(over: socket, until: deadline)
    let identity = session?.peerPublicKeyDigest.map { "h1:" + Base64URL.encode($0) }
    func send(_ bytes: [UInt8]) throws {
      if let session {
        try session.write(bytes, until: deadline)
      } else {
        try socket.write(bytes, until: deadline)
      }
    }
    var parser = HTTPRequestParser()
    while true {
      while let request = try parser.next() {
        log.update { $0.append(Received(request: request, identity: identity)) }
        switch answer(request) {
        case .response(let response): try send(response.bytes(closes: false))
        case .closing(let response):
          try send(response.bytes(closes: true))
          session?.close(until: deadline)
          return
        case .raw(let bytes): try send(bytes)
        case .silence: break
        }
      }
      let bytes =
        try session?.read(upTo: 4096, until: deadline) ?? socket.read(upTo: 4096, until: deadline)
      if bytes.isEmpty { return }
      parser.feed(bytes)
    }
  }
}

extension TemporaryDirectory {
  /// Writes a file in it.
  func write(_ text: String, to name: String) throws {
    let file = try #require(fopen(path(name), "w"))
    fputs(text, file)
    fclose(file)
  }
}
