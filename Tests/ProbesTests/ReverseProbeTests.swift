// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import HTTP
import HTTPS
import KeyManager
import Model
import Probes
import ServerUnit
import Sockets
import TLS
import Testing
import Threads

/// A witness's connections to an agent and a server on this host.
@Suite struct ReverseProbeTests {
  /// What stands at the agent's port.
  enum AgentPort: Sendable {
    /// The agent that has handed out the nonce.
    case asker
    /// An agent with that certificate that knows no such nonce.
    case copy
    /// An agent that proves something with another nonce.
    case liar
    /// The agent of another node.
    case other
    /// One that does not let the witness in.
    case refusing
    /// Nothing.
    case nothing
  }

  private static let nonce = Digest.sha256([1])

  private let authority: CertificateAuthority
  private let witness: TLSContext

  init() throws {
    authority = try CertificateAuthority.create(cluster: "prod")
    witness = try Self.context(authority, .witness, "kms-1")
  }

  private static func context(
    _ authority: CertificateAuthority, _ role: Role, _ name: String
  ) throws -> TLSContext {
    let own = try authority.issue(role: role, name: name)
    return try .mutual(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
      caPEM: authority.credentials.certificatePEM)
  }

  private func agent(_ kind: AgentPort) throws -> HTTPSServer {
    let name = if case .other = kind { "minio-2" } else { "minio-1" }
    return try HTTPSServer.start(
      listener: .bind(HostPort(host: "127.0.0.1", port: 0)),
      identity: TLSIdentity(Self.context(authority, .node, name)),
      policy: ServingPolicy { Self.answer($0, $1, kind) }, log: { _ in })
  }

  private static func answer(
    _ request: HTTPRequest, _ peer: HTTPSServer.Peer, _ kind: AgentPort
  ) -> HTTPResponse {
    guard let principal = peer.principal, request.path == "/v1/reached", principal.role == .witness,
      let challenge = request.query("challenge").flatMap(Digest.init(hex:))
    else { return .text(400, "not a witness's question") }
    switch kind {
    case .refusing:
      return .refusal(403, .notPermitted, "kms-1 is no witness here")
    case .copy: return .refusal(400, .validation, "no such nonce")
    default: break
    }
    let nonce = if case .liar = kind { Digest.sha256([2]) } else { Self.nonce }
    guard request.query("nonce") == ReachProof.name(of: Self.nonce).hex else {
      return .text(400, "another nonce")
    }
    return .json(
      200,
      ReachedAnswer(
        proof: ReachProof.proof(
          nonce: nonce, challenge: challenge, node: "minio-1", witness: principal.name)))
  }

  private func reach(
    agent: HostPort, server: HostPort, milliseconds: Int = 10_000
  ) -> [ReverseAttempt] {
    ReverseProbe.run(
      .init(name: "minio-1", address: agent.text, server: server.text), nonce: Self.nonce,
      context: witness, deadline: .inMilliseconds(milliseconds))
  }

  /// A port at which nothing listens.
  private func free() throws -> HostPort {
    let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    defer { listener.shutdown() }
    return HostPort(host: "127.0.0.1", port: listener.address.port)
  }

  @Test(
    "only the agent that holds the nonce is the one",
    arguments: [
      (AgentPort.asker, ReverseOutcome.reached), (.copy, .anotherHost), (.liar, .anotherHost),
      (.other, .anotherHost), (.refusing, .failed), (.nothing, .refused),
    ])
  func agents(kind: AgentPort, outcome: ReverseOutcome) throws {
    let nobody = try free()
    var place = nobody
    var server: HTTPSServer?
    if case .nothing = kind {
    } else {
      let started = try agent(kind)
      place = HostPort(host: "127.0.0.1", port: started.address.port)
      server = started
    }
    defer { server?.stop(until: .inMilliseconds(5_000)) }
    let attempts = reach(agent: place, server: nobody)
    #expect(attempts.map(\.port) == [.agent, .server])
    #expect(attempts[0].outcome == outcome, "\(attempts[0].detail)")
    #expect(attempts[0].address == place.text)
    #expect(attempts[1].outcome == .refused)
  }

  @Test("a server is recognised by its certificate's key and by what MinIO says of its host")
  func face() throws {
    let own = try authority.issue(role: .node, name: "minio-1")
    let headers: HTTPHeaders = ["x-amz-id-2": "dd9025bab4ad464b"]
    let secured = try FakeHTTPHost(own) { _ in .closing(HTTPResponse(200, headers: headers)) }
    let info = try CertificateInfo(pem: own.certificatePEM)
    let expected = ServerFace(
      publicKey: Digest(bytes: info.publicKeyDigest), validUntil: info.notAfter,
      host: .sha256(Array("dd9025bab4ad464b".utf8)), status: 200)
    let attempt = try #require(reach(agent: free(), server: secured.place).last)
    #expect(attempt.outcome == .reached && attempt.face == expected)
    #expect(secured.received.map(\.request.path) == ["/minio/health/live"])
    #expect(secured.received.map(\.identity) == [nil])
    // What the node sees of its own is the same, so that the two can be compared.
    let arguments = ServerArguments(arguments: ["--address", secured.place.text])
    #expect(
      ServerFaceProbe.own(arguments, deadline: .inMilliseconds(10_000))
        == .answers(expected, port: secured.port))
  }

  @Test("a server without TLS is asked without it")
  func plain() throws {
    let server = try FakeHTTPHost(nil) { _ in .closing(HTTPResponse(200)) }
    let attempt = try #require(reach(agent: free(), server: server.place).last)
    #expect(attempt.outcome == .reached, "\(attempt.detail)")
    #expect(
      attempt.face == ServerFace(publicKey: nil, validUntil: nil, host: nil, status: 200))
  }

  @Test("a server that answers something else is told")
  func status() throws {
    let server = try FakeHTTPHost(nil) { _ in .closing(HTTPResponse(404)) }
    let attempt = try #require(reach(agent: free(), server: server.place).last)
    #expect(attempt.outcome == .failed && attempt.detail.contains("404"))
  }

  @Test("who connects and says nothing is given up at the deadline; the other need not wait")
  func silence() throws {
    let silent = try FakeHTTPHost(nil) { _ in .silence }
    let began = Clock.now()
    let attempts = try reach(agent: free(), server: silent.place, milliseconds: 300)
    #expect(attempts.map(\.outcome) == [.known(.refused), .known(.noAnswer)])
    #expect(Clock.now().milliseconds(since: began) >= 300)
  }

  @Test("a name without an address is said to be one")
  func name() throws {
    let attempts = try reach(
      agent: HostPort(host: "no-such-host.invalid", port: 7377), server: free())
    #expect(attempts.first { $0.port == .agent }?.outcome == .known(.noAddress))
  }

  @Test("a server that does not run is silent, with why")
  func ownServerDown() throws {
    let arguments = try ServerArguments(arguments: ["--address", free().text])
    guard case .silent(let why) = ServerFaceProbe.own(arguments, deadline: .inMilliseconds(5_000))
    else {
      Issue.record("nothing listens there")
      return
    }
    #expect(why.contains("connection refused"))
  }
}
