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

/// Two processes of the stand-in Key Manager that are one cluster, as in the lab.
final class StandInKeyManagers: Sendable {
  static let admin = "k1:d7cY_5k8HbBGkZpoy2hGmvkxg83QDBXsA_nFXDfTk2E"
  static let user = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
  static let ecUser = "k2:2qsDxbLA5fyqfMz9a1QG5csFwrm1YIAAgQOpDNyt2qA"

  let hosts: [StandInHost]
  private let folder: TemporaryDirectory
  private let trusted: TemporaryDirectory

  init() throws {
    let authority = try CertificateAuthority.create(cluster: "test")
    let folder = try TemporaryDirectory()
    let created =
      #""created": {"at": 1705306368250000000, "by": "\#(try Self.identity(Self.admin))"}"#
    let state = """
      {"clusterSecret": "m", "administrators": ["\(try Self.identity(Self.admin))"], "enclaves": {"store": {
        \(created),
        "identities": {
          "\(try Self.identity(Self.user))": {"privilege": "user", "policy": "most", \(created)},
          "\(try Self.identity(Self.ecUser))": {"privilege": "admin"}},
        "policies": {"most": {
          \(created),
          "allow": {"KEY:CREATE": ["*"], "KEY:STATUS": ["*"], "KEY:GENERATE": ["a*", "b"], "KEY:DECRYPT": ["*"],
            "KEY:LIST": ["*"]},
          "deny": {"KEY:CREATE": ["secret*"]}}},
        "keys": {"a": {"versions": [{"number": 1, "type": "AES256", \(created),
          "bytes": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]}}}}}
      """
    let ca = authority.credentials.certificatePEM
    hosts = try (1...2).map { number in
      let own = try authority.issue(
        role: .witness, name: "kms-\(number)", addresses: ["127.0.0.1"])
      return try StandInHost(folder.path("kms-\(number)"), "kms-\(number)", own, ca: ca, state)
    }
    for (host, other) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
      host.peers = "\"127.0.0.1:\(other.port)\""
      try host.setFaults("")
    }
    trusted = try TemporaryDirectory()
    try trusted.write(ca, to: "ca.crt")
    self.folder = folder
  }

  static func identity(_ key: String) throws -> String {
    try APIKey(Secret(key)).identity.text
  }

  /// The way to the hosts as a server has it.
  var surroundings: ServerSurroundings {
    ServerSurroundings(certificateAuthorities: trusted.path)
  }

  /// A server's settings; `hosts` by number, all if none is named.
  func settings(
    apiKey: String = StandInKeyManagers.user, sseKey: String = "a", hosts numbers: [Int] = [0, 1]
  ) throws -> KeyManagerSettings {
    let server = numbers.map { "https://127.0.0.1:\(hosts[$0].port)" }.joined(separator: ",")
    return try #require(
      try KeyManagerSettings.parse([
        EnvironmentVariable(name: "MINIO_KMS_SERVER", value: server),
        EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "store"),
        EnvironmentVariable(name: "MINIO_KMS_SSE_KEY", value: sseKey),
        EnvironmentVariable(name: "MINIO_KMS_API_KEY", value: apiKey),
      ]))
  }

  /// How all hosts misbehave from now on, as JSON without braces.
  func setFaults(_ json: String, at numbers: [Int] = [0, 1]) throws {
    for number in numbers { try hosts[number].setFaults(json) }
  }

  /// Has all hosts give a data key that is two texts, which are together in no memory of the tests.
  func setDataKey(_ first: String, _ second: String, more: String = "") throws {
    for host in hosts {
      try host.setFaults(#""dataKey": "\#(first)@@\#(second)"\#(more)"#, joined: true)
    }
  }

  /// The status of the answer to one command, its text if it is an error, and its message if not.
  func ask(
    _ host: Int, _ frame: [UInt8], as key: String? = StandInKeyManagers.user,
    enclave: String = "store"
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

  func exchange(
    _ host: Int, _ method: String, _ path: String, _ body: [UInt8] = [],
    as key: String? = StandInKeyManagers.user, query: [(name: String, value: String)] = []
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
}

/// One process of the stand-in.
final class StandInHost: Sendable {
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

  init(_ folder: String, _ name: String, _ own: Credentials, ca: String, _ state: String) throws {
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
        #"exec "$0" server --address 127.0.0.1:0 --host "$2" --certs-dir "$1" --faults "$1/faults.json" "$1/state.json" 2>&1"#,
        Self.program(), folder, name,
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

  /// How it misbehaves from now on, as JSON without braces; `joined`: without each "@@" in it.
  func setFaults(_ json: String, joined: Bool = false) throws {
    let text = "{\"peers\": [\(peers)]\(json.isEmpty ? "" : ", ")\(json)}"
    try Self.write(text, to: "\(folder)/faults.json", filter: joined ? "sed s/@@//" : "cat")
  }

  /// Replaces a file, its folder made if there is none.
  static func write(_ text: String, to path: String, filter: String = "cat") throws {
    let outcome = try Subprocess.run(
      "/bin/sh",
      ["-euc", #"umask 077; mkdir -p "${0%/*}"; \#(filter) >"$0.new"; mv "$0.new" "$0""#, path],
      input: text, until: .inMilliseconds(10_000))
    try #require(outcome.status == 0, "\(outcome.stderr)")
  }

  /// The commands that it has been sent, in their order, once there are so many of them.
  func commands(_ count: Int) -> [String] {
    func commands(_ lines: [BackgroundProcess.Line]) -> [String] {
      lines.map(\.text).filter { $0.contains(" by ") }
        .compactMap { $0.split(separator: " ").first.map(String.init) }
    }
    _ = process.wait(until: .inMilliseconds(10_000)) { commands($0).count >= count }
    return commands(process.lines)
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
