// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import Foundation
import HTTP
import KeyManager
import Model
import Rollout
import ServerUnit
import Testing
import Threads

@Suite("The metrics", .timeLimit(.minutes(1))) struct MetricsTests {
  /// One family of Prometheus' text format, and its samples by their labels.
  private struct Family {
    var type = ""
    var samples: [String: String] = [:]
  }

  /// Reads the text as strictly as its format is described: HELP, TYPE, then the samples, each name once.
  private func read(_ node: Node) throws -> [String: Family] {
    let text = String(decoding: node.send("GET", "/metrics").body, as: UTF8.self)
    var families: [String: Family] = [:]
    var name = ""
    #expect(text.hasSuffix("\n"))
    for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
      let words = line.split(separator: " ", maxSplits: 3).map(String.init)
      if line.hasPrefix("# HELP ") {
        name = words[2]
        #expect(words.count == 4 && families[name] == nil, "\(line)")
        families[name] = Family()
      } else if line.hasPrefix("# TYPE ") {
        #expect(words[2] == name && ["gauge", "counter"].contains(words[3]), "\(line)")
        families[name]?.type = words[3]
      } else {
        let sample = try #require(
          line.wholeMatch(
            of:
              /([a-z_]+)(\{[a-zA-Z_]+="[^"\\]*"(?:,[a-zA-Z_]+="[^"\\]*")*\})? (-?[0-9]+(?:\.[0-9]{3})?)/
          ),
          "\(line)")
        #expect(sample.1 == name, "\(line)")
        let labels = String(sample.2 ?? "")
        #expect(families[name]?.samples[labels] == nil, "\(line)")
        families[name]?.samples[labels] = String(sample.3)
      }
    }
    for (name, family) in families {
      #expect((family.type == "counter") == name.hasSuffix("_total"), "\(name)")
    }
    return families
  }

  @Test("every metric is in the table of docs/development/api.md, with its type, and the reverse")
  func documented() throws {
    let node = Node(
      certificate: OwnCertificate(principal: alice, validFrom: 0, validUntil: 1_900_000_000))
    try node.agent.drift.watch()
    node.agent.links.look()
    var told: [String: String] = [:]
    // The first look at the server runs on a thread of its own.
    let deadline = Instant.inMilliseconds(20_000)
    while told["keyturn_server_up"] == nil, Clock.now() < deadline {
      told = try read(node).mapValues(\.type)
    }
    let page = try String(
      contentsOf: URL(filePath: #filePath)
        .appending(path: "../../../../docs/development/api.md").standardized, encoding: .utf8)
    let part = page.split(separator: "## GET /metrics\n")[1].split(separator: "\n## ")[0]
    let rows = part.matches(of: /\| `([a-z_]+)(?:\{[^`]*\})?` \| ([a-z]+) \|/)
    let table = Dictionary(rows.map { (String($0.1), String($0.2)) }, uniquingKeysWith: { $1 })
    for (name, type) in told { #expect(table[name] == type, "\(name)") }
    // Of key proofs there are none before the key is sealed.
    let others = table.keys.filter { told[$0] == nil && !$0.hasPrefix("keyturn_key_proof") }
    #expect(others == [])
  }

  @Test("the last rollout's outcome, duration and skew are told, and nothing of them before it")
  func lastRollout() throws {
    let node = Node()
    let before = try read(node)
    #expect(before["keyturn_last_rollout_outcome"]?.samples.values.allSatisfy { $0 == "0" } == true)
    #expect(before["keyturn_last_rollout_duration_seconds"]?.samples == [:])
    #expect(try node.apply(enabling)?.kind == .confirmed)
    let after = try read(node)
    let outcomes = after["keyturn_last_rollout_outcome"]?.samples
    #expect(outcomes?["{outcome=\"confirmed\"}"] == "1")
    #expect(outcomes?.values.count { $0 == "1" } == 1)
    for name in ["duration", "skew", "end_timestamp"] {
      let value = after["keyturn_last_rollout_\(name)_seconds"]?.samples[""].flatMap(Double.init)
      #expect(try #require(value) >= 0, "\(name)")
    }
  }

  @Test("a plan that comes to nothing and a bad request are counted by kind")
  func refusals() throws {
    let node = Node()
    func count(_ of: String, _ kind: String) throws -> String? {
      try read(node)["keyturn_refusals_total"]?.samples["{of=\"\(of)\",kind=\"\(kind)\"}"]
    }
    #expect(try count("request", "validation") == "0")
    #expect(node.send("POST", "/v1/plan").status == 400)
    #expect(try count("request", "validation") == "1")
    node.host.state.update { $0.unit.loadState = "masked" }
    let refusal = try #require(try node.plan(enabling).refusal)
    #expect(try count("plan", refusal.code.rawValue) == "1")
  }

  @Test("what a role may not ask is counted, although its head is enough to refuse it")
  func refusedHeads() throws {
    let node = Node()
    func count() throws -> String? {
      try read(node)["keyturn_refusals_total"]?.samples[
        "{of=\"request\",kind=\"notPermitted\"}"]
    }
    let observer = Principal(cluster: "prod", role: .observer, name: "eve")
    for times in 1...3 {
      #expect(throws: Refusal.self) {
        try node.agent.doorkeeper.bodyLimit(of: HTTPRequest("POST", "/v1/plan"), from: observer)
      }
      #expect(try count() == "\(times)")
    }
    #expect(
      (try? node.agent.doorkeeper.bodyLimit(of: HTTPRequest("GET", "/v1/status"), from: observer))
        != nil)
    #expect(try count() == "3")
  }

  @Test("what has drifted is told by kind and by how bad it is")
  func drift() throws {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    try node.agent.drift.watch()
    func samples() throws -> [String: String] {
      try read(node)["keyturn_drift_severity"]?.samples ?? [:]
    }
    let kinds = DriftKind.allCases.count * Severity.allCases.count
    #expect(try samples().count == kinds && samples().values.allSatisfy { $0 == "0" })
    node.host.state.update { state in
      state.file = (state.file ?? []) + Array("# a remark\n".utf8)
      state.stirs += 1
    }
    let deadline = Instant.inMilliseconds(20_000)
    while try samples().values.allSatisfy({ $0 == "0" }), Clock.now() < deadline {}
    let item = try #require(node.agent.drift.log.drift.items?.first)
    #expect(
      try samples().filter { $0.value != "0" } == [
        "{kind=\"edited\",severity=\"\(item.severity.rawValue)\"}": "1"
      ])
  }

  @Test("nodes with the same seal tell the same number of it, without one none")
  func seal() throws {
    let node = Node()
    #expect(try read(node)["keyturn_seal_fingerprint"]?.samples == [:])
    #expect(try node.apply(enabling)?.kind == .confirmed)
    let seal = try #require(node.agent.seals.seal)
    #expect(
      try read(node)["keyturn_seal_fingerprint"]?.samples[""]
        == Int(seal.digest.hex.prefix(12), radix: 16).map(String.init))
  }

  @Test("the phase of what is proposed is told, with its age, and the agent's own process")
  func proposalAndProcess() throws {
    let node = Node()
    let none = try read(node)
    #expect(none["keyturn_proposal_phase"]?.samples["{phase=\"none\"}"] == "1")
    #expect(none["keyturn_proposal_age_seconds"]?.samples == [:])
    #expect(none["process_cpu_seconds_total"]?.samples == ["": "1.234"])
    #expect(none["process_resident_memory_bytes"]?.samples == ["": "8388608"])
    #expect(none["process_open_fds"]?.samples == ["": "21"])
    #expect(none["process_start_time_seconds"]?.samples == ["": "1790000000.500"])
    try node.agent.proposals.take(.proposed(.sha256([1]), isInForce: false))
    let some = try read(node)
    #expect(some["keyturn_proposal_phase"]?.samples["{phase=\"none\"}"] == "0")
    #expect(some["keyturn_proposal_phase"]?.samples.values.count { $0 == "1" } == 1)
    #expect(some["keyturn_proposal_age_seconds"]?.samples[""] != nil)
  }

  @Test("the end of the CA is told beside the agent's, and the Key Managers' where they were seen")
  func certificates() throws {
    let own = OwnCertificate(
      principal: alice, validFrom: 0, validUntil: 1_900_000_000, authorityUntil: 2_000_000_000)
    let node = Node(certificate: own)
    #expect(
      try read(node)["keyturn_certificate_expiry_timestamp_seconds"]?.samples == [
        "{of=\"agent\"}": "1900000000", "{of=\"ca\"}": "2000000000",
      ])
    let asked = node.agent.answer(
      HTTPRequest("GET", "/metrics"), from: alice, certificateUntil: 1_800_000_000)
    #expect(
      String(decoding: asked.body, as: UTF8.self).contains(
        "keyturn_certificate_expiry_timestamp_seconds{of=\"caller\"} 1800000000\n"))
    func report(_ until: Int64) -> EndpointReport {
      EndpointReport(
        endpoint: "https://kms-1:7373", address: "192.0.2.1", stages: [],
        addresses: [
          AddressReport(
            address: "192.0.2.1", stages: [],
            link: SecuredLink(
              protocolVersion: "TLSv1.3", serverKey: "EC P-256", notAfter: until, daysLeft: 1))
        ])
    }
    let record = LinkRecord(
      at: Clock.now(), reports: [report(1_850_000_000), report(1_840_000_000)], directions: [],
      errors: [])
    #expect(record.certificates.map(\.of) == ["keyManager"])
    #expect(record.certificates.map(\.until) == [1_840_000_000])
  }
}
