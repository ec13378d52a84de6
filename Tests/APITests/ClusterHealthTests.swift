// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import JSONCoding
import Model
import Rollout
import Testing

@Suite("ClusterHealth: whether the cluster is one and alive")
struct ClusterHealthTests {
  private static let names = (1...4).map { "minio-\($0)" }
  private static let inventory = Inventory(
    cluster: "prod", nodes: names.map { .init(name: $0, address: $0) },
    keyManagers: [.init(name: "kms-1", address: "kms-1", witness: "kms-1")])

  private static func environment(_ values: [String: String]) -> NodeReport.Environment {
    let variables = values.sorted { $0.key < $1.key }.map {
      NamedDigest(name: $0.key, digest: .ofFields([$0.key, $0.value]))
    }
    return NodeReport.Environment(
      digest: .ofFields(variables.map(\.digest.hex)), variables: variables)
  }

  private static let settings = ["MINIO_A": "a", "MINIO_VOLUMES": "v"]

  private static func well() -> NodeReport {
    NodeReport(
      unit: NodeReport.Unit(), running: environment(settings), files: environment(settings),
      inventory: inventory.parts, generation: 3, seal: .ofFields(["seal"]), hasStartGuard: true)
  }

  /// Four nodes that are well but for what is changed of each.
  private static func health(
    findings: [String: [Finding]] = [:], silent: [String: RefusalCode] = [:],
    protocols: ProtocolRange = .own, _ change: (String, inout NodeReport) -> Void = { _, _ in }
  ) -> ClusterHealth {
    ClusterHealth(
      names.map { name in
        if let code = silent[name] {
          return NodeAnswer(name: name, result: .failure(Refusal(code, "connection refused")))
        }
        var report = well()
        change(name, &report)
        return NodeAnswer(
          name: name,
          result: .success(NodeSight(report: report, findings: findings[name] ?? [])))
      }, inventory: inventory, protocols: protocols)
  }

  /// The same where only the fourth is changed.
  private static func fourth(_ change: (inout NodeReport) -> Void) -> ClusterHealth {
    health { name, report in if name == "minio-4" { change(&report) } }
  }

  @Test("agents of different versions are told; a warning where they could share no rollout")
  func versions() throws {
    func health(_ fourth: AgentVersion?) -> ClusterHealth {
      Self.health { name, report in
        report.version = name == "minio-4" ? fourth : AgentVersion("0.1.0+a")
      }
    }
    #expect(health(AgentVersion("0.1.0+a")).statements.isEmpty)
    let (newer, older) = (health(AgentVersion("0.2.0+b", ProtocolRange(1, 2))), health(nil))
    #expect(newer.level == .well && older.level == .well)
    #expect(newer.statements.map(\.finding.rule) == ["versions-differ"])
    #expect(newer.statements[0].text.hasPrefix("minio-4: "), "\(newer.statements[0].text)")
    #expect(older.statements[0].text.contains("minio-4 an older one"))
    let apart = health(AgentVersion("0.3.0+c", ProtocolRange(2, 3)))
    #expect(apart.level == .remarked)
    #expect(apart.statements.map(\.finding.rule) == ["protocols-differ"])
    #expect(
      apart.statements[0].text.contains("minio-4: keyturnd 0.3.0+c, rollout protocols 2 to 3"))
    let told = Array(#"{"text":"0.9.9","protocols":{"oldest":5,"newest":4}}"#.utf8)
    let impossible = health(try JSON.decode(AgentVersion.self, from: told))
    #expect(impossible.level == .remarked)
    #expect(
      impossible.statements.map(\.finding.rule) == ["protocols-impossible", "versions-differ"])
    #expect(impossible.statements[0].nodes == ["minio-4"])
    // All agents are alike, and this program could coordinate none of their rollouts.
    let ahead = Self.health(protocols: ProtocolRange(1, 1)) { _, report in
      report.version = AgentVersion("0.3.0+c", ProtocolRange(2, 3))
    }
    #expect(ahead.statements.map(\.finding.rule) == ["protocols-differ"])
    #expect(ahead.statements.first?.text.contains("this program: rollout protocol 1") == true)
  }

  @Test("a node whose list of revoked certificates is older, or that has none, is named")
  func revocations() {
    func health(_ numbers: [String: Int]) -> ClusterHealth {
      Self.health { name, report in report.revocations = numbers[name] }
    }
    #expect(health([:]).statements.isEmpty)
    let same = Dictionary(uniqueKeysWithValues: Self.names.map { ($0, 3) })
    #expect(health(same).statements.isEmpty)
    for number in [2, nil] as [Int?] {
      var numbers = same
      numbers["minio-2"] = number
      let statements = health(numbers).statements
      #expect(statements.map(\.nodes) == [["minio-2"]] && statements.first?.level == .wrong)
      #expect(statements.first?.finding.remedy?.contains("keyturn pki revoke") == true)
    }
  }

  @Test("nodes that are well and alike: nothing is said")
  func well() {
    let health = Self.health()
    #expect(health.level == .well && health.statements.isEmpty)
    #expect(health.conclusion(isComplete: true) == "4 nodes: everything is fine")
    #expect(health.conclusion(isComplete: false).hasSuffix("fine that could be checked"))
  }

  // MARK: the server

  private static let states: [(NodeReport.Unit?, ClusterHealth.Level, String)] = [
    (NodeReport.Unit(activeState: "reloading"), .well, ""),
    (
      .init(activeState: "inactive", subState: "dead", isRunning: false), .wrong,
      "minio-4: the server does not run: minio.service is inactive (dead) — `systemctl start minio.service` there"
    ),
    (
      .init(activeState: "failed", subState: "failed", result: "exit-code", isRunning: false),
      .wrong,
      "minio-4: the server does not run: minio.service is failed (Result=exit-code) — `keyturn logs --errors` shows why; then there `systemctl reset-failed minio.service` and `systemctl start minio.service`"
    ),
    (
      .init(
        loadState: "masked", activeState: "inactive", subState: "dead", isRunning: false), .wrong,
      "minio-4: the server does not run: minio.service is masked — `systemctl unmask minio.service` and `systemctl start minio.service` there"
    ),
    (
      .init(activeState: "activating", subState: "start"), .wrong,
      "minio-4: the server is not READY: its start has not ended — `keyturn logs` shows what it waits for"
    ),
    (
      .init(activeState: "activating", subState: "auto-restart", isRunning: false), .wrong,
      "minio-4: the server does not run: it ends after each start, and systemd starts it again — `keyturn logs --errors` shows why"
    ),
    (
      .init(activeState: "deactivating", subState: "stop-sigterm"), .wrong,
      "minio-4: the server is being stopped — `systemctl start minio.service` there, once it has ended"
    ),
    (
      .init(activeState: "active", subState: "exited", isRunning: false), .wrong,
      "minio-4: the server does not run: minio.service is active (exited) — `systemctl start minio.service` there"
    ),
    (
      nil, .unknown,
      "minio-4: whether the server runs is not known: the state of minio.service could not be read — `systemctl status minio.service` there"
    ),
  ]

  @Test("a server that is not running and READY is wrong now, with the command that mends it")
  func servers() {
    for (unit, level, text) in Self.states {
      let health = Self.fourth { $0.unit = unit }
      #expect(health.level == level, "\(text)")
      #expect(health.statements.map(\.text) == (text.isEmpty ? [] : [text]))
      #expect(health.level(of: "minio-1") == .well)
    }
  }

  @Test("while a rollout restarts a server it is no fault, and nothing is compared")
  func rollout() {
    let health = Self.fourth { report in
      report.unit = .init(activeState: "activating", subState: "start")
      report.restartsIn = "00000000000000aa"
      report.running = Self.environment(["MINIO_A": "b"])
      report.generation = 2
    }
    #expect(health.level == .remarked)
    #expect(
      health.statements.map(\.text) == [
        "minio-4: rollout 00000000000000aa restarts the server — `keyturn watch 00000000000000aa`"
      ])
  }

  @Test(
    "what the unit doctor warns of is not said beside the state; a start that is held has no remedy"
  )
  func doctor() {
    let failed = Finding(.warning, rule: "unit-failed", refusal: .unit, message: "it is failed")
    let held = Finding(.error, rule: "start-guard", refusal: .guarded, message: "refused the start")
    for (findings, count) in [([failed], 1), ([failed, held], 2)] {
      let health = Self.health(findings: ["minio-4": findings]) { name, report in
        if name == "minio-4" {
          report.unit = .init(activeState: "failed", subState: "failed", isRunning: false)
        }
      }
      #expect(health.statements.count == count)
      #expect((health.statements[0].finding.remedy == nil) == (count == 2))
    }
    #expect(Self.health(findings: ["minio-4": [failed]]).statements.isEmpty)
  }

  @Test("an agent that is older than the report leaves its server unknown")
  func older() throws {
    let text = """
      {"node":"minio-1","version":"0","activeState":"active","subState":"running","mainPID":1,"invocation":"",
       "drift":{"fileChanged":false,"processDiffers":[]},"epoch":1,"findings":[]}
      """
    let status = try JSON.decode(NodeStatus.self, from: Array(text.utf8))
    #expect(status.report == nil)
    let health = ClusterHealth(
      [NodeAnswer(name: "minio-1", result: .success(status.sight))], inventory: Self.inventory)
    #expect(health.level == .unknown)
  }

  // MARK: what differs

  @Test("another value in file and process, in the file alone, in the process alone")
  func settings() {
    let other = Self.environment(["MINIO_A": "b", "MINIO_VOLUMES": "v"])
    let both = Self.fourth { ($0.running, $0.files) = (other, other) }
    #expect(both.level == .wrong && both.statements.count == 1)
    #expect(both.statements[0].nodes == ["minio-4"])
    #expect(
      both.statements[0].finding.message
        == "the files and the running servers have other settings: MINIO_A differs: minio-[1-3] one value, minio-4 another"
    )
    #expect(both.statements[0].finding.remedy?.contains("`keyturn apply --settings FILE`") == true)
    let file = Self.fourth { $0.files = other }
    #expect(file.statements.map(\.finding.rule) == ["settings-differ"])
    let running = Self.fourth { $0.running = other }
    #expect(running.statements.map(\.finding.rule) == ["running-settings-differ"])
    #expect(running.statements[0].finding.remedy?.hasPrefix("`keyturn restart`") == true)
    // One that does not run has nothing that could differ.
    #expect(Self.fourth { $0.running = nil }.level == .well)
  }

  @Test(
    "a variable that is set on some nodes only is named with them; nobody is in the minority of two halves"
  )
  func names() {
    var more = Self.settings
    more["MINIO_KMS_API_KEY"] = "k"
    let health = Self.health { name, report in
      if name >= "minio-3" {
        (report.running, report.files) = (Self.environment(more), Self.environment(more))
      }
    }
    #expect(health.statements[0].nodes == Self.names)
    #expect(
      health.statements[0].finding.message.hasSuffix("MINIO_KMS_API_KEY is set only on minio-[3-4]")
    )
    // An observer is not told which it is.
    let observed = Self.health { name, report in
      if name >= "minio-3" {
        (report.running, report.files) = (Self.environment(more), Self.environment(more))
      }
      report = report.forObserver
    }
    #expect(observed.level == .wrong)
    #expect(
      observed.statements[0].finding.message.hasSuffix("which an operator's certificate shows"))
  }

  @Test("a generation that is behind with the same settings is a note")
  func generation() {
    let health = Self.fourth { $0.generation = 2 }
    #expect(health.level == .well)
    #expect(
      health.statements.map(\.text) == [
        "minio-4: generation 2, and 3 elsewhere — the next rollout gives all nodes the same"
      ])
  }

  @Test("another program, installed or running, is wrong now, with the releases and the nodes")
  func programs() {
    func program(_ text: String) -> ServerProgram {
      ServerProgram(digest: .ofFields([text]), release: "RELEASE.\(text)")
    }
    let all = ServerPrograms(installed: program("a"), running: program("a"))
    func health(_ other: ServerPrograms?) -> ClusterHealth {
      Self.health { name, report in report.programs = name == "minio-4" ? other : all }
    }
    #expect(health(all).level == .well && health(nil).level == .well)
    let installed = health(ServerPrograms(installed: program("b"), running: program("a")))
    #expect(installed.level == .wrong && installed.statements.count == 1)
    #expect(installed.statements[0].nodes == ["minio-4"])
    let message = installed.statements[0].finding.message
    #expect(message.contains("RELEASE.a (") && message.contains("on minio-[1-3], RELEASE.b ("))
    let running = health(ServerPrograms(installed: program("a"), running: program("b")))
    #expect(running.statements.map(\.finding.rule) == ["running-programs-differ"])
  }

  @Test("another seal, no seal, no start guard are wrong now and name the node")
  func guards() {
    let seal = Self.fourth { $0.seal = .ofFields(["other"]) }
    #expect(seal.level == .wrong && seal.statements[0].nodes == ["minio-4"])
    let none = Self.fourth { $0.seal = nil }
    #expect(none.statements[0].finding.message.hasSuffix("minio-4 has none"))
    let door = Self.fourth { $0.hasStartGuard = false }
    #expect(door.level == .wrong && door.statements[0].finding.rule == "start-guard-differs")
    #expect(Self.health { $1.hasStartGuard = false }.level == .well)
    let lost = Finding(.error, rule: "seal-missing", refusal: .guarded, message: "it is missing")
    let told = Self.health(findings: ["minio-4": [lost]]) { name, report in
      if name == "minio-4" { report.seal = nil }
    }
    #expect(told.statements.map(\.finding.rule) == ["seal-missing"])
  }

  @Test("an agent with another inventory: which part differs, and that it is wrong now")
  func inventories() {
    let changes: [(String, (inout Inventory) -> Void)] = [
      ("nodes", { $0.nodes.removeLast() }), ("nodes", { $0.nodes[0].server = "other" }),
      ("witness", { $0.keyManagers[0].witness = nil }),
      ("keyManagers", { $0.keyManagers[0].address = "other" }),
      ("timeouts", { $0.timeouts.settleSeconds = 1 }), ("rollback", { $0.rollback = .never }),
      ("unverifiedDirection", { $0.unverifiedDirection = .refuse }),
      ("proposals", { $0.proposals = ProposalRules(approval: .operator) }),
      ("clockBoundMilliseconds", { $0.clockBoundMilliseconds = 51 }),
      ("unit", { $0.unit = "other.service" }), ("environmentFile", { $0.environmentFile = "/x" }),
    ]
    for (part, change) in changes {
      var other = Self.inventory
      change(&other)
      let health = Self.fourth { $0.inventory = other.parts }
      #expect(health.level == .wrong && health.statements.count == 1, "\(part)")
      #expect(health.statements[0].nodes == ["minio-4"])
      #expect(health.statements[0].finding.message.hasSuffix("this command's: \(part)"), "\(part)")
    }
    // The order of the list, and a port that is the usual one, are no difference.
    var same = Self.inventory
    same.nodes.reverse()
    same.nodes[0].address += ":7377"
    same.proposals = ProposalRules()
    #expect(same.parts == Self.inventory.parts)
    #expect(same.contentDigest == Self.inventory.contentDigest)
    same.proposals = ProposalRules(approval: .operator)
    #expect(same.contentDigest != Self.inventory.contentDigest)
    // A part of another version is not compared.
    #expect(Self.fourth { $0.inventory.removeLast() }.level == .well)
  }

  // MARK: the whole

  @Test("who does not answer is unknown, and what is wrong elsewhere comes first")
  func unanswered() {
    let health = Self.health(silent: ["minio-2": .unreachable])
    #expect(health.level == .unknown && health.level(of: "minio-2") == .unknown)
    #expect(health.conclusion(isComplete: true) == "4 nodes: 3 fine, 1 not known")
    let both = Self.health(silent: ["minio-2": .unreachable]) { name, report in
      if name == "minio-4" { report.unit = .init(activeState: "inactive", isRunning: false) }
    }
    #expect(both.level == .wrong)
    #expect(both.conclusion(isComplete: true) == "4 nodes: 2 fine, 1 not, 1 not known")
    #expect(Self.health(silent: ["minio-2": .notPermitted]).isForbidden)
  }

  @Test("advice on the unit does not count; drift, a link, a certificate do; an error is wrong now")
  func severities() {
    let rules: [(Severity, String, ClusterHealth.Level)] = [
      (.warning, "unit-restart", .well), (.warning, "reverse-path-unverified", .well),
      (.warning, "drift", .remarked), (.warning, "key-manager-link", .remarked),
      (.warning, OwnCertificate.rule, .remarked), (.note, "drift", .well),
      (.error, "unit-environment-file", .wrong),
    ]
    for (severity, rule, level) in rules {
      let finding = Finding(severity, rule: rule, message: "m")
      #expect(Self.health(findings: ["minio-4": [finding]]).level == level, "\(rule)")
    }
  }

  @Test(
    "a link that fails is wrong now, also where the node's judgement for a rollout is a warning")
  func failingLink() {
    let link = Finding.Link(keyManager: "https://kms-2:7373", stage: .tcp)
    let judged = Finding(
      .warning, rule: "kms-tcp", refusal: .keyManager, message: "refused", link: link)
    for (verdict, level) in [
      (ProbeVerdict.failed, ClusterHealth.Level.wrong), (.degraded, .remarked),
    ] {
      let stage = ProbeStageAnswer(
        stage: .known(.tcp), verdict: .known(verdict), milliseconds: 1, detail: "refused")
      let check = CheckAnswer(
        node: "minio-1", endpoints: [ProbeAnswer(endpoint: link.keyManager, stages: [stage])],
        drift: Drift(), findings: [judged], report: Self.well())
      let health = ClusterHealth(
        [NodeAnswer(name: "minio-1", result: .success(check.sight))], inventory: Self.inventory)
      #expect(health.level == level && health.statements.count == 1)
    }
  }

  @Test("links of the node's own last look count as those of a check do")
  func links() {
    var status = NodeStatus(
      node: "minio-1", version: "0", activeState: "active", subState: "running", mainPID: 1,
      invocation: "", runningKey: nil, seal: nil, generation: nil, drift: Drift(),
      activeRollout: nil, activeStage: nil, lastRollout: nil, lastOutcome: nil, epoch: 0,
      findings: [], report: Self.well())
    for (degraded, failed, level) in [
      (0, 0, ClusterHealth.Level.well), (1, 0, .remarked), (1, 2, .wrong),
    ] {
      status.links = LinkSummary(
        ageSeconds: 3, fine: 1, degraded: degraded, failed: failed, notChecked: 1, worst: "kms-1")
      let health = ClusterHealth(
        [NodeAnswer(name: "minio-1", result: .success(status.sight))], inventory: Self.inventory)
      #expect(health.level == level)
    }
  }
}
