// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

@Suite("Drift", .timeLimit(.minutes(2)))
struct DriftTests {
  private static let path = "/etc/default/minio"

  /// A node whose start with a key was confirmed, watched.
  private func confirmed(watch: Bool = true) throws -> Node {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    if watch { try node.agent.drift.watch() }
    return node
  }

  private func status(_ node: Node) throws -> NodeStatus {
    try JSON.decode(NodeStatus.self, from: node.send("GET", "/v1/status").body)
  }

  private func kinds(_ node: Node) throws -> [DriftKind] {
    try status(node).drift.items?.map(\.kind) ?? []
  }

  private func edit(_ node: Node, _ change: (String) -> String) {
    node.host.state.update { state in
      state.file = Array(change(String(decoding: state.file ?? [], as: UTF8.self)).utf8)
      state.stirs += 1
    }
  }

  /// The kinds of the messages that were sent, as soon as there are so many.
  private func told(_ node: Node, _ count: Int) throws -> [String] {
    let events = try #require(
      node.host.state.wait(until: .inMilliseconds(20_000)) { state in
        state.events.count >= count ? state.events : nil
      })
    return events.map { event in
      (event.priority == .information ? "-" : "")
        + (event.fields.first { $0.name == "KEYTURN_KIND" }?.value ?? "")
    }
  }

  @Test("after an own rollout there is no drift, and nothing is told")
  func none() throws {
    let node = try confirmed()
    #expect(try kinds(node).isEmpty)
    #expect(try status(node).drift.isEmpty)
    #expect(node.host.state.withLock { $0.events.isEmpty })
    let watched = node.host.state.wait(until: .inMilliseconds(20_000)) {
      $0.watched.isEmpty ? nil : $0.watched
    }
    #expect(watched == [Self.path, "/usr/local/bin/minio"])
  }

  @Test("a hand edit is told once, with its id and without a value, and its end once")
  func edited() throws {
    let node = try confirmed()
    edit(node) { $0 + "# a remark, k1:secret\n" }
    #expect(try told(node, 1) == ["edited"])
    node.agent.site.ports.watch.wake()
    #expect(try kinds(node) == [.edited])
    let event = try #require(node.host.state.withLock { $0.events.first })
    #expect(event.id == DriftKind.edited.messageID && event.priority == .warning)
    #expect(event.fields.contains { $0.name == "KEYTURN_FILE" && $0.value == Self.path })
    #expect(!event.message.contains("k1:"))
    edit(node) { $0.replacing("# a remark, k1:secret\n", with: "") }
    #expect(try told(node, 2) == ["edited", "-edited"])
    #expect(try status(node).drift.isEmpty)
  }

  @Test("another edit of an edited file is told again")
  func again() throws {
    let node = try confirmed()
    edit(node) { $0 + "# one\n" }
    #expect(try told(node, 1) == ["edited"])
    edit(node) { $0 + "# two\n" }
    #expect(try told(node, 2) == ["edited", "edited"])
  }

  @Test("an agent that is restarted measures with what was confirmed, and tells nothing twice")
  func restarted() throws {
    let node = try confirmed()
    edit(node) { $0 + "# one\n" }
    #expect(try told(node, 1) == ["edited"])
    _ = node.host.state.wait(until: .inMilliseconds(20_000)) { $0.records["drift"] }
    let next = Node(node.host)
    try next.agent.drift.watch()
    edit(next) { $0 + "# two\n" }
    // Both agents of this test are told of the second edit; none tells of the first.
    #expect(try told(next, 3) == ["edited", "edited", "edited"])
  }

  @Test("another SSE key in the file: the start guard is asked, and status is an error")
  func key() throws {
    let node = try confirmed()
    edit(node) { $0.replacing("key-1", with: "key-2") }
    #expect(Set(try told(node, 3)) == ["edited", "process", "key"])
    let status = try status(node)
    let finding = try #require(status.findings.first { $0.rule == "start-guard" })
    #expect(finding.severity == .error && finding.message.contains("\"key-2\""))
    #expect(status.drift.processDiffers == ["MINIO_KMS_SSE_KEY"] && status.drift.fileChanged)
    #expect(status.drift.items?.first?.kind == .key)
  }

  @Test("a variable that the server's own file overrides makes no difference to a start, others do")
  func overridden() throws {
    let config = "/etc/minio/config.env"
    let host = FakeNodeHost(
      file: plainFile + "MINIO_BROWSER=on\nMINIO_SITE_NAME=a\nMINIO_CONFIG_ENV_FILE=\(config)\n")
    host.state.update { $0[config] = "MINIO_BROWSER=off\n" }
    let node = Node(host)
    #expect(try node.apply(enabling)?.kind == .confirmed)
    edit(node) { $0.replacing("MINIO_BROWSER=on", with: "MINIO_BROWSER=redirect") }
    #expect(try status(node).drift.processDiffers == [])
    #expect(try kinds(node) == [.otherFile])
    #expect(try node.plan([]).restartReason == "")
    edit(node) { $0.replacing("MINIO_SITE_NAME=a", with: "MINIO_SITE_NAME=b") }
    #expect(try status(node).drift.processDiffers == ["MINIO_SITE_NAME"])
    #expect(try node.plan([]).restartReason.hasSuffix(" of MINIO_SITE_NAME"))
    edit(node) { $0.replacing("MINIO_CONFIG_ENV_FILE", with: "# MINIO_CONFIG_ENV_FILE") }
    let differing = try status(node).drift.processDiffers
    #expect(["MINIO_BROWSER", "MINIO_KMS_SSE_KEY"].allSatisfy(differing.contains))
  }

  @Test("the same content in another file is a note, another mode or owner a warning")
  func marks() throws {
    let node = try confirmed(watch: false)
    node.host.state.update {
      $0.marks[Self.path] = FileMark(
        digest: nil, mode: 0o640, userID: 0, groupID: 7300, inode: 2)
    }
    #expect(try kinds(node) == [.replaced])
    #expect(try status(node).drift.isEmpty)
    node.host.state.update {
      $0.marks[Self.path] = FileMark(
        digest: nil, mode: 0o644, userID: 0, groupID: 7300, inode: 1)
    }
    let drift = try status(node).drift
    #expect(drift.items?.map(\.kind) == [.attributes] && !drift.isEmpty)
    #expect(drift.items?.first?.message.contains("mode 0640 of 0:7300, and has 0644") == true)
  }

  @Test("a file that is gone is drift")
  func gone() throws {
    let node = try confirmed(watch: false)
    node.host.state.update { $0.file = nil }
    #expect(try kinds(node).contains(.edited))
    #expect(try kinds(node).contains(.key))
  }

  @Test("the unit: another environment is a warning, another drop-in a note")
  func unit() throws {
    let node = try confirmed(watch: false)
    node.host.state.update { $0.unit.dropIns = ["/etc/systemd/system/minio.service.d/x.conf"] }
    #expect(try kinds(node) == [.unit])
    #expect(try status(node).drift.isEmpty)
    node.host.state.update { $0.unit.environment = ["GOGC=50"] }
    #expect(try !status(node).drift.isEmpty)
  }

  @Test("a change of the unit wakes the watch")
  func unitWakes() throws {
    let node = try confirmed()
    node.host.state.update { $0.unit.environment = ["MINIO_BROWSER=off"] }
    #expect(Set(try told(node, 2)) == ["unit", "process"])
  }

  @Test("a server that is between fork and exec is not compared")
  func starting() throws {
    let node = try confirmed(watch: false)
    node.host.state.update { state in
      state.unit.activeState = "activating"
      state.process = []
    }
    #expect(try kinds(node).isEmpty)
    let invocation = node.host.state.withLock { $0.unit.invocationID }
    node.host.state.update { state in
      state.process = [.init(name: "INVOCATION_ID", value: invocation)]
    }
    #expect(try kinds(node) == [.runningKey, .process])
  }

  @Test("a start that the start guard refused, and a unit without it, are in the findings")
  func startGuard() throws {
    let node = try confirmed(watch: false)
    #expect(try !status(node).findings.contains { $0.rule.hasPrefix("start-guard") })
    node.host.state.update { state in
      state.unit.activeState = "failed"
      state.unit.startPre = [
        .init(
          words: ["/usr/local/bin/keyturn", "guard"], flags: ["privileged"], exitCode: 1,
          exitStatus: 12)
      ]
    }
    #expect(
      try status(node).findings.contains { $0.rule == "start-guard" && $0.severity == .error })
    node.host.state.update { $0.unit.startPre = [] }
    #expect(
      try status(node).findings.contains {
        $0.rule == "start-guard-missing" && $0.severity == .error
      })
  }

  @Test("metrics count drift by kind, and hold no name or value of a setting")
  func metrics() throws {
    let node = try confirmed()
    edit(node) { $0 + "# one\n" }
    #expect(try told(node, 1) == ["edited"])
    let observer = Principal(cluster: "prod", role: .observer, name: "prometheus")
    let response = node.send("GET", "/metrics", as: observer)
    #expect(response.status == 200)
    #expect(response.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
    let lines = String(decoding: response.body, as: UTF8.self).split(separator: "\n")
    for line in [
      "keyturn_drift{kind=\"edited\"} 1", "keyturn_drift{kind=\"key\"} 0",
      "keyturn_drift_total{kind=\"edited\"} 1", "keyturn_sealed 1", "keyturn_generation 1",
      "keyturn_build_info{version=\"test\"} 1", "keyturn_drift_watching 1",
    ] {
      #expect(lines.contains { $0 == line }, "\(line)")
    }
    #expect(!lines.contains { $0.contains("key-1") || $0.contains("store") })
    let node2 = Principal(cluster: "prod", role: .node, name: "minio-2")
    #expect(node.send("GET", "/metrics", as: node2).status == 403)
  }

  @Test("a damaged record of what was confirmed stops nothing")
  func damaged() throws {
    let node = try confirmed(watch: false)
    node.host.state.update { $0.records["confirmed"] = Array("{".utf8) }
    let next = Node(node.host)
    #expect(next.host.state.withLock { $0.lines.contains { $0.contains("\"confirmed\"") } })
    #expect(try status(next).drift.isEmpty)
    edit(next) { $0 + "# one\n" }
    #expect(try kinds(next) == [.edited])
    #expect(try next.plan([]).refusal == nil)
  }
}
