// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import HTTP
import HTTPS
import JSONCoding
@testable import KeyManager
import Model
@testable import Probes
import Secrets
import Sockets
import TLS
import TestSupport
import Testing
import Threads

private let admin = "k1:d7cY_5k8HbBGkZpoy2hGmvkxg83QDBXsA_nFXDfTk2E"
private let user = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
private let ecUser = "k2:2qsDxbLA5fyqfMz9a1QG5csFwrm1YIAAgQOpDNyt2qA"
private let stranger = "k1:b_6Dhm4iqaGR1gd_CkAA_otcPtgaqS2Xixb_G95TJV8"

/// The stand-in for the Key Manager as it is used in the lab: two processes that are one cluster.
/// What the lab shows is worth no more than this.
@Suite(.serialized) struct StandInKeyManagerTests {
  private let hosts: [StandIn]
  private let folder: TemporaryDirectory

  init() throws {
    let authority = try CertificateAuthority.create(cluster: "test")
    let folder = try TemporaryDirectory()
    let state = """
      {"masterKey": "m", "administrators": ["\(try Self.identity(admin))"], "enclaves": {"store": {
        "identities": {
          "\(try Self.identity(user))": {"privilege": "user", "policy": "most"},
          "\(try Self.identity(ecUser))": {"privilege": "admin"}},
        "policies": {"most": {
          "allow": {"KEY:CREATE": ["*"], "KEY:STATUS": ["*"], "KEY:GENERATE": ["a*", "b"], "KEY:DECRYPT": ["*"]},
          "deny": {"KEY:CREATE": ["secret*"]}}},
        "keys": {"a": {"version": 1, "createdAt": 1705306368000000000, "createdBy": ""}}}}}
      """
    let ca = authority.credentials.certificatePEM
    hosts = try (1...2).map { number in
      let own = try authority.issue(
        role: .witness, name: "kms-\(number)", addresses: ["127.0.0.1"])
      return try StandIn(folder.path("kms-\(number)"), own, ca: ca, state: state)
    }
    for (host, other) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
      host.peers = "\"127.0.0.1:\(other.port)\""
      try host.setFaults("")
    }
    self.folder = folder
  }

  private static func identity(_ key: String) throws -> String {
    try APIKey(Secret(key)).identity.text
  }

  /// The status of the answer to one command, its text if it is an error, and its message if not.
  private func ask(
    _ host: Int, _ frame: [UInt8], as key: String? = user, enclave: String = "store"
  ) throws -> (status: Int, text: String, message: [UInt8]) {
    let response = try exchange(
      host, "POST", enclave.isEmpty ? "/v1/kms" : "/v1/kms/\(enclave)", frame, as: key)
    if response.status == 200 { return (200, "", Array(response.body.dropFirst(6))) }
    let isJSON = response.headers["content-type"] == "application/json"
    let error =
      isJSON
      ? try JSON.decode(ErrorResponse.self, from: response.body)
      : try ErrorResponse(decoding: response.body)
    return (response.status, error.message, [])
  }

  private func exchange(
    _ host: Int, _ method: String, _ path: String, _ body: [UInt8] = [], as key: String? = user,
    query: [(name: String, value: String)] = []
  ) throws -> HTTPResponse {
    let parsed = try key.map { try APIKey(Secret($0)) }
    let client = try parsed?.withPrivateKey { bytes throws(CertificateFailure) in
      try ClientCertificate.selfSigned(
        parsed?.kind == .ed25519 ? .ed25519(seed: bytes) : .ecdsa(scalar: bytes),
        commonName: "x")
    }
    let context = try ProbeTLSContext.verifying(
      extraRootsPEM: [hosts[host].authority], client: client)
    let deadline = Instant.inMilliseconds(20_000)
    let place = HostPort(host: "127.0.0.1", port: hosts[host].port)
    let socket = try Socket.connect(
      to: try Resolver.resolve(place.host, port: place.port, until: deadline)[0], until: deadline)
    let session = try context.connect(over: socket, host: place.host, until: deadline)
    let connection = ProbeConnection(.tls(session), host: place.text)
    return try connection.ask(
      HTTPRequest(method, path, query: query, headers: [:], body: body), until: deadline)
  }

  private func frame(_ command: UInt16, _ name: String = "") -> [UInt8] {
    let payload = KeyStatusRequest(name: name).encoded()
    return [UInt8(command >> 8), UInt8(command & 255), 0, 0, 0, UInt8(payload.count)] + payload
  }

  @Test("every error of the protocol comes with its status and its text, as protobuf and as JSON")
  func errors() throws {
    let decrypt: [UInt8] =
      [0, 206, 0, 0, 0, 8] + KeyStatusRequest(name: "a").encoded() + [0x1A, 0x03, 1, 2, 3]
    let cases: [(KeyManagerError, [UInt8], String?, String)] = [
      (.accessDenied, frame(207, "z"), user, "store"),
      (.accessDenied, frame(201, "secret-1"), user, "store"),
      (.accessDenied, frame(204, "a"), stranger, "store"),
      (.accessDenied, frame(204, "a"), nil, "store"),
      (.accessDenied, frame(101, "store"), user, ""),
      (.accessDenied, frame(3), admin, ""),
      (.enclaveExists, frame(101, "store"), admin, ""),
      (.enclaveNotFound, frame(204, "a"), user, "stores"),
      (.enclaveNotFound, frame(103, "stores"), admin, ""),
      (.keyExists, frame(201, "a"), user, "store"),
      (.keyNotFound, frame(204, "b"), user, "store"),
      (.keyNotFound, frame(207, "b"), user, "store"),
      (.policyNotFound, frame(305, "none"), admin, "store"),
      (.identityNotFound, frame(403, "h1:nobody"), admin, "store"),
      (.invalidCiphertext, decrypt, user, "store"),
    ]
    for form in ["protobuf", "json"] {
      try hosts[0].setFaults(#""errors": "\#(form)""#)
      for (error, frame, key, enclave) in cases {
        let answer = try ask(0, frame, as: key, enclave: enclave)
        #expect(KeyManagerError(status: answer.status, message: answer.text) == error)
      }
    }
    #expect(Set(cases.map(\.0)) == Set(KeyManagerError.allCases))
  }

  @Test("k1 and k2 identities are known by their keys, with their policies")
  func identities() throws {
    for (key, privilege, policy) in [(user, UInt32(3), "most"), (ecUser, 2, ""), (admin, 1, "")] {
      let answer = try ask(0, frame(403), as: key)
      let told = try IdentityResponse(decoding: answer.message)
      #expect(told.identity == (try Self.identity(key)))
      #expect(told.privilege == privilege && told.policy == policy)
    }
  }

  @Test("reads come from one host, writes go to all and need all")
  func cluster() throws {
    #expect(try ask(0, frame(201, "n")).status == 200)
    let told = try (0...1).map { try ask($0, frame(204, "n")).message }
    #expect(try KeyStatusResponse(decoding: told[0]).createdBy == (try Self.identity(user)))
    #expect(told[0] == told[1])
    func ready(_ host: Int) throws -> [Int] {
      [
        try exchange(host, "GET", "/v1/health/ready").status,
        try exchange(host, "GET", "/v1/health/ready", query: [(name: "write", value: "")]).status,
      ]
    }
    #expect(try ready(0) == [200, 200])
    try hosts[1].setFaults(#""readOnly": true"#)
    #expect(try ready(0) == [200, 503])
    let refused = try ask(0, frame(201, "m"))
    #expect(refused.status == 503 && refused.text.contains("not ready for writes"))
    hosts[1].stop()
    #expect(try ready(0) == [200, 503])
    #expect(try ask(0, frame(201, "m")).status == 503)
    #expect(try ask(0, frame(204, "n")).status == 200)
    #expect(try ask(0, frame(204, "m")).text == KeyManagerError.keyNotFound.message)
  }

  @Test("a probe of the cluster is fine, and changes nothing")
  func probe() throws {
    let server = hosts.map { "https://127.0.0.1:\($0.port)" }.joined(separator: ",")
    let settings = try #require(
      try KeyManagerSettings.parse([
        EnvironmentVariable(name: "MINIO_KMS_SERVER", value: server),
        EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "store"),
        EnvironmentVariable(name: "MINIO_KMS_SSE_KEY", value: "a"),
        EnvironmentVariable(name: "MINIO_KMS_API_KEY", value: user),
      ]))
    let before = try hosts.map { try $0.state() }
    let trust = try TemporaryDirectory()
    try trust.write(hosts[0].authority, to: "ca.crt")
    let reports = KeyManagerProbe.run(
      settings: settings, surroundings: ServerSurroundings(certificateAuthorities: trust.path),
      deadline: .inMilliseconds(15_000))
    #expect(
      KeyManagerJudgement.findings(
        reports, settings: settings, firstEnablement: true, createKey: false
      ).map(\.rule) == ["kms-same-host"])
    #expect(reports.flatMap(\.sights).map(\.key).allSatisfy { $0 != nil })
    #expect(try hosts.map { try $0.state() } == before)
  }
}

/// One process of the stand-in.
private final class StandIn: Sendable {
  let authority: String
  let port: UInt16
  private let process: BackgroundProcess
  private let folder: String
  private let others = Lock("")

  /// The other hosts, as a JSON array holds them.
  var peers: String {
    get { others.withLock { $0 } }
    set { others.withLock { $0 = newValue } }
  }

  init(_ folder: String, _ own: Credentials, ca: String, state: String) throws {
    self.folder = folder
    authority = ca
    for (name, text) in [
      ("public.crt", own.certificatePEM), ("private.key", own.keyPEM.reveal()),
      ("CAs/ca.crt", ca), ("state.json", state),
    ] {
      try Self.write(text, to: "\(folder)/\(name)")
    }
    process = try BackgroundProcess(
      "/bin/sh",
      [
        "-c",
        #"exec "$0" server --address 127.0.0.1:0 --certs-dir "$1" --faults "$1/faults.json" "$1/state.json" 2>&1"#,
        Self.program(), folder,
      ], until: .inMilliseconds(120_000))
    let words = "=> Server is up and running on 127.0.0.1:"
    let isUp = process.wait(until: .inMilliseconds(60_000)) { lines in
      lines.contains { $0.text.hasPrefix(words) }
    }
    try #require(isUp, "\(process.lines.map(\.text))")
    let line = process.lines.first { $0.text.hasPrefix(words) }?.text ?? ""
    port = try #require(UInt16(line.dropFirst(words.utf8.count)))
  }

  deinit { stop() }

  func stop() {
    process.signal(SIGKILL)
    _ = try? process.outcome()
  }

  func setFaults(_ json: String) throws {
    let text = "{\"peers\": [\(peers)]\(json.isEmpty ? "" : ", ")\(json)}"
    try Self.write(text, to: "\(folder)/faults.json")
  }

  /// Replaces a file, its folder made if there is none.
  static func write(_ text: String, to path: String) throws {
    let outcome = try Subprocess.run(
      "/bin/sh",
      ["-euc", #"umask 077; mkdir -p "${0%/*}"; cat >"$0.new"; mv "$0.new" "$0""#, path],
      input: text, until: .inMilliseconds(10_000))
    try #require(outcome.status == 0, "\(outcome.stderr)")
  }

  func state() throws -> [UInt8] {
    try FileReading.read("\(folder)/state.json", limitBytes: 1 << 20).bytes
  }

  /// Beside the tests' own program.
  private static func program() -> String {
    let bundle = CommandLine.arguments.first ?? ""
    return String(bundle.prefix(upTo: bundle.lastIndex(of: "/") ?? bundle.startIndex))
      + "/standin-minkms"
  }
}
