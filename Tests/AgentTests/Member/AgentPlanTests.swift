// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

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

  @Test("a process that has ended, which systemd has not seen yet, is looked at again")
  func endedProcess() throws {
    let node = Node()
    node.host.state.update { $0.looksAtNoProcess = 5 }
    #expect(try node.plan(enabling).refusal == nil)
    node.host.state.update { $0.looksAtNoProcess = .max }
    #expect(try node.plan(enabling).refusal?.message.contains("No such file or directory") == true)
  }

  @Test("a caller whose inventory has other nodes is told already at the plan, and which they are")
  func otherInventory() throws {
    let node = Node(of: ["minio-1", "minio-2", "minio-3"])
    func refusal(_ members: [String]) throws -> Refusal? {
      let request = PlanRequest(RolloutRequest(kind: .apply, changes: enabling), members: members)
      let body = node.send("POST", "/v1/plan", JSON.encode(request)).body
      return try JSON.decode(PlanAnswer.self, from: body).refusal
    }
    let other = try #require(try refusal(["minio-1", "minio-2", "minio-9"]))
    #expect(other.code == .vote)
    #expect(other.message.contains("it lacks minio-9 and has minio-3;"), "\(other.message)")
    let fewer = try refusal(["minio-1"])
    #expect(fewer?.message.contains("it has minio-[2-3];") == true, "\(fewer?.message ?? "")")
    #expect(try refusal(["minio-1", "minio-2", "minio-3"])?.code != .vote)
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
    var report = FakeNodeHost.Probe.fine("kms-1.example.net:7373")
    report.stages[1].verdict = .failed
    report.stages[1].detail = "connection refused"
    node.host.state.update { $0.reports = [report] }
    let plan = try node.plan(enabling)
    #expect(plan.refusal?.code == .keyManager)
    #expect(plan.refusal?.message.contains("kms-1.example.net:7373") == true)
  }

  @Test("what the Key Managers told is in the plan, and its digest in the vote")
  func keyManagerSight() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    #expect(try node.plan(enabling).keyManager == "release not told, key version 1, AES256")
    var report = FakeNodeHost.Probe.fine("https://kms-1.example.net:7373")
    let sight = KeyManagerSight(release: "2026", host: "kms-1", key: .usable)
    report.addresses = [AddressReport(address: "192.0.2.1:7373", stages: [], sight: sight)]
    node.host.state.update { $0.reports = [report] }
    #expect(try node.plan(enabling).keyManager == sight.text)
    let vote = try node.prepare(rollout, enabling)
    #expect(vote.refusal == nil)
    #expect(vote.keyManagerDigest == sight.digest)
    #expect(vote.environmentDigest != nil)
  }

  @Test("Key Managers are probed with the server's environment, and with what its user can read")
  func surroundings() throws {
    let node = Node()
    node.host.state.update { state in
      state.unit.user = "minio-user"
      state.file = Array((plainFile + "HTTPS_PROXY=http://proxy:3128\n").utf8)
      state.obstacles["/certs/CAs/ca.crt"] = "its mode is 600"
    }
    #expect(try node.plan(enabling).refusal == nil)
    let seen = try #require(node.host.state.withLock { $0.surroundings })
    #expect(seen.value("HTTPS_PROXY") == "http://proxy:3128")
    #expect(seen.certificateAuthorities == "/home/minio-user/.minio/certs/CAs")
    #expect(seen.obstacle("/certs/CAs/ca.crt") == "its mode is 600")
    #expect(seen.obstacle("/certs/CAs/other.crt") == nil)
    // A server that overrides permissions reads it.
    node.host.state.update { $0.unit.user = "root" }
    #expect(try node.plan(enabling).refusal == nil)
    #expect(node.host.state.withLock { $0.surroundings }?.obstacle("/certs/CAs/ca.crt") == nil)
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

  @Test("what takes the whole environment away is the cause that is told, not the key gone with it")
  func firstCause() throws {
    let cases: [(@Sendable (FakeNodeHost) -> Void, RefusalCode, String)] = [
      (
        { host in
          host.state.update { state in
            state.unit.loadState = "masked"
            state.unit.environmentFiles = []
          }
        }, .unit, "minio.service is masked"
      ),
      (
        { host in
          host.state.update { state in
            state.unit.loadState = "not-found"
            state.unit.environmentFiles = []
          }
        }, .unit, "minio.service is not-found"
      ),
      (
        { host in host.state.update { $0.unit.environmentFiles = [] } }, .unit,
        "does not read /etc/default/minio"
      ),
      (
        { host in host.state.update { $0.files["/etc/default/minio"] = nil } }, .file,
        "/etc/default/minio does not exist any more on minio-1"
      ),
      (
        { host in host.state.update { $0.file = Array(plainFile.utf8) } }, .guarded,
        "MINIO_KMS_SSE_KEY is missing on minio-1"
      ),
    ]
    for (change, code, words) in cases {
      let node = Node()
      try node.apply(enabling)
      change(node.host)
      for kind in [RolloutKind.restart, .apply] {
        let refusal = try node.plan([], kind: kind).refusal
        #expect(refusal?.code == code, "\(words): \(refusal?.message ?? "")")
        #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
        #expect(refusal?.message.contains("would be removed") == false)
      }
    }
  }

  @Test(
    "a lost file comes back with its generation; a lost file of an unencrypted node is told too")
  func lostFile() throws {
    let node = Node()
    try node.apply([SettingChange(name: "MINIO_ROOT_USER", value: Secret("other"))])
    node.host.state.update { $0.files["/etc/default/minio"] = nil }
    #expect(try node.plan(enabling).refusal?.code == .file)
    let number = node.agent.status().generation?.number ?? 0
    let request = RolloutRequest(kind: .rollback, generation: number)
    let body = node.send(
      "POST", "/v1/plan", JSON.encode(PlanRequest(request, members: ["minio-1"]))
    ).body
    let plan = try JSON.decode(PlanAnswer.self, from: body)
    #expect(plan.refusal == nil, "\(plan.refusal?.message ?? "")")
    #expect(plan.before == nil && plan.after != nil)
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
    let shown = SettingDisplay.text(of: name, value)
    #expect(!shown.contains("hunter22"))
    #expect(!shown.contains(apiKey))
  }

  @Test("a password in a value whose name does not say so leaves no digest in what is printed")
  func digests() throws {
    let node = Node(FakeNodeHost(file: "MINIO_X=https://alice:hunter22@a\nMINIO_SITE_NAME=a\n"))
    let report = try #require(node.agent.status().report)
    let files = try #require(report.files)
    #expect(files.withPasswords == ["MINIO_X"])
    // Nodes are still compared by it.
    let digest = try #require(files.variables.first { $0.name == "MINIO_X" }?.digest)
    for shown in [report.forOutput, report.forObserver] {
      #expect(shown.files?.variables.map(\.name) == ["MINIO_SITE_NAME"])
    }
    #expect(!String(decoding: JSON.encode(report.forOutput), as: UTF8.self).contains(digest.hex))
  }

  @Test("what is no secret is shown as it is")
  func plain() {
    for value in ["https://kms-1.example.net:7373", "key-1", "admin@example.net", "a=b"] {
      #expect(SettingDisplay.text(of: "MINIO_X", value) == value)
    }
  }

  @Test("a certificate of the agent's own that expires soon is told by status, check and metrics")
  func ownCertificate() throws {
    let until = Clock.realtimeMicroseconds() / 1_000_000 + 86_400
    func node(_ validUntil: Int64) -> Node {
      let principal = Principal(cluster: "prod", role: .node, name: "minio-1")
      return Node(
        certificate: OwnCertificate(
          principal: principal, validFrom: validUntil - 90 * 86_400, validUntil: validUntil))
    }
    func rules(_ node: Node) -> [[String]] {
      [node.agent.status().findings, node.agent.check().findings].map { $0.map(\.rule) }
    }
    let soon = node(until)
    #expect(rules(soon).allSatisfy { $0.contains("own-certificate") }, "\(rules(soon))")
    let metrics = String(decoding: soon.agent.metrics().body, as: UTF8.self)
    let expiry = "keyturn_certificate_expiry_timestamp_seconds{of=\"agent\"} \(until)"
    #expect(metrics.contains("\n\(expiry)\n"))
    #expect(rules(node(until + 40 * 86_400)).allSatisfy { !$0.contains("own-certificate") })
  }
}
