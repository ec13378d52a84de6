// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import Testing
import Threads

@Suite("Agent: who may do what")
struct AgentAuthorisationTests {
  private static let observer = Principal(cluster: "prod", role: .observer, name: "eve")
  private static let node = Principal(cluster: "prod", role: .node, name: "minio-2")
  private static let witness = Principal(cluster: "prod", role: .witness, name: "kms-1")
  private static let stranger = Principal(cluster: "other", role: .operator, name: "alice")

  @Test("whoever is not an operator of this cluster can change nothing")
  func changes() {
    let paths = [
      "/v1/plan", "/v1/seal/recover", "/v1/rollouts", "/v1/rollouts/00000000000000aa/promise",
      "/v1/rollouts/00000000000000aa/accept", "/v1/rollouts/00000000000000aa/decision",
      "/v1/rollouts/00000000000000aa/resolve",
    ]
    // A node that is not in this one's inventory.
    for principal in [Self.observer, Self.node, Self.witness, Self.stranger] {
      for path in paths {
        // It may be in doubt of a rollout: it is answered, and moves nothing that it is no member of.
        let isAnswered =
          principal == Self.node && path.contains("00aa/") && !path.hasSuffix("resolve")
        #expect(
          Node().send("POST", path, as: principal).status == (isAnswered ? 400 : 403),
          "\(principal.uri) \(path)")
      }
    }
  }

  @Test("a node may take part in the decision, an operator not in a promise")
  func members() {
    let cluster = Cluster([plainFile, plainFile])
    for step in ["promise", "accept", "decision"] {
      let path = "/v1/rollouts/00000000000000aa/\(step)"
      #expect(cluster[0].send("POST", path, as: Self.node).status == 400, "\(step)")
      #expect(cluster[0].send("POST", path).status == (step == "promise" ? 403 : 400), "\(step)")
    }
  }

  @Test("an observer may look; a witness and a stranger may not")
  func looks() throws {
    let node = Node()
    try node.apply(enabling)
    for path in [
      "/v1/status", "/v1/logs", "/v1/generations", "/v1/generations/0/diff", "/v1/seal",
    ] {
      #expect(node.send("GET", path, as: Self.observer).status == 200)
      #expect(node.send("GET", path, as: Self.witness).status == 403)
      #expect(node.send("GET", path, as: Self.stranger).status == 403)
    }
  }

  @Test("another node may see the seal, if it is one of the inventory")
  func seal() {
    let cluster = Cluster([plainFile, plainFile])
    #expect(cluster[0].send("GET", "/v1/seal", as: Self.node).status == 200)
    #expect(Node().send("GET", "/v1/seal", as: Self.node).status == 403)
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
    let query = [(name: "name", value: "MINIO_X")]
    #expect(node.send("GET", "/v1/explain", as: Self.observer, query: query).status == 200)
    #expect(node.send("GET", "/v1/explain", as: Self.node, query: query).status == 403)
    #expect(
      node.send("GET", "/v1/logs", query: [(name: "limit", value: "-1")]).status == 400)
    let change = SettingChange(name: "PATH", value: Secret("/tmp"))
    let request = PlanRequest(RolloutRequest(kind: .apply, changes: [change]))
    #expect(node.send("POST", "/v1/plan", JSON.encode(request)).status == 400)
  }

  @Test("as many settings as the limit allows are taken, one more is not")
  func limit() {
    let node = Node()
    for (count, status) in [(Limits.settingsInChange, 200), (Limits.settingsInChange + 1, 400)] {
      let changes = (0..<count).map {
        SettingChange(name: "MINIO_X\($0)", value: Secret("v"))
      }
      let request = PlanRequest(RolloutRequest(kind: .apply, changes: changes))
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

  @Test("only errors, each with what it means; what the journal has lost; where to begin")
  func errors() throws {
    let node = Node()
    let fatal = "FATAL Unable to start the server: something new"
    node.host.state.update { state in
      state.startLines = [
        "INFO: fine", "Error: Server startup failed with 'io.EOF', some features may be missing",
        fatal,
      ]
      state.isJournalLossy = true
    }
    let response = node.send(
      "GET", "/v1/logs", query: [(name: "errors", value: "true"), (name: "last", value: "7")])
    let answer = try JSON.decode(LogsAnswer.self, from: response.body)
    #expect(answer.lines.map { $0.error?.kind } == [.known(.broken), .known(.fatal)])
    #expect(answer.lines.first?.error?.remedy != nil && answer.lines.last?.message == fatal)
    #expect(answer.lossy == true && answer.realtimeMicroseconds != nil && answer.cursor == "c")
    for query in [
      [(name: "after", value: "x"), (name: "since", value: "5")], [(name: "since", value: "5")],
      [(name: "last", value: "200000")], [(name: "limit", value: "3")],
    ] { #expect(node.send("GET", "/v1/logs", query: query).status == 200) }
    #expect(
      node.host.state.withLock { $0.journalRequests.map(\.start) } == [
        .last(7), .after(cursor: "x"), .since(5), .last(Limits.journalLinesBack),
        .last(3),
      ])
  }
}
