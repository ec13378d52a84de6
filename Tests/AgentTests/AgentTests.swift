import Digests
import KeyManager
import LinuxIO
import Model
import Rollout
import StartWatch
import Testing
import Wire

@testable import Agent

private let apiKey = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
private let identity = "h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE"
private let plainFile = """
  # our cluster
  MINIO_VOLUMES="http://minio-{1...2}:9000/data"
  MINIO_ROOT_USER="admin"

  """
private let enabling = [
  SettingChange(name: "MINIO_KMS_SERVER", value: Secret("https://kms-1.example.net:7373")),
  SettingChange(name: "MINIO_KMS_ENCLAVE", value: Secret("store")),
  SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-1")),
  SettingChange(name: "MINIO_KMS_API_KEY", value: Secret(apiKey)),
]
private let alice = Principal(cluster: "prod", role: .operator, name: "alice")

/// One node's agent over a host in memory, and what an operator would do with it.
private struct Node {
  let host: FakeHost
  let agent: Agent

  init(_ host: FakeHost = FakeHost(file: plainFile)) {
    self.host = host
    agent = Agent(
      node: "minio-1",
      inventory: Inventory(
        cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")]),
      version: "test", ports: host.ports)
    agent.start(deadline: .inMilliseconds(5_000))
  }

  func send(
    _ method: String, _ path: String, _ body: [UInt8] = [], as principal: Principal = alice,
    query: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    agent.answer(
      HTTPRequest(method, path, query: query, body: body), from: principal)
  }

  func plan(_ changes: [SettingChange], kind: RolloutKind = .apply) throws -> PlanAnswer {
    let request = PlanRequest(kind: kind, changes: changes.map(WireChange.init), createKey: false)
    let response = send("POST", "/v1/plan", JSON.encode(request))
    return try JSON.decode(PlanAnswer.self, from: response.body)
  }

  func rollout(
    _ changes: [SettingChange], id: String = "00000000000000aa", kind: RolloutKind = .apply
  ) throws -> Rollout {
    let plan = try plan(changes, kind: kind)
    return Rollout(
      id: id, epoch: plan.epoch + 1, kind: kind, cluster: "prod",
      contents: [MemberContent(member: "minio-1", before: plan.before, after: plan.after)],
      createdBy: "alice", prepareMilliseconds: 5_000, stopMilliseconds: 5_000,
      startMilliseconds: 10_000)
  }

  func prepare(_ rollout: Rollout, _ changes: [SettingChange]) throws -> VoteAnswer {
    let request = PrepareRequest(
      rollout: rollout, changes: changes.map(WireChange.init), createKey: false)
    let response = send("POST", "/v1/rollouts", JSON.encode(request))
    return try JSON.decode(VoteAnswer.self, from: response.body)
  }

  func decide(_ rollout: Rollout, _ decision: Decision) throws -> ReplyAnswer {
    let request = DecisionRequest(
      decision: decision, instant: Clock.now(), bootID: host.state.withLock { $0.boot },
      reason: "another node said no")
    let response = send(
      "POST", "/v1/rollouts/\(rollout.id)/decision", JSON.encode(request))
    return try JSON.decode(ReplyAnswer.self, from: response.body)
  }

  /// Follows the rollout to its end by long polls.
  func outcome(_ rollout: Rollout) throws -> Outcome? {
    var after = 0
    for _ in 0..<100 {
      let response = send(
        "GET", "/v1/rollouts/\(rollout.id)",
        query: [(name: "after", value: String(after)), (name: "wait", value: "5000")])
      let view = try JSON.decode(RolloutView.self, from: response.body)
      if let outcome = view.outcome { return outcome }
      after = view.events.last?.sequence ?? after
    }
    return nil
  }

  /// The whole way: plan, vote, accept, commit, confirmed.
  @discardableResult
  func apply(
    _ changes: [SettingChange], id: String = "00000000000000aa", kind: RolloutKind = .apply
  ) throws -> Outcome? {
    let rollout = try rollout(changes, id: id, kind: kind)
    let vote = try prepare(rollout, changes)
    #expect(vote.refusal == nil)
    let proposal = Proposal(
      ballot: .coordinator, decision: .commit, instant: Clock.now(), bootID: "boot-1")
    _ = send("POST", "/v1/rollouts/\(rollout.id)/accept", JSON.encode(proposal))
    _ = try decide(rollout, .commit)
    return try outcome(rollout)
  }
}

@Suite("Agent: plan")
struct AgentPlanTests {
  @Test("a plan shows the change with the API key as its identity and changes nothing")
  func plan() throws {
    let node = Node()
    let plan = try node.plan(enabling)
    #expect(plan.refusal == nil)
    #expect(plan.restartNeeded)
    #expect(plan.before == Digest.sha256(Array(plainFile.utf8)))
    #expect(plan.before != plan.after)
    let text = plan.difference.joined(separator: "\n")
    #expect(text.contains(identity))
    #expect(!JSON.line(plan).contains(apiKey))
    node.host.state.withLock { state in
      #expect(state.file == Array(plainFile.utf8))
      #expect(state.staged.isEmpty)
      #expect(state.restarts == 0)
    }
  }

  @Test("a mistake in the settings is refused with its variable")
  func mistake() throws {
    let plan = try Node().plan(Array(enabling.dropLast()))
    #expect(plan.refusal?.code == .validation)
    #expect(plan.refusal?.message.contains("MINIO_KMS_API_KEY") == true)
  }

  @Test("a Key Manager that fails a stage is refused with endpoint and stage")
  func keyManager() throws {
    let node = Node()
    var report = FakeHost.Probe.fine("kms-1.example.net:7373")
    report.stages[1].verdict = .failed
    report.stages[1].detail = "connection refused"
    node.host.state.update { $0.reports = [report] }
    let plan = try node.plan(enabling)
    #expect(plan.refusal?.code == .keyManager)
    #expect(plan.refusal?.message.contains("kms-1.example.net:7373") == true)
  }

  @Test("a unit that does not read the file, is masked or in a job is refused")
  func unit() throws {
    let changes: [@Sendable (inout UnitState) -> Void] = [
      { $0.environmentFiles = [] }, { $0.loadState = "masked" }, { $0.loadState = "not-found" },
      { $0.job = .init(id: 7, path: "/org/freedesktop/systemd1/job/7") },
    ]
    for change in changes {
      let node = Node()
      node.host.state.update { change(&$0.unit) }
      #expect(try node.plan(enabling).refusal?.code == .unit)
    }
  }

  @Test("an unchanged file with a server that runs with it needs no restart; an older server does")
  func restartNeeded() throws {
    let node = Node()
    let same = [SettingChange(name: "MINIO_ROOT_USER", value: Secret("admin"))]
    #expect(try node.plan(same).restartNeeded == false)
    node.host.state.update { $0.process.removeAll { $0.name == "MINIO_ROOT_USER" } }
    let plan = try node.plan(same)
    #expect(plan.restartNeeded)
    #expect(plan.restartReason.contains("MINIO_ROOT_USER"))
    #expect(plan.before == plan.after)
  }
}

@Suite("Agent: rollout")
struct AgentRolloutTests {
  @Test("commit installs, restarts once, confirms, seals the key and keeps the generation")
  func commit() throws {
    let node = Node()
    let outcome = try node.apply(enabling)
    #expect(outcome?.kind == .confirmed)
    let status = node.agent.status()
    #expect(status.seal?.keyName == "key-1")
    #expect(status.seal?.enclave == "store")
    #expect(status.generation?.number == 1)
    #expect(status.drift.isEmpty)
    #expect(status.runningKey == "key-1")
    node.host.state.withLock { state in
      #expect(state.restarts == 1)
      #expect(state.staged.isEmpty)
      #expect(String(decoding: state.file ?? [], as: UTF8.self).hasPrefix(plainFile))
      #expect(state.records["seal"] != nil)
    }
    #expect(!JSON.line(status).contains(apiKey))
  }

  @Test(
    "once sealed, the key changed, removed or emptied is refused on plan and vote, nothing touched",
    arguments: [Secret("key-2"), nil, Secret("")])
  func sealed(value: Secret?) throws {
    let node = Node()
    try node.apply(enabling)
    let before = node.host.state.withLock { ($0.file, $0.restarts) }
    let change = [SettingChange(name: "MINIO_KMS_SSE_KEY", value: value)]
    let plan = try node.plan(change)
    #expect(plan.refusal?.code == .guarded)
    let rollout = try node.rollout(change, id: "00000000000000bb")
    #expect(try node.prepare(rollout, change).refusal?.code == .guarded)
    let after = node.host.state.withLock { ($0.file, $0.restarts, $0.staged.isEmpty) }
    #expect(after.0 == before.0)
    #expect(after.1 == before.1)
    #expect(after.2)
  }

  @Test("a second definition in the file, and a restart with it, is refused once sealed")
  func secondDefinition() throws {
    let node = Node()
    try node.apply(enabling)
    node.host.state.update {
      $0.file?.append(contentsOf: Array("MINIO_KMS_SSE_KEY=\"key-1\"\n".utf8))
    }
    #expect(try node.plan([], kind: .restart).refusal?.code == .guarded)
  }

  @Test("a second definition anywhere else in the server's environment is refused once sealed")
  func secondSource() throws {
    let changes: [@Sendable (inout FakeHost.State) -> Void] = [
      { state in
        state.others["/etc/minio/extra"] = "MINIO_KMS_SSE_KEY=key-2\n"
        state.unit.environmentFiles.append(.init(path: "/etc/minio/extra"))
      },
      { state in
        state.others["/etc/minio/before"] = "MINIO_KMS_SSE_KEY=key-1\n"
        state.unit.environmentFiles.insert(.init(path: "/etc/minio/before"), at: 0)
      },
      { $0.unit.environment = ["MINIO_KMS_SSE_KEY=key-2"] },
      { state in
        state.others["/etc/minio/config.env"] = "MINIO_KMS_SSE_KEY=key-2\n"
        state.file?.append(contentsOf: Array("MINIO_CONFIG_ENV_FILE=/etc/minio/config.env\n".utf8))
      },
    ]
    for change in changes {
      let node = Node()
      try node.apply(enabling)
      node.host.state.update { change(&$0) }
      let refusal = try node.plan([], kind: .restart).refusal
      #expect(refusal?.code == .guarded)
      #expect(refusal?.message.contains("it is defined in: ") == true)
    }
  }

  @Test("a setting that another file overrides is refused, with the place")
  func shadowed() throws {
    let node = Node()
    node.host.state.update { state in
      state.others["/etc/minio/extra"] = "# x\nMINIO_KMS_ENCLAVE=other\n"
      state.unit.environmentFiles.append(.init(path: "/etc/minio/extra"))
    }
    let refusal = try node.plan(enabling).refusal
    #expect(refusal?.code == .validation)
    #expect(refusal?.message.contains("/etc/minio/extra") == true)
    node.host.state.update { $0.unit.environmentFiles[1].path = "/etc/minio/*.env" }
    #expect(try node.plan(enabling).refusal?.code == .unit)
  }

  @Test("a running server's key is guarded although nothing was sealed yet")
  func adopted() throws {
    let file =
      plainFile
      + "MINIO_KMS_SERVER=\"https://kms-1.example.net:7373\"\nMINIO_KMS_ENCLAVE=\"store\"\nMINIO_KMS_SSE_KEY=\"key-9\"\nMINIO_KMS_API_KEY=\"\(apiKey)\"\n"
    let node = Node(FakeHost(file: file))
    #expect(try node.plan(enabling).refusal?.code == .guarded)
  }

  @Test("abort leaves nothing behind")
  func abort() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    #expect(node.host.state.withLock { $0.staged.count } == 1)
    #expect(try node.decide(rollout, .abort).reply == .acknowledged)
    node.host.state.withLock { state in
      #expect(state.staged.isEmpty)
      #expect(state.file == Array(plainFile.utf8))
      #expect(state.restarts == 0)
    }
  }

  @Test("a file that cannot be read is refused for that alone, whatever key is in force")
  func unreadable() throws {
    let node = Node()
    try node.apply(enabling)
    node.host.state.update { $0.readFailure = Refusal(.validation, "it is a symbolic link") }
    let plan = try node.plan([SettingChange(name: "MINIO_BROWSER", value: Secret("off"))])
    #expect(plan.refusal == Refusal(.validation, "it is a symbolic link"))
    #expect(!plan.restartNeeded && plan.difference.isEmpty)
  }

  @Test("a file that was changed after the plan is a no")
  func compareAndSwap() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { $0.file?.append(contentsOf: Array("# edited\n".utf8)) }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .vote)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
  }

  @Test("other settings than those of the plan are a no")
  func otherSettings() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    let other =
      enabling.dropLast(2) + [
        SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-3")), enabling[3],
      ]
    #expect(try node.prepare(rollout, Array(other)).refusal?.code == .vote)
  }

  @Test("a vote that cannot be made durable is a no, and nothing stays staged")
  func undurableVote() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { $0.failingRecord = "rollout" }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .file)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
    node.host.state.update { $0.failingRecord = nil }
    #expect(
      try node.prepare(rollout, enabling).refusal == nil, "the same rollout may be tried again")
  }

  @Test("a yes that cannot be made durable is a no, and the node is free for the next rollout")
  func undurableYes() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { state in
      let host = node.host
      state.onStage = { [weak host] in host?.failRecord("rollout") }
    }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .file)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
    node.host.state.update { state in
      state.failingRecord = nil
      state.onStage = {}
    }
    #expect(try node.apply(enabling, id: "00000000000000bb")?.kind == .confirmed)
  }

  @Test("a start is not over before its seal is durable")
  func undurableSeal() throws {
    let node = Node()
    node.host.state.update { $0.failingRecord = "seal" }
    let rollout = try node.rollout(enabling)
    _ = try node.prepare(rollout, enabling)
    _ = try node.decide(rollout, .commit)
    _ = node.host.state.wait(until: .inMilliseconds(10_000)) { state in
      state.lines.contains { $0.contains("write seal") } ? true : nil
    }
    #expect(node.agent.status().activeRollout == rollout.id)
    node.host.state.update { $0.failingRecord = nil }
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    #expect(node.agent.status().seal?.keyName == "key-1")
  }

  @Test(
    "a file that was changed between vote and instant is not started with, nothing stays staged")
  func changedAfterVote() throws {
    for kind in [RolloutKind.apply, .restart] {
      let node = Node()
      let changes = kind == .apply ? enabling : []
      let rollout = try node.rollout(changes, kind: kind)
      #expect(try node.prepare(rollout, changes).refusal == nil)
      node.host.state.update { $0.file?.append(contentsOf: Array("# edited\n".utf8)) }
      _ = try node.decide(rollout, .commit)
      #expect(try node.outcome(rollout)?.kind == .failed)
      node.host.state.withLock { state in
        #expect(state.restarts == 0)
        #expect(state.staged.isEmpty)
      }
    }
  }

  @Test("the end of a vote that was aborted meanwhile leaves alone what the next one has staged")
  func abortedVoteEndsLate() throws {
    let node = Node()
    let first = try node.rollout(enabling)
    var second = first
    second.id = "00000000000000bb"
    second.epoch += 1
    let next = second
    // 1: the first has staged; 2: the next has staged, its vote is not written; 3: the first has ended.
    let step = Lock(0)
    @Sendable func reach(_ number: Int) {
      _ = step.wait(until: .inMilliseconds(10_000)) { $0 >= number ? true : nil }
    }
    node.host.state.update { state in
      state.onStage = {
        reach(
          step.update {
            $0 += 1; return $0
          } + 1)
      }
    }
    try Thread.start("first") { [node] in
      _ = try? node.prepare(first, enabling)
      step.update { $0 = 3 }
    }
    reach(1)
    #expect(try node.decide(first, .abort).reply == .acknowledged)
    #expect(try node.prepare(next, enabling).refusal == nil)
    #expect(node.host.state.withLock { $0.staged.keys.sorted() } == [next.id])
    node.host.state.update { $0.onStage = {} }
    _ = try node.decide(next, .commit)
    #expect(try node.outcome(next)?.kind == .confirmed)
  }

  @Test("a file that cannot be staged is a no")
  func unstageable() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { $0.stageFailure = Refusal(.file, "read-only file system") }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .file)
  }

  @Test("a fatal line is the outcome, redacted")
  func fatal() throws {
    let node = Node()
    node.host.state.update { state in
      state.startLines = [
        "FATAL Failed to connect to KMS: failed to generate data key with KMS key: \(apiKey)"
      ]
    }
    let outcome = try node.apply(enabling)
    #expect(outcome?.kind == .failed)
    #expect(outcome?.reason.contains("FATAL Failed to connect to KMS") == true)
    #expect(outcome?.reason.contains(apiKey) == false)
    #expect(node.agent.status().seal == nil)
  }

  @Test("restart restarts without a change of the file")
  func restart() throws {
    let node = Node()
    #expect(try node.apply([], kind: .restart)?.kind == .confirmed)
    node.host.state.withLock { state in
      #expect(state.restarts == 1)
      #expect(state.file == Array(plainFile.utf8))
    }
  }

  @Test("failed starts of before do not make the start limit refuse the rollout's")
  func startLimit() throws {
    let node = Node()
    node.host.state.update { $0.isAtStartLimit = true }
    let outcome = try node.apply([], kind: .restart)
    #expect(outcome?.kind == .confirmed)
  }

  @Test("an agent that was restarted after the vote remembers it and removes no staged file")
  func restartedAfterVote() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    _ = try node.prepare(rollout, enabling)
    let again = Node(node.host)
    #expect(again.agent.status().activeRollout == rollout.id)
    #expect(node.host.state.withLock { $0.staged.count } == 1)
    _ = try again.decide(rollout, .commit)
    #expect(try again.outcome(rollout)?.kind == .confirmed)
    #expect(node.host.state.withLock { $0.restarts } == 1)
  }

  @Test("an agent that was restarted between commit and restart does what is left, once")
  func restartedAfterCommit() throws {
    for done in [false, true] {
      let host = FakeHost(file: plainFile)
      let first = Node(host)
      let rollout = try first.rollout(enabling)
      _ = try first.prepare(rollout, enabling)
      // The record as it is just after the decision, in an agent that never got to act.
      guard let bytes = host.state.withLock({ $0.records["rollout"] }) else {
        Issue.record("there is no record")
        return
      }
      var participant = Participant(
        member: "minio-1", record: try JSON.decode(ParticipantRecord.self, from: bytes))
      _ = participant.handle(
        .decided(
          id: rollout.id, .commit, instant: Instant(nanoseconds: 1), bootID: "boot-1", reason: ""))
      host.state.update { $0.records["rollout"] = JSON.encode(participant.record) }
      if done {
        // It had installed and restarted, and died before it could write so.
        let file = FakeHost.File(host: host)
        if let content = rollout.content(of: "minio-1"), let after = content.after {
          try file.install(tag: rollout.id, before: content.before, after: after)
        }
        try FakeHost.Unit(host: host).restart(deadline: .inMilliseconds(1))
      }
      let second = Node(host)
      #expect(try second.outcome(rollout)?.kind == .confirmed)
      #expect(host.state.withLock { $0.restarts } == 1)
    }
  }

  @Test("a unit that crashed and came back between vote and instant is restarted all the same")
  func crashedInBetween() throws {
    for late in [false, true] {
      let node = Node()
      let rollout = try node.rollout(enabling)
      _ = try node.prepare(rollout, enabling)
      node.host.state.update { $0.unit.invocationID = "crashed" }
      let instant = Clock.now().advanced(byMilliseconds: late ? -5_000 : 0)
      let request = DecisionRequest(
        decision: .commit, instant: instant, bootID: "boot-1", reason: "")
      _ = node.send("POST", "/v1/rollouts/\(rollout.id)/decision", JSON.encode(request))
      #expect(try node.outcome(rollout)?.kind == .confirmed)
      #expect(node.host.state.withLock { $0.restarts } == 1)
    }
  }

  @Test("a file staged by an agent that died before its vote is removed at the next start")
  func orphan() {
    let host = FakeHost(file: plainFile)
    host.state.update { $0.staged["00000000000000ee"] = [1] }
    _ = Node(host)
    #expect(host.state.withLock { $0.staged.isEmpty })
  }

  @Test("a damaged record is reported and refuses every rollout, and is not replaced")
  func damaged() throws {
    let host = FakeHost(file: plainFile)
    host.state.update { $0.records["seal"] = Array("nonsense".utf8) }
    let node = Node(host)
    #expect(node.agent.status().findings.contains { $0.rule == "damaged-record" })
    let request = PlanRequest(kind: .restart, changes: [], createKey: false)
    #expect(node.send("POST", "/v1/plan", JSON.encode(request)).status == 500)
    #expect(host.state.withLock { $0.records["seal"] } == Array("nonsense".utf8))
  }
}

@Suite("Agent: what a plan shows")
struct AgentSecretTests {
  @Test(
    "no password or API key is shown, whatever the variable is called",
    arguments: [
      ("MINIO_KMS_API_KYE", apiKey), ("MINIO_NOTIFY_AMQP_URL_1", "amqp://user:hunter22@mq:5672"),
      ("MINIO_NOTIFY_MYSQL_DSN_STRING_1", "user:hunter22@tcp(db:3306)/minio"),
      ("MINIO_NOTIFY_POSTGRES_CONNECTION_STRING_1", "host=db user=u password=hunter22 port=5432"),
    ])
  func redacted(name: String, value: String) {
    let shown = Assessor.describe(name, value)
    #expect(!shown.contains("hunter22"))
    #expect(!shown.contains(apiKey))
  }

  @Test("what is no secret is shown as it is")
  func plain() {
    for value in ["https://kms-1.example.net:7373", "key-1", "admin@example.net", "a=b"] {
      #expect(Assessor.describe("MINIO_X", value) == value)
    }
  }
}

@Suite("Agent: who may do what")
struct AgentAuthorisationTests {
  private static let observer = Principal(cluster: "prod", role: .observer, name: "eve")
  private static let node = Principal(cluster: "prod", role: .node, name: "minio-2")
  private static let witness = Principal(cluster: "prod", role: .witness, name: "kms-1")
  private static let stranger = Principal(cluster: "other", role: .operator, name: "alice")

  @Test("whoever is not an operator of this cluster can change nothing")
  func changes() {
    let paths = [
      "/v1/plan", "/v1/rollouts", "/v1/rollouts/00000000000000aa/promise",
      "/v1/rollouts/00000000000000aa/accept",
      "/v1/rollouts/00000000000000aa/decision",
    ]
    for principal in [Self.observer, Self.node, Self.witness, Self.stranger] {
      for path in paths {
        #expect(Node().send("POST", path, as: principal).status == 403, "\(principal.uri) \(path)")
      }
    }
  }

  @Test("an observer may look; a witness and a stranger may not")
  func looks() {
    let node = Node()
    for path in ["/v1/status", "/v1/logs"] {
      #expect(node.send("GET", path, as: Self.observer).status == 200)
      #expect(node.send("GET", path, as: Self.witness).status == 403)
      #expect(node.send("GET", path, as: Self.stranger).status == 403)
    }
  }

  @Test("a rollout in somebody else's name is a no")
  func name() throws {
    let node = Node()
    var rollout = try node.rollout(enabling)
    rollout.createdBy = "bob"
    #expect(try node.prepare(rollout, enabling).refusal?.code == .notPermitted)
  }

  @Test("a malformed request is answered with 4xx")
  func malformed() throws {
    let node = Node()
    #expect(node.send("POST", "/v1/plan", Array("{".utf8)).status == 400)
    #expect(node.send("POST", "/v1/plan", []).status == 400)
    #expect(node.send("GET", "/v1/nothing").status == 404)
    #expect(node.send("DELETE", "/v1/status").status == 404)
    #expect(node.send("GET", "/").status == 404)
    #expect(
      node.send("GET", "/v1/logs", query: [(name: "limit", value: "-1")]).status == 400)
    let change = SettingChange(name: "PATH", value: Secret("/tmp"))
    let request = PlanRequest(kind: .apply, changes: [WireChange(change)], createKey: false)
    #expect(node.send("POST", "/v1/plan", JSON.encode(request)).status == 400)
  }

  @Test("as many settings as the limit allows are taken, one more is not")
  func limit() {
    let node = Node()
    for (count, status) in [(Limits.settingsInChange, 200), (Limits.settingsInChange + 1, 400)] {
      let changes = (0..<count).map {
        WireChange(SettingChange(name: "MINIO_X\($0)", value: Secret("v")))
      }
      let request = PlanRequest(kind: .apply, changes: changes, createKey: false)
      #expect(node.send("POST", "/v1/plan", JSON.encode(request)).status == status)
    }
  }

  @Test("logs are redacted")
  func logs() {
    let node = Node()
    node.host.state.update { $0.startLines = ["env: MINIO_KMS_API_KEY=\(apiKey)", "x \(apiKey)"] }
    let response = node.send("GET", "/v1/logs")
    #expect(!String(decoding: response.body, as: UTF8.self).contains(apiKey))
  }
}
