// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Testing
import Threads

/// Witness and node together: what either answers, and to whom.
@Suite("Agent: the reverse path")
struct WitnessAgentTests {
  private static let inventory = Inventory(
    cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")],
    keyManagers: [
      .init(name: "kms-1", address: "kms-1.example.net", witness: "kms-1.example.net"),
      .init(name: "kms-2", address: "kms-2.example.net"),
    ], outsideNodes: ["minio-2"])
  private static let node = Principal(cluster: "prod", role: .node, name: "minio-1")
  private static let witness = Principal(cluster: "prod", role: .witness, name: "kms-1")

  /// Says of every place that it was reached, and remembers where it was sent.
  private final class Reach: ReachPort {
    let sent = Lock([(node: Inventory.Node, nonce: Digest)]())
    func reach(_ node: Inventory.Node, nonce: Digest, deadline: Instant) -> [ReverseAttempt] {
      sent.update { $0.append((node, nonce)) }
      return [
        ReverseAttempt(.agent, "10.0.0.3:7377", .reached),
        ReverseAttempt(
          .server, "10.0.0.3:9000", .reached,
          face: ServerFace(publicKey: nil, validUntil: nil, host: .sha256([1]), status: 200)),
      ]
    }
  }

  private struct Setup {
    let reach = Reach()
    let lines = Lock([String]())
    let witness: Witness

    init() {
      let lines = lines
      witness = Witness(
        name: "kms-1", inventory: WitnessAgentTests.inventory,
        records: FakeNodeHost(file: "").ports().records,
        version: "test", reach: reach, peers: FakeNodeHost.NoPeers(),
        log: { _, line in lines.update { $0.append(line) } })
    }

    func ask(
      _ body: String, as principal: Principal = WitnessAgentTests.node,
      query: [(name: String, value: String)] = []
    ) -> HTTPResponse {
      witness.answer(
        HTTPRequest("POST", "/v1/witness", query: query, body: Array(body.utf8)), from: principal)
    }

    /// The value of a counter.
    func refused(_ reason: String) throws -> Int {
      let response = witness.answer(
        HTTPRequest("GET", "/metrics"),
        from: Principal(cluster: "prod", role: .observer, name: "prometheus"))
      let text = String(decoding: response.body, as: UTF8.self)
      let line = try #require(
        text.split(separator: "\n").first { $0.contains("refused_total{reason=\"\(reason)\"}") })
      return try #require(Int(line.split(separator: " ").last ?? ""))
    }
  }

  private static let question = #"{"nonce":"\#(Digest.sha256([7]).hex)"}"#

  @Test("a node's question is answered, of that node and of its own inventory's addresses")
  func served() throws {
    let setup = Setup()
    let response = setup.ask(Self.question)
    #expect(response.status == 200)
    let report = try JSON.decode(ReverseReport.self, from: response.body)
    #expect(report.witness == "kms-1" && report.node == "minio-1" && report.attempts.count == 2)
    let sent = setup.reach.sent.withLock { $0 }
    #expect(sent.map(\.node) == Self.inventory.nodes)
    #expect(sent.map(\.nonce) == [.sha256([7])])
  }

  @Test(
    "whatever names an address, a node or anything else is refused and counted, and nobody is reached",
    arguments: [
      #"{"nonce":"\#(Digest.sha256([7]).hex)","address":"10.0.0.9:22"}"#,
      #"{"nonce":"\#(Digest.sha256([7]).hex)","node":"minio-2"}"#,
      #"{"nonce":"\#(Digest.sha256([7]).hex)","to":"\#(Digest.sha256([8]).hex)"}"#,
      #"{"address":"10.0.0.9:22"}"#, #"{"nonce":"10.0.0.9:22"}"#, #"{"nonce":1}"#, "{}", "", "[]",
    ])
  func scanner(body: String) throws {
    let setup = Setup()
    #expect(setup.ask(body).status == 400)
    #expect(setup.reach.sent.withLock { $0.isEmpty })
    #expect(try setup.refused("request") == 1)
  }

  @Test("a query, another path and a body past its limit are refused and counted too")
  func otherRequests() throws {
    let setup = Setup()
    #expect(setup.ask(Self.question, query: [(name: "host", value: "10.0.0.9")]).status == 400)
    let pad = String(repeating: " ", count: Limits.witnessBodyBytes - Self.question.utf8.count)
    #expect(setup.ask(Self.question + pad).status == 200)
    #expect(setup.ask(Self.question + pad + " ").status == 400)
    for path in ["/v1/plan", "/v1/check", "/v1/rollouts", "/v1/logs", "/v1/witness/10.0.0.9"] {
      let answer = setup.witness.answer(HTTPRequest("POST", path), from: alice)
      #expect(answer.status == 400, "\(path)")
    }
    #expect(try setup.refused("request") == 7)
    #expect(setup.reach.sent.withLock { $0.count } == 1)
  }

  @Test("who may not ask is refused, counted, and logged once")
  func strangers() throws {
    let setup = Setup()
    for (principal, reason) in [
      (alice, "role"), (Self.witness, "role"),
      (Principal(cluster: "prod", role: .node, name: "minio-9"), "unknownNode"),
      (Principal(cluster: "other", role: .node, name: "minio-1"), "cluster"),
    ] {
      let before = try setup.refused(reason)
      for _ in 0..<2 { #expect(setup.ask(Self.question, as: principal).status == 403) }
      #expect(try setup.refused(reason) == before + 2)
      #expect(setup.lines.withLock { $0.count { $0.contains(principal.uri) } } == 1)
    }
    #expect(setup.reach.sent.withLock { $0.isEmpty })
  }

  @Test("a node that asks without end is refused and counted")
  func rate() throws {
    let setup = Setup()
    let statuses = (0...Limits.witnessBurst + 1).map { _ in setup.ask(Self.question).status }
    #expect(statuses.contains(429))
    #expect(try setup.refused("rate") >= 1)
  }

  @Test("a witness tells who may look, and nobody else, how it is")
  func status() {
    let setup = Setup()
    func status(_ principal: Principal, _ path: String) -> Int {
      setup.witness.answer(HTTPRequest("GET", path), from: principal).status
    }
    #expect(status(alice, "/v1/status") == 200 && status(alice, "/metrics") == 200)
    #expect(status(Self.node, "/v1/status") == 200 && status(Self.node, "/metrics") == 403)
    #expect(status(Self.witness, "/v1/status") == 403)
  }

  @Test("a witness that lacks the nodes' inventory is asked again soon, and told of if it stays so")
  func late() {
    var told = WitnessInventories()
    let start = Instant(nanoseconds: 1_000_000_000_000)
    func at(_ milliseconds: Int) -> Instant { start.advanced(byMilliseconds: milliseconds) }
    #expect(!told.areAwaited(at: start) && told.behind(1).isEmpty)
    told.note("kms-1", number: 1, agreed: 1, at: start)
    // The inventory has changed, and it was not asked since.
    #expect(told.behind(2).isEmpty && !told.areAwaited(at: at(1)))
    told.note("kms-1", number: 1, agreed: 2, at: at(10))
    told.note("kms-2", number: nil, agreed: 2, at: at(10))
    #expect(told.behind(2).isEmpty && told.areAwaited(at: at(20)))
    told.note("kms-1", number: 1, agreed: 2, at: at(4_009))
    #expect(told.behind(2).isEmpty)
    told.note("kms-1", number: 1, agreed: 2, at: at(4_010))
    told.note("kms-2", number: nil, agreed: 2, at: at(4_010))
    #expect(told.behind(2).map(\.witness) == ["kms-1"] && told.behind(2)[0].number == 1)
    #expect(told.areAwaited(at: at(60_009)) && !told.areAwaited(at: at(60_010)))
    // Another change: it counts from then on.
    told.note("kms-1", number: 1, agreed: 3, at: at(70_000))
    #expect(told.behind(3).isEmpty && told.areAwaited(at: at(70_001)))
    told.note("kms-1", number: 3, agreed: 3, at: at(75_000))
    told.note("kms-2", number: 3, agreed: 3, at: at(75_000))
    #expect(told.behind(3).isEmpty && !told.areAwaited(at: at(75_001)))
  }

  @Test("a node says so of the witness that it has asked twice")
  func behind() throws {
    let host = FakeNodeHost(file: plainFile)
    let agent = Self.agent(host)
    let inventories = agent.site.inventories
    _ = try inventories.adopt(inventories.agreed.next(Self.inventory))
    host.state.update {
      $0.witnesses["kms-1"] = ReverseReport(witness: "kms-1", node: "minio-1", attempts: [])
    }
    _ = agent.check()
    #expect(agent.reversePath.isWaitingForWitness)
    #expect(!agent.status().findings.contains { $0.rule == "witness-inventory" })
    host.state.update {
      $0.witnesses["kms-1"] = ReverseReport(
        witness: "kms-1", node: "minio-1", attempts: [], inventoryNumber: 2)
    }
    _ = agent.check()
    #expect(!agent.reversePath.isWaitingForWitness)
  }

  @Test("a witness that shows the certificate of its file to join with is looked at again soon")
  func new() {
    let host = FakeNodeHost(file: plainFile)
    let agent = Self.agent(host)
    for (days, isNew) in [(1, true), (7, true), (397, false)] {
      host.state.update {
        $0.witnesses["kms-1"] = ReverseReport(witness: "kms-1", node: "minio-1", attempts: [])
        $0.witnessCertificates["kms-1"] = OwnCertificate(
          principal: Self.witness, validFrom: 0, validUntil: Int64(days) * 86_400)
      }
      _ = agent.check()
      #expect(agent.reversePath.seesNewWitness == isNew, "\(days) days")
    }
  }

  @Test("a witness that nobody renews is not looked at more often without end")
  func neverRenewed() {
    var certificates = WitnessCertificates()
    let start = Instant(nanoseconds: 1_000_000_000_000)
    func at(_ seconds: Int) -> Instant { start.advanced(byMilliseconds: seconds * 1_000) }
    func certificate(_ days: Int64, from: Int64 = 0) -> OwnCertificate {
      OwnCertificate(
        principal: Self.witness, validFrom: from, validUntil: from + days * 86_400)
    }
    #expect(!certificates.seesNew(at: start))
    for seconds in stride(from: 0, through: 590, by: 10) {
      certificates.note("kms-1", certificate(1), at: at(seconds))
      #expect(certificates.seesNew(at: at(seconds)), "\(seconds) s")
    }
    for seconds in stride(from: 600, through: 7_200, by: 60) {
      certificates.note("kms-1", certificate(1), at: at(seconds))
      #expect(!certificates.seesNew(at: at(seconds)), "\(seconds) s")
    }
    // The warning stays, and another join counts from its own time.
    #expect(certificates.all == [certificate(1)])
    certificates.note("kms-1", certificate(1, from: 8_000), at: at(8_000))
    #expect(certificates.seesNew(at: at(8_599)) && !certificates.seesNew(at: at(8_600)))
    certificates.note("kms-1", certificate(397), at: at(8_001))
    #expect(!certificates.seesNew(at: at(8_001)))
  }

  // MARK: the node's side

  private static func agent(_ host: FakeNodeHost, _ inventory: Inventory = inventory) -> Agent {
    Agent(node: "minio-1", inventory: inventory, version: AgentVersion("test"), ports: host.ports())
  }

  private static func reached(
    _ agent: Agent, _ name: Digest, as principal: Principal = witness,
    challenge: String = Digest.sha256([2]).hex
  ) -> HTTPResponse {
    agent.answer(
      HTTPRequest(
        "GET", "/v1/reached",
        query: [(name: "nonce", value: name.hex), (name: "challenge", value: challenge)]),
      from: principal)
  }

  @Test("a node proves to the witness that it asked that it is the one, and to nobody else")
  func proof() throws {
    let host = FakeNodeHost(file: plainFile)
    let agent = Self.agent(host)
    _ = agent.check()
    let question = try #require(host.state.withLock { $0.questions.first })
    #expect(question.witness == "kms-1")
    let name = ReachProof.name(of: question.nonce)
    let answer = Self.reached(agent, name)
    #expect(answer.status == 200)
    #expect(
      try JSON.decode(ReachedAnswer.self, from: answer.body).proof
        == ReachProof.proof(
          nonce: question.nonce, challenge: .sha256([2]), node: "minio-1", witness: "kms-1"))
    #expect(Self.reached(agent, .sha256([9])).status == 400)
    #expect(Self.reached(agent, name, challenge: "x").status == 400)
    for (role, name2) in [
      (Role.node, "minio-1"), (.operator, "alice"), (.observer, "eve"), (.witness, "kms-2"),
      (.witness, "kms-9"),
    ] {
      let principal = Principal(cluster: "prod", role: role, name: name2)
      #expect(Self.reached(agent, name, as: principal).status == 403, "\(principal.uri)")
    }
  }

  @Test("check says of each Key Manager what its witness met, or why nothing is known")
  func check() throws {
    let host = FakeNodeHost(file: plainFile)
    host.state.update {
      $0.witnesses["kms-1"] = ReverseReport(
        witness: "kms-1", node: "minio-1",
        attempts: [
          ReverseAttempt(.agent, "10.0.0.3:7377", .reached),
          ReverseAttempt(.server, "10.0.0.3:9000", .refused),
        ])
    }
    let answer = Self.agent(host).check()
    let back = try #require(answer.back)
    #expect(back.map(\.keyManager) == ["kms-1", "kms-2"])
    #expect(back.map(\.verdict) == [.known(.failed), .known(.notChecked)])
    #expect(back[1].unverified == .known(.noWitness))
    #expect(back.map(\.endpoint) == answer.endpoints.map(\.endpoint))
    #expect(answer.findings.contains { $0.rule == "reverse-path" && $0.severity == .error })
    #expect(
      answer.findings.contains { $0.rule == "reverse-path-unverified" && $0.severity == .warning })
  }

  @Test("a report of another node, or of another witness, verifies nothing")
  func otherReport() throws {
    let host = FakeNodeHost(file: plainFile)
    host.state.update {
      $0.witnesses["kms-1"] = ReverseReport(witness: "kms-1", node: "minio-2", attempts: [])
    }
    let back = try #require(Self.agent(host).check().back)
    #expect(back[0].unverified == .known(.silent) && back[0].detail.contains("minio-2"))
  }

  @Test(
    "a reverse path that fails is a no to a rollout; one that is not verified as the policy says")
  func votes() throws {
    func plan(
      _ policy: Inventory.UnverifiedDirection, _ outcome: ReverseOutcome?
    ) throws -> PlanAnswer {
      let host = FakeNodeHost(file: plainFile)
      var inventory = Self.inventory
      inventory.keyManagers.removeLast()
      inventory.unverifiedDirection = policy
      if let outcome {
        host.state.update { state in
          state.witnesses["kms-1"] = ReverseReport(
            witness: "kms-1", node: "minio-1",
            attempts: [
              ReverseAttempt(.agent, "10.0.0.3:7377", .reached),
              ReverseAttempt(
                .server, "10.0.0.3:9000", outcome,
                face: outcome == .reached
                  ? ServerFace(publicKey: nil, validUntil: nil, host: .sha256([1]), status: 200)
                  : nil),
            ])
        }
      }
      let agent = Self.agent(host, inventory)
      let request = PlanRequest(RolloutRequest(kind: .apply, changes: enabling))
      let response = agent.answer(
        HTTPRequest("POST", "/v1/plan", body: JSON.encode(request)), from: alice)
      return try JSON.decode(PlanAnswer.self, from: response.body)
    }
    #expect(try plan(.refuse, .reached).refusal == nil)
    let refused = try plan(.warn, .refused).refusal
    #expect(refused?.code == .keyManager)
    #expect(refused?.message.contains("10.0.0.3:9000") == true, "\(refused?.message ?? "")")
    let warned = try plan(.warn, nil)
    #expect(warned.refusal == nil)
    #expect(
      warned.findings.contains { $0.rule == "reverse-path-unverified" && $0.severity == .warning })
    #expect(try plan(.refuse, nil).refusal?.code == .keyManager)
    let ignored = try plan(.ignore, nil)
    #expect(ignored.refusal == nil)
    #expect(!ignored.findings.contains { $0.rule == "reverse-path-unverified" })
    #expect(try plan(.ignore, .refused).refusal?.code == .keyManager)
  }

  // MARK: the node's own looks

  @Test("the last look is in status and metrics with its age, and a change is logged once")
  func background() throws {
    let host = FakeNodeHost(file: plainFile)
    let agent = Self.agent(host)
    #expect(agent.status().links == nil)
    func line(_ name: String) -> String? {
      String(decoding: agent.metrics().body, as: UTF8.self).split(separator: "\n")
        .first { $0.hasPrefix(name) }.map(String.init)
    }
    #expect(line("keyturn_key_manager_links") == nil)
    func report(_ outcome: ReverseOutcome) -> ReverseReport {
      ReverseReport(
        witness: "kms-1", node: "minio-1",
        attempts: [
          ReverseAttempt(.agent, "10.0.0.3:7377", outcome),
          ReverseAttempt(
            .server, "10.0.0.3:9000", .reached,
            face: ServerFace(publicKey: nil, validUntil: nil, host: .sha256([1]), status: 200)),
        ])
    }
    host.state.update { $0.witnesses["kms-1"] = report(.timedOut) }
    agent.links.look()
    agent.links.look()
    let links = try #require(agent.status().links)
    #expect(links.failed == 1 && links.fine == 2 && links.notChecked == 1 && links.ageSeconds <= 60)
    #expect(links.worst.contains("10.0.0.3:7377"))
    #expect(
      line(#"keyturn_key_manager_links{direction="back",verdict="failed"}"#)?.hasSuffix(" 1")
        == true)
    #expect(
      line(#"keyturn_key_manager_links{direction="forward",verdict="fine"}"#)?.hasSuffix(" 2")
        == true)
    #expect(line("keyturn_key_manager_look_age_seconds") != nil)
    func told(_ text: String) -> Int {
      host.state.withLock { $0.events.count { $0.message.contains(text) } }
    }
    #expect(told("10.0.0.3:7377") == 1 && told("fine again") == 0)
    host.state.update { $0.witnesses["kms-1"] = report(.reached) }
    agent.links.look()
    agent.links.look()
    #expect(told("fine again") == 1)
    #expect(agent.status().links?.failed == 0)
  }
}
