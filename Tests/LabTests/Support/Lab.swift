// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import JSONCoding
import TestSupport
import Testing
import Threads

/// Real systemd hosts on this machine (scripts/lab), under a name of this process' own, and Keyturn
/// as an operator has it there. Every call blocks until its command has ended.
final class Lab: Sendable {
  /// The lab of the suite that runs.
  @TaskLocal static var current: Lab?

  /// Only root can have hosts, and only scripts/test (or KEYTURN_LAB=1) asks for them.
  static let isWanted = getuid() == 0 && variable("KEYTURN_LAB") == "1"

  let nodes: [String]
  let keyManagers: [String]
  /// $LAB_SETTINGS: what turns encryption on in this lab.
  let settings: String
  /// What stands in it.
  let settingsText: String
  let inventory: String
  let credentials: String
  /// The authority of the lab's certificates.
  var pki: String { credentials.replacing("/operator", with: "/pki") }
  /// For the operator's own files.
  let directory: TemporaryDirectory
  private let name: String
  private let path: String
  private let hasFaults: Bool

  private static let number = Lock(0)
  private static let script = "\(checkout)/scripts/lab"
  private static var checkout: Substring {
    #filePath.prefix(#filePath.utf8.count - "/Tests/LabTests/Support/Lab.swift".utf8.count)
  }

  /// Boots the hosts, hands the lab to `body`, and takes everything down whatever happened.
  static func with(
    nodes: Int, keyManagers: Int, witnesses: Bool = false, _ body: (Lab) throws -> Void
  ) throws {
    let name = newName()
    defer { down(name) }
    try body(Lab(name, nodes, keyManagers, hasFaults: false, witnesses: witnesses))
  }

  fileprivate static func newName() -> String {
    "\(variable("LAB_NAME") ?? "test-\(getpid())")-\(number.update { $0 += 1; return $0 })"
  }

  fileprivate init(
    _ name: String, _ nodes: Int, _ keyManagers: Int, hasFaults: Bool, witnesses: Bool
  ) throws {
    self.name = name
    self.hasFaults = hasFaults
    self.nodes = (1...nodes).map { "minio-\($0)" }
    self.keyManagers = (0..<keyManagers).map { "kms-\($0 + 1)" }
    directory = try TemporaryDirectory()
    try Self.command(
      name, ["up", "\(nodes)", "\(keyManagers)"], hasFaults: hasFaults, witnesses: witnesses
    ).mustSucceed("up")
    let printed = try Subprocess.run(
      "/bin/sh",
      [
        "-c",
        #"""
        eval "$(LAB_NAME=$1 "$0" env)" &&
        printf '%s\n' "$KEYTURN_INVENTORY" "$KEYTURN_CREDENTIALS" "$LAB_SETTINGS" "$PATH" &&
        cat "$LAB_SETTINGS"
        """#, Self.script, name,
      ], until: .inMilliseconds(10_000)
    ).mustSucceed("env")
    let lines = printed.split(separator: "\n", maxSplits: 4, omittingEmptySubsequences: false)
    try #require(lines.count == 5)
    (inventory, credentials) = (String(lines[0]), String(lines[1]))
    (settings, path) = (String(lines[2]), String(lines[3]))
    settingsText = String(lines[4])
  }

  fileprivate static func down(_ name: String) {
    do { try command(name, ["down"]).mustSucceed("down") } catch { Issue.record(error) }
  }

  private static func command(
    _ name: String, _ arguments: [String], input: String = "", hasFaults: Bool = false,
    witnesses: Bool = false
  ) throws -> Subprocess.Outcome {
    // Only a debug build has the places at which a test can stop it.
    let variables =
      (hasFaults ? ["LAB_BIN=\(checkout)/.build/debug"] : [])
      + (witnesses ? ["LAB_WITNESS=1"] : [])
    return try Subprocess.run(
      "/usr/bin/env", ["LAB_NAME=\(name)"] + variables + [script] + arguments, input: input,
      until: .inMilliseconds(180_000))
  }

  private static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// A program of the release build that the hosts do not have.
  func built(_ program: String) -> String { "\(Self.checkout)/.build/release/\(program)" }

  /// Where the programs of the debug build are.
  var debugPrograms: String { "\(Self.checkout)/.build/debug" }

  // MARK: commands

  /// `keyturn` on the lab's network, with the lab's inventory and the operator's credentials.
  ///
  /// Whatever it says, the API key is not in it.
  @discardableResult
  func keyturn(_ arguments: String...) throws -> Subprocess.Outcome {
    try keyturn(arguments)
  }

  /// The same.
  @discardableResult
  func keyturn(_ arguments: [String]) throws -> Subprocess.Outcome {
    let outcome = try Subprocess.run(
      "/usr/bin/env", keyturnArguments(arguments), until: .inMilliseconds(120_000))
    #expect(!outcome.timedOut, "keyturn \(arguments)")
    #expect(!(outcome.stdout + outcome.stderr).contains(apiKey), "keyturn \(arguments)")
    return outcome
  }

  /// The same beside the test.
  func start(keyturn arguments: String...) throws -> BackgroundProcess {
    try start(keyturn: arguments)
  }

  /// The same.
  func start(keyturn arguments: [String]) throws -> BackgroundProcess {
    try BackgroundProcess(
      "/usr/bin/env", keyturnArguments(arguments), until: .inMilliseconds(120_000))
  }

  /// The same with a file by which it can be killed or stopped at a place of its own (Fault).
  func start(fault file: String, keyturn arguments: String...) throws -> BackgroundProcess {
    try BackgroundProcess(
      "/usr/bin/env", ["KEYTURN_FAULT=\(file)"] + keyturnArguments(arguments),
      until: .inMilliseconds(120_000))
  }

  /// The same on a terminal, which is typed on by writing to the FIFO `input`.
  func start(terminal input: String, keyturn arguments: String...) throws -> BackgroundProcess {
    let command = "script -qefc \"$*\" /dev/null 0<>\(input)"
    var words = keyturnArguments(arguments)
    words.insert(contentsOf: ["sh", "-c", command, "sh"], at: words.count - arguments.count - 1)
    return try BackgroundProcess("/usr/bin/env", words, until: .inMilliseconds(120_000))
  }

  private func keyturnArguments(_ arguments: [String]) -> [String] {
    [
      "LAB_NAME=\(name)", "PATH=\(path)", "KEYTURN_INVENTORY=\(inventory)",
      "KEYTURN_CREDENTIALS=\(credentials)", Self.script, "run", "keyturn",
    ] + arguments
  }

  /// A shell script on the lab's network; what it printed, if it ended well.
  @discardableResult
  func run(_ script: String) throws -> String {
    try Self.command(name, ["run", "env", "PATH=\(path)", "sh", "-c", script]).mustSucceed(script)
  }

  /// A shell script on a host; what it printed, if it ended well.
  @discardableResult
  func exec(_ host: String, _ script: String, input: String = "") throws -> String {
    try Self.command(name, ["exec", host, "sh", "-c", script], input: input)
      .mustSucceed("\(host): \(script)")
  }

  /// A shell script beside the test, on the lab's network, for so long at the most.
  func start(_ script: String, seconds: Int = 120) throws -> BackgroundProcess {
    try BackgroundProcess(
      "/usr/bin/env", ["LAB_NAME=\(name)", Self.script, "run", "sh", "-c", script],
      until: .inMilliseconds(seconds * 1_000))
  }

  /// A shell script on every node in turn; what each printed.
  @discardableResult
  func onEachNode(_ script: String) throws -> [String: String] {
    var printed: [String: String] = [:]
    for node in nodes { printed[node] = try exec(node, script) }
    return printed
  }

  /// `cut`, `heal`, `crash` or `boot` of a host.
  func perform(_ action: String, _ host: String) throws {
    try Self.command(name, [action, host]).mustSucceed("\(action) \(host)")
  }

  /// Where the files of a host that runs can be reached from outside: no absolute link may be on the
  /// way.
  func root(of host: String) throws -> String {
    let path = inventory.replacing("/inventory.json", with: "/hosts.d/\(host)/pid")
    let process = try FileReading.read(path, limitBytes: 100).bytes
    return "/proc/\(String(decoding: process, as: UTF8.self).filter(\.isNumber))/root"
  }

  // MARK: files of the operator

  var apiKey: String { setting("MINIO_KMS_API_KEY") }

  /// The value of a variable in ``settings``.
  func setting(_ name: String) -> String {
    let line = settingsText.split(separator: "\n").first { $0.hasPrefix("\(name)=") } ?? ""
    return String(line.drop { $0 != "\"" }.dropFirst().prefix { $0 != "\"" })
  }

  /// A file of the operator's with mode 0600; its path.
  func file(_ name: String, _ text: String) throws -> String {
    let path = directory.path(name)
    let outcome = try Subprocess.run(
      "/bin/sh", ["-c", "umask 077 && cat >\"$0\"", path], input: text,
      until: .inMilliseconds(10_000))
    try outcome.mustSucceed("write \(path)")
    return path
  }

  /// The lab's settings with some values changed and some lines added.
  func settings(_ changes: [String: String] = [:], adding lines: String = "") throws -> String {
    let text = settingsText.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let name = String(line.prefix { $0 != "=" })
      return changes[name].map { "\(name)=\"\($0)\"" } ?? String(line)
    }
    return try file("changed.env", text.joined(separator: "\n") + lines)
  }

  // MARK: facts

  /// What must be the same afterwards where nothing was touched: names, modes, owners, times and
  /// inodes of everything beside the environment file, its digest, and which process runs.
  func footprint() throws -> [String: String] {
    try onEachNode(
      """
      ls -liA --time-style=full-iso /etc/default && sha256sum /etc/default/minio &&
      systemctl show minio -p InvocationID,ExecMainPID,NRestarts
      """)
  }

  /// Nothing of a footprint has changed on any node.
  func expectUntouched(
    since before: [String: String], at location: SourceLocation = #_sourceLocation
  ) throws {
    for (node, after) in try footprint().sorted(by: { $0.key < $1.key }) {
      let lines = [before[node] ?? "", after].map { $0.split(separator: "\n").map(String.init) }
      let changes = lines[1].difference(from: lines[0]).map { "\($0)" }
      #expect(changes.isEmpty, "\(node) was touched", sourceLocation: location)
    }
  }

  /// Properties of a unit.
  func properties(
    of unit: String, on host: String, _ names: String...
  ) throws -> [String: String] {
    let printed = try exec(host, "systemctl show \(unit) -p \(names.joined(separator: ","))")
    var properties: [String: String] = [:]
    for line in printed.split(separator: "\n") {
      properties[String(line.prefix { $0 != "=" })] = String(line.drop { $0 != "=" }.dropFirst())
    }
    return properties
  }

  /// The environment of the server that runs on a node.
  func environment(of node: String) throws -> Set<String> {
    let script = "tr '\\0' '\\n' </proc/$(systemctl show minio -P MainPID)/environ"
    return Set(try exec(node, script).split(separator: "\n").map(String.init))
  }

  /// How many times systemd has begun to start the server of a node.
  func startCount(of node: String) throws -> Int {
    // SD_MESSAGE_UNIT_STARTING
    let id = "7d4958e842da4a758f6c1cdc7b36dcc5"
    let script = "journalctl -q -o cat UNIT=minio.service MESSAGE_ID=\(id) | wc -l"
    return Int(try exec(node, script).filter(\.isNumber)) ?? 0
  }

  // MARK: states

  /// Encryption is on everywhere, and everything is at rest.
  func encrypt() throws {
    let outcome = try keyturn("apply", "--yes", "--settings", settings)
    try #require(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
  }

  /// From now on no node's server gets past its start job's first command.
  func hold() throws {
    try onEachNode(
      #"""
      mkdir -p /etc/systemd/system/minio.service.d && touch /run/hold-minio &&
      echo "[Service]
      ExecStartPre=/bin/sh -c 'while [ -e /run/hold-minio ]; do sleep 0.05; done'" \
        >/etc/systemd/system/minio.service.d/hold.conf && systemctl daemon-reload
      """#)
  }

  /// Starts a rollout, and returns when every node's server is held before its start.
  func startHeld(_ arguments: String...) throws -> BackgroundProcess { try startHeld(arguments) }

  /// The same.
  func startHeld(_ arguments: [String]) throws -> BackgroundProcess {
    try hold()
    let rollout = try start(keyturn: arguments)
    let nodes = Set(nodes)
    let held = rollout.wait(until: .inMilliseconds(30_000)) { lines in
      nodes.isSubset(
        of: lines.compactMap { line in
          (try? Event(line.text)).flatMap { $0.phase == "starting" ? $0.node : nil }
        })
    }
    try #require(held, "\(rollout.lines.map(\.text))")
    return rollout
  }

  /// Lets them start.
  func release(except other: String? = nil) throws {
    for node in nodes where node != other { try exec(node, "rm -f /run/hold-minio") }
  }
}

/// A lab for all tests of a suite.
struct LabTrait: SuiteTrait, TestScoping {
  let nodes: Int
  let keyManagers: Int
  let hasFaults: Bool
  let witnesses: Bool

  func provideScope(
    for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
  ) async throws {
    let name = Lab.newName()
    defer { Lab.down(name) }
    try await Lab.$current.withValue(
      Lab(name, nodes, keyManagers, hasFaults: hasFaults, witnesses: witnesses), operation: body)
  }
}

extension Trait where Self == LabTrait {
  /// - Parameters:
  ///   - hasFaults: its hosts run the programs of the debug build, which can be stopped or killed at
  ///     places of their own.
  ///   - witnesses: its Key Manager hosts run witnesses.
  static func lab(
    nodes: Int, keyManagers: Int, hasFaults: Bool = false, witnesses: Bool = false
  ) -> Self {
    LabTrait(nodes: nodes, keyManagers: keyManagers, hasFaults: hasFaults, witnesses: witnesses)
  }
}

/// A line of `keyturn --json`.
struct Event: Decodable {
  struct Node: Decodable {
    var name: String
    var outcome: String
    var reason: String
  }

  struct Step: Decodable {
    var milliseconds: Double
    var phase: String
  }

  var event: String
  var steps: [Step]?
  var time: String?
  var node: String?
  var phase: String?
  var detail: String?
  var outcome: String?
  var exitCode: Int32?
  var changed: Bool?
  var skewMilliseconds: Double?
  var generation: Int?
  var activeRollout: String?
  var activeStage: String?
  var lastRollout: String?
  var lastOutcome: String?
  var nodes: [Node]?

  init(_ line: String) throws { self = try JSON.decode(Event.self, from: Array(line.utf8)) }
}

extension Subprocess.Outcome {
  /// What it printed, if it ended with 0.
  @discardableResult
  func mustSucceed(_ what: String) throws -> String {
    try #require(status == 0 && !timedOut, "\(what): exit \(status): \(stdout)\(stderr)")
    return stdout
  }

  /// The lines of `keyturn --json`.
  func events() throws -> [Event] {
    try stdout.split(separator: "\n").map { try Event(String($0)) }
  }
}
