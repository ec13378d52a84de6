// SPDX-License-Identifier: Apache-2.0
import HTTP
import JSONCoding
@testable import KeyManager
import Model
import Secrets
@testable import Probes
import Sockets
import TLS
import TestSupport
import Testing
import Threads

private let apiKey = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
private let identity = "h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE"
private let dataKey = Array("data-key-in-the-clear-of-32-byte".utf8)

private func binary(_ status: Int, _ body: [UInt8]) -> HTTPResponse {
  HTTPResponse(status, headers: ["content-type": "application/octet-stream"], body: body)
}

private func refusal(_ error: KeyManagerError) -> HTTPResponse {
  binary(error.status, ErrorResponse(message: error.message).encoded())
}

private let version: HTTPResponse = {
  var message = VersionResponse()
  message.version = "2025-08-18T19-50-54Z"
  return binary(200, message.encoded())
}()

private let keyStatus = binary(
  200,
  Frame(
    .keyStatus,
    KeyStatusResponse(
      name: "sse-key", version: 1, type: "AES256", createdAt: Timestamp(seconds: 1_705_306_368),
      createdBy: identity)
  ).encoded())

private func status(of identity: String, policy: String = "aistor") -> HTTPResponse {
  var message = IdentityResponse(identity: identity)
  message.privilege = 3
  message.policy = policy
  return binary(200, Frame(.identityStatus, message).encoded())
}

private let generated = binary(
  200,
  Frame(
    .keyGenerate, GenerateKeyResponse(version: 1, plaintext: dataKey, ciphertext: [1, 2, 3])
  ).encoded())

/// What a Key Manager answers; the properties say otherwise where a test wants it.
private struct Script: Sendable {
  var version = FakeHTTPHost.Answer.response(ProbesTests.version)
  var ready = FakeHTTPHost.Answer.response(HTTPResponse(200))
  var live = FakeHTTPHost.Answer.response(HTTPResponse(200))
  var write = FakeHTTPHost.Answer.response(HTTPResponse(200))
  var identityStatus = FakeHTTPHost.Answer.response(status(of: identity))
  var keyStatus = FakeHTTPHost.Answer.response(ProbesTests.keyStatus)
  var keyGenerate = FakeHTTPHost.Answer.response(generated)

  @Sendable func answer(_ request: HTTPRequest) -> FakeHTTPHost.Answer {
    switch (request.method, request.path) {
    case ("GET", "/version"): version
    case ("GET", "/v1/health/live"): live
    case ("GET", "/v1/health/ready"): request.query("write") == nil ? ready : write
    case ("POST", "/v1/kms/aistor"):
      switch (try? Frame.decodeAll(request.body))?.first?.command {
      case .keyStatus: keyStatus
      case .keyGenerate: keyGenerate
      case .identityStatus: identityStatus
      default: .response(HTTPResponse(400))
      }
    default: .response(HTTPResponse(404))
    }
  }
}

@Suite struct KeyManagerProbeTests {
  private let authority: CertificateAuthority
  private let trusted: TemporaryDirectory

  init() throws {
    authority = try CertificateAuthority.create(cluster: "test")
    trusted = try TemporaryDirectory()
    try trusted.write(authority.credentials.certificatePEM, to: "ca.crt")
    // What is no certificate is passed over, as the server does.
    try trusted.write("not a certificate", to: "README")
  }

  private func credentials(_ addresses: [String] = ["127.0.0.1", "localhost"]) throws -> Credentials
  {
    try authority.issue(role: .witness, name: "kms-1", addresses: addresses)
  }

  private func settings(_ server: String, apiKey: String = apiKey) throws -> KeyManagerSettings {
    try #require(
      try KeyManagerSettings.parse([
        EnvironmentVariable(name: "MINIO_KMS_SERVER", value: server),
        EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "aistor"),
        EnvironmentVariable(name: "MINIO_KMS_SSE_KEY", value: "sse-key"),
        EnvironmentVariable(name: "MINIO_KMS_API_KEY", value: apiKey),
      ]))
  }

  private func probe(
    _ host: FakeHTTPHost, name: String = "127.0.0.1", key: String = apiKey, trust: String? = nil,
    milliseconds: Int = 10_000, environment: [String: String] = [:]
  ) throws -> EndpointReport {
    let reports = KeyManagerProbe.run(
      settings: try settings("https://\(name):\(host.port)", apiKey: key),
      surroundings: surroundings(trust, environment), deadline: .inMilliseconds(milliseconds))
    try #require(reports.count == 1)
    return reports[0]
  }

  private func surroundings(
    _ trust: String? = nil, _ environment: [String: String] = [:]
  ) -> ServerSurroundings {
    ServerSurroundings(
      certificateAuthorities: trust ?? trusted.path,
      environment: environment.map { EnvironmentVariable(name: $0, value: $1) })
  }

  private func probe(
    _ change: (inout Script) -> Void = { _ in }
  ) throws -> (EndpointReport, [FakeHTTPHost.Received]) {
    var script = Script()
    change(&script)
    let host = try FakeHTTPHost(try credentials(), script.answer)
    let report = try probe(host)
    return (report, host.received)
  }

  /// The stages that are not fine, as `stage verdict` or `stage verdict reason`; `write` only if it
  /// was asked for.
  private func troubles(_ report: EndpointReport) -> [String] {
    report.stages.filter {
      // Most have neither a key to create nor a key proof.
      $0.verdict != .fine
        && !([.write, .proof].contains($0.stage) && $0.verdict == .notChecked)
    }
    .map { "\($0.stage) \($0.verdict)" + ($0.reason.map { " \($0)" } ?? "") }
  }

  @Test("a Key Manager that is as it must be is fine at every stage, asked as its own identity")
  func fine() throws {
    let (report, received) = try probe()
    #expect(troubles(report) == [])
    #expect(report.stages.map(\.stage) == ProbeStage.allCases)
    #expect(report[.write]?.verdict == .notChecked)
    #expect(report.address?.hasPrefix("127.0.0.1:") == true)
    #expect(report[.version]?.detail == "2025-08-18T19-50-54Z")
    #expect(
      report.sights == [
        KeyManagerSight(
          release: "2025-08-18T19-50-54Z", host: nil,
          key: .exists(
            KeyFingerprint(
              version: 1, type: "AES256", createdAt: Timestamp(seconds: 1_705_306_368),
              createdBy: identity)))
      ])
    #expect(report.addresses[0].link?.protocolVersion == "TLSv1.3")
    #expect(report.addresses[0].link?.serverKey == "EC P-256")
    #expect(
      received.map(\.request.path)
        == ["/version", "/v1/health/live", "/v1/health/ready"]
        + Array(repeating: "/v1/kms/aistor", count: 3))
    #expect(Set(received.map(\.identity)) == [identity])
    let asked = try received.dropFirst(3).flatMap { try Frame.decodeAll($0.request.body) }
    #expect(
      asked == [
        Frame(.identityStatus, IdentityRequest()),
        Frame(.keyStatus, KeyStatusRequest(name: "sse-key")),
        Frame(.keyGenerate, GenerateKeyRequest.asAtStart(name: "sse-key")),
      ])
    #expect(
      received.dropFirst(3).allSatisfy {
        $0.request.headers["content-type"] == "application/octet-stream"
      })
  }

  @Test(
    "a k2 key authenticates as its identity",
    arguments: [
      (
        "k2:2qsDxbLA5fyqfMz9a1QG5csFwrm1YIAAgQOpDNyt2qA",
        "h1:apx4gmz6zTaxSdQXbZ8xEOnWkIYMyS7rkO630DkWHVk"
      ),
      (
        "k2:LhZNkY66RW4RzVga2KKb3s1D-QGGUw-zcHYgboFjbhJsqA7QRhW4ULcZG4W22MkU",
        "h1:7X51iddDmnzjCXqs4-2oYZ7GRL5xISAVc-6PZBY5IVs"
      ),
      (
        "k2:AHtHeLqwZHONW_T-jIQnhpLOZmoy7-v1ayWttPgTTX1g1eA9UK8xgIhmy5IY3H7yCnz_pO2zJXMm8HwQo_XWeePh",
        "h1:vCneq9YzPqsd1PFW61xLsWCl4xPlY5zg2KGiqL1mK6Q"
      ),
    ])
  func ecdsa(key: String, identity: String) throws {
    var script = Script()
    script.identityStatus = .response(status(of: identity))
    let host = try FakeHTTPHost(try credentials(), script.answer)
    #expect(troubles(try probe(host, key: key)) == [])
    #expect(Set(host.received.map(\.identity)) == [identity])
  }

  // MARK: the way there

  @Test("a name is verified as a name")
  func byName() throws {
    let host = try FakeHTTPHost(try credentials(), Script().answer)
    #expect(
      troubles(try probe(host, name: "localhost"))
        .filter { !$0.hasPrefix("tcp degraded") } == [])
  }

  @Test("a name that does not exist fails at name resolution")
  func noName() throws {
    let host = try FakeHTTPHost(nil) { _ in .silence }
    let report = try probe(host, name: "kms-1.invalid")
    #expect(report[.dns]?.verdict == .failed)
    #expect(report[.tcp]?.detail == "name resolution failed")
    #expect(report.worst?.stage == .dns)
    #expect(report.address == nil)
  }

  @Test("a closed port fails at the TCP connection")
  func closedPort() throws {
    let port = try FakeHTTPHost(nil) { _ in .silence }.port
    let report = KeyManagerProbe.run(
      hosts: [HostPort(host: "127.0.0.1", port: port)], surroundings: surroundings(),
      deadline: .inMilliseconds(10_000))[0]
    #expect(report[.tcp]?.verdict == .failed)
    #expect(report[.tcp]?.detail.contains("refused") == true)
    #expect(report[.tls]?.verdict == .notChecked)
  }

  @Test("a certificate of an authority that the server does not trust fails at TLS")
  func unknownAuthority() throws {
    let host = try FakeHTTPHost(try credentials(), Script().answer)
    let empty = try TemporaryDirectory()
    for trust in [empty.path, "\(empty.path)/absent"] {
      let report = try probe(host, trust: trust)
      #expect(report[.tls]?.verdict == .failed)
      #expect(report.worst?.stage == .tls)
    }
    #expect(host.received.isEmpty)
  }

  @Test("a certificate for another name fails at TLS")
  func wrongName() throws {
    let host = try FakeHTTPHost(try credentials(["kms-2.example.net"]), Script().answer)
    #expect(try probe(host)[.tls]?.verdict == .failed)
    #expect(host.received.isEmpty)
  }

  @Test("HTTP without TLS on the port fails at TLS")
  func plainHTTP() throws {
    let host = try FakeHTTPHost(nil) { _ in .response(HTTPResponse(400)) }
    #expect(try probe(host)[.tls]?.verdict == .failed)
  }

  @Test("a host that accepts and says nothing fails at TLS when the deadline comes")
  func silent() throws {
    let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    // The deadline begins after the set-up of TLS, which may take long on a busy machine.
    let context = try ProbeTLSContext.verifying(client: nil)
    let report = EndpointProbe(
      endpoint: "silent", target: HostPort(host: "127.0.0.1", port: listener.address.port),
      proxy: nil, context: .success(context), roots: TrustedRoots(surroundings()), subject: nil,
      deadline: .inMilliseconds(1_000)
    ).run()
    #expect(report[.tcp]?.verdict == .fine)
    #expect(report[.tls]?.verdict == .failed)
    #expect(report[.tls]?.reason == .timeout)
  }

  @Test("all endpoints are probed at once, each has its report in the settings' order")
  func atOnce() throws {
    let waiting = Lock(0)
    let hosts = try (0..<3).map { _ in
      try FakeHTTPHost(try credentials()) { request in
        // Nobody is answered before all three have been asked.
        if request.path == "/version" {
          waiting.update { $0 += 1 }
          _ = waiting.wait(until: .inMilliseconds(10_000)) { $0 >= 3 ? true : nil }
        }
        return Script().answer(request)
      }
    }
    let server = hosts.map { "https://127.0.0.1:\($0.port)" }
    let reports = KeyManagerProbe.run(
      settings: try settings(server.joined(separator: ",")), surroundings: surroundings(),
      deadline: .inMilliseconds(15_000))
    #expect(reports.map(\.endpoint) == server)
    #expect(reports.flatMap(troubles) == [])
  }

  // MARK: what is answered

  @Test("a host that closes the connection after each answer is fine")
  func closing() throws {
    let (report, received) = try probe {
      $0.version = .closing(version)
      $0.ready = .closing(HTTPResponse(200))
      $0.keyStatus = .closing(keyStatus)
    }
    #expect(troubles(report) == [])
    #expect(received.count == 6)
  }

  @Test("the version may come as JSON")
  func jsonVersion() throws {
    let json = Array(#"{"version":"2025-08-18T19-50-54Z","fips140":false}"#.utf8)
    let (report, _) = try probe {
      $0.version = .response(
        HTTPResponse(200, headers: ["content-type": "application/json"], body: json))
    }
    #expect(troubles(report) == [])
    #expect(report[.version]?.detail == "2025-08-18T19-50-54Z")
  }

  @Test("something else than a Key Manager fails at the version")
  func notAKeyManager() throws {
    let page = HTTPResponse(200, headers: ["content-type": "text/html"], body: Array("<p>".utf8))
    for answer in [page, HTTPResponse(404), binary(200, []), binary(200, [0xFF])] {
      let (report, received) = try probe { $0.version = .response(answer) }
      #expect(report[.version]?.verdict == .failed)
      #expect(received.count == 1)
    }
    let (report, _) = try probe { $0.version = .raw(Array("SSH-2.0-OpenSSH\r\n\r\n".utf8)) }
    #expect(report[.version]?.verdict == .failed)
  }

  @Test("a Key Manager that is not ready fails there, with its own words")
  func notReady() throws {
    let (report, received) = try probe { $0.ready = .response(.text(503, "no leader\u{7}")) }
    #expect(troubles(report).first == "ready failed")
    #expect(report[.ready]?.detail == "answered 503 no leader")
    #expect(received.count == 3)
  }

  @Test("where version and readiness are not for everyone, the key has the last word")
  func notPermitted() throws {
    let (report, _) = try probe {
      $0.version = .response(refusal(.accessDenied))
      $0.ready = .response(refusal(.accessDenied))
    }
    #expect(troubles(report) == ["version degraded", "ready degraded"])
  }

  @Test("a Key Manager that is not alive fails there")
  func notAlive() throws {
    let (report, _) = try probe { $0.live = .response(HTTPResponse(503)) }
    #expect(troubles(report).first == "live failed")
  }

  @Test("where KEY:STATUS is denied and KEY:GENERATE is not, all is fine, and the key is not told")
  func minimalPolicy() throws {
    let (report, received) = try probe {
      $0.keyStatus = .response(refusal(.accessDenied))
      $0.identityStatus = .response(refusal(.accessDenied))
    }
    #expect(troubles(report) == [])
    #expect(report.sights.map(\.key) == [.usable])
    let sent = try Frame.decodeAll(try #require(received.last).request.body)
    #expect(sent == [Frame(.keyGenerate, GenerateKeyRequest.asAtStart(name: "sse-key"))])
  }

  @Test(
    "what the Key Manager says of identity, enclave and key is told apart",
    arguments: [
      (KeyManagerError.accessDenied, ["identity failed denied", "enclave notChecked"]),
      (.identityNotFound, ["identity failed denied", "enclave notChecked"]),
      (.enclaveNotFound, ["identity notChecked", "enclave failed enclaveMissing"]),
      (.keyNotFound, ["key failed keyMissing"]),
    ])
  func refusals(error: KeyManagerError, expected: [String]) throws {
    let forms = [
      refusal(error),
      HTTPResponse(
        error.status, headers: ["content-type": "application/json"],
        body: Array(#"{"message":"\#(error.message)"}"#.utf8)),
      HTTPResponse(error.status, body: Array("\(error.message)\n".utf8)),
    ]
    for form in forms {
      let (report, _) = try probe {
        $0.keyStatus = .response(form)
        $0.keyGenerate = .response(form)
      }
      #expect(report.sights.map(\.key) == [error == .keyNotFound ? .missing : nil])
      #expect(troubles(report).filter { $0 != "key notChecked" } == expected)
    }
  }

  @Test("a missing key seen by KEY:GENERATE alone is a missing key")
  func keyMissingByGenerate() throws {
    let (report, _) = try probe {
      $0.keyStatus = .response(refusal(.accessDenied))
      $0.keyGenerate = .response(refusal(.keyNotFound))
    }
    #expect(troubles(report) == ["key failed keyMissing"])
  }

  @Test("what KEY:GENERATE says is the last word, whatever KEY:STATUS said")
  func lastWord() throws {
    let cases: [(HTTPResponse, [String], KeyManagerSight.Key?)] = [
      (refusal(.accessDenied), ["identity failed denied", "enclave notChecked"], nil),
      (refusal(.keyNotFound), ["key failed keyMissing"], .missing),
      (HTTPResponse(500), ["identity notChecked", "enclave notChecked", "key failed"], nil),
      (
        binary(
          200,
          Frame(
            .keyGenerate, GenerateKeyResponse(version: 1, plaintext: [1], ciphertext: [2])
          ).encoded()), ["identity notChecked", "enclave notChecked", "key failed"], nil
      ),
    ]
    for (answer, expected, key) in cases {
      let (report, _) = try probe { $0.keyGenerate = .response(answer) }
      #expect(troubles(report).filter { $0 != "key notChecked" } == expected)
      #expect(report.sights.map(\.key) == [key])
    }
  }

  @Test("an older Key Manager, which wants an identity named, is asked for it by its name")
  func olderIdentityStatus() throws {
    let (report, received) = try probe {
      $0.identityStatus = .response(.text(400, "identity is empty"))
    }
    #expect(troubles(report) == [])
    let asked = try received.compactMap { try Frame.decodeAll($0.request.body).first }
      .filter { $0.command == .identityStatus }
      .map { try IdentityRequest(decoding: $0.payload).identity }
    #expect(asked == ["", identity])
  }

  @Test("a Key Manager that knows the server by another certificate fails at the identity")
  func intercepted() throws {
    let other = "h1:xkDu-osB2iIgtaasijYuHUmu9_p4LQPZBk5XxKtG0Gw"
    let (report, received) = try probe { $0.identityStatus = .response(status(of: other)) }
    #expect(troubles(report).first == "identity failed")
    #expect(report[.identity]?.detail.contains(other) == true)
    #expect(received.count == 4)
  }

  @Test("only where the key is missing is readiness for writes asked for, and nothing is created")
  func write() throws {
    let (ready, received) = try probe { $0.keyStatus = .response(refusal(.keyNotFound)) }
    #expect(ready[.write]?.verdict == .fine)
    #expect(received.last?.request.query("write") != nil)
    let (readOnly, _) = try probe {
      $0.keyStatus = .response(refusal(.keyNotFound))
      $0.write = .response(.text(503, "read-only"))
    }
    #expect(troubles(readOnly) == ["key failed keyMissing", "write failed"])
    let asked = try received.filter { $0.request.method == "POST" }.map {
      try Frame.decodeAll($0.request.body).map(\.command)
    }
    #expect(asked == [[.identityStatus], [.keyStatus]])
  }

  @Test("an answer that the server's client could not use fails at the key")
  func badAnswers() throws {
    let frame = keyStatus.body
    let length = Limits.probeBodyBytes
    let status = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
    let answers: [FakeHTTPHost.Answer] = [
      .response(HTTPResponse(500)), .response(.text(404, "page not found")),
      .response(binary(200, [])), .response(binary(200, Array(frame.dropLast()))),
      .response(binary(200, frame + [0])), .response(binary(200, frame + frame)),
      .response(generated), .response(binary(200, [0, 204, 255, 255, 255, 255])),
      .response(
        binary(
          200,
          Frame(
            .keyStatus,
            KeyStatusResponse(name: "k", version: 1, type: "DES", createdAt: nil, createdBy: "")
          ).encoded())),
      .response(binary(200, [UInt8](repeating: 0, count: length + 1))),
      .raw(Array("\(status)transfer-encoding: chunked\r\n\r\n0\r\n\r\n".utf8)),
      .raw(Array("\(status)content-length: 1\r\ncontent-length: 2\r\n\r\n".utf8)),
    ]
    for answer in answers {
      let (report, _) = try probe { $0.keyStatus = answer }
      #expect(report[.key]?.verdict == .failed)
      #expect(report[.key]?.reason == nil)
    }
  }

  @Test("without settings a host is probed up to its readiness, and shows no identity")
  func withoutSettings() throws {
    let host = try FakeHTTPHost(try credentials(), Script().answer)
    let report = KeyManagerProbe.run(
      hosts: [host.place], surroundings: surroundings(), deadline: .inMilliseconds(10_000))[0]
    #expect(report.stages.filter { $0.verdict == .fine }.count == 6)
    #expect(report[.key]?.detail == "there are no settings to ask with")
    #expect(
      host.received.map(\.request.path) == ["/version", "/v1/health/live", "/v1/health/ready"])
    #expect(host.received.allSatisfy { $0.identity == nil })
  }

  @Test("no report holds the API key, a data key or control characters")
  func noSecret() throws {
    let echo = Array("\u{1B}[31m\u{202E}x\n".utf8)
    let reports = [
      try probe { $0.keyStatus = .response(refusal(.accessDenied)) }.0,
      try probe { $0.keyStatus = .response(HTTPResponse(500, body: echo)) }.0,
      try probe { $0.keyStatus = .response(generated) }.0,
    ]
    for detail in reports.flatMap(\.stages).map(\.detail) {
      #expect(!detail.contains("data-key") && !detail.contains(apiKey.dropFirst(3)))
      #expect(detail.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E })
    }
  }
}
