// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// POST /v1/rollouts/ID/break-off, and who is told what a rollout was for.
@Suite("Agent: broken off") struct BreakOffTests {
  private static let settings = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]

  private static func breakOff(_ node: Node, _ id: String, as principal: Principal = alice)
    -> HTTPResponse
  {
    node.send(
      "POST", "/v1/rollouts/\(id)/break-off", JSON.encode(BreakOff(reason: "minio-2 failed")),
      as: principal)
  }

  /// A node whose start must stay good for a minute.
  private static func settling() throws -> (node: Node, rollout: Rollout) {
    let node = Node()
    let rollout = try node.rollout(settings, settleMilliseconds: 60_000)
    #expect(try node.prepare(rollout, settings).refusal == nil)
    return (node, rollout)
  }

  @Test("the watch ends at once, and says what for; also where it was told before the restart")
  func ends() throws {
    for isEarly in [false, true] {
      let (node, rollout) = try Self.settling()
      #expect(
        try !JSON.decode(BreakOffAnswer.self, from: Self.breakOff(node, rollout.id).body)
          .isBrokenOff)
      _ = try node.decide(rollout, .commit)
      if !isEarly {
        var after = 0
        while true {
          let view = try JSON.decode(
            RolloutView.self,
            from: node.send(
              "GET", "/v1/rollouts/\(rollout.id)",
              query: [(name: "after", value: "\(after)"), (name: "wait", value: "5000")]
            ).body)
          after = view.events.last?.sequence ?? after
          if view.events.contains(where: { $0.phase == .known(.settling) }) { break }
        }
      }
      let began = Clock.now()
      let answer = try JSON.decode(BreakOffAnswer.self, from: Self.breakOff(node, rollout.id).body)
      #expect(answer.isBrokenOff)
      let outcome = try #require(try node.outcome(rollout))
      #expect(Clock.now().milliseconds(since: began) < 20_000)
      #expect(outcome.kind == .failed && outcome.isBrokenOff)
      #expect(outcome.reason.contains("minio-2 failed"), "\(outcome.reason)")
      let view = try JSON.decode(
        RolloutView.self, from: node.send("GET", "/v1/rollouts/\(rollout.id)").body)
      #expect(view.events.last?.phase == .known(.brokenOff))
    }
  }

  @Test("a member breaks it off too where a failed start of its own brings the previous files back")
  func byMember() throws {
    let member = Principal(cluster: "prod", role: .node, name: "minio-1")
    let stranger = Principal(cluster: "prod", role: .node, name: "minio-9")
    for policy in [RollbackPolicy.whenSafe, .never] {
      let node = Node()
      var rollout = try node.rollout(Self.settings, settleMilliseconds: 60_000)
      rollout.rollback = policy
      #expect(try node.prepare(rollout, Self.settings).refusal == nil)
      _ = try node.decide(rollout, .commit)
      #expect(Self.breakOff(node, rollout.id, as: stranger).status == 403)
      let status = Self.breakOff(node, rollout.id, as: member).status
      #expect(status == (policy == .whenSafe ? 200 : 403))
      if policy == .never { _ = Self.breakOff(node, rollout.id) }
      #expect(try node.outcome(rollout)?.isBrokenOff == true)
    }
  }

  @Test("only who created the rollout breaks it off; of another rollout there is nothing to")
  func permitted() throws {
    let (node, rollout) = try Self.settling()
    _ = try node.decide(rollout, .commit)
    for principal in [
      Principal(cluster: "prod", role: .operator, name: "bob"),
      Principal(cluster: "prod", role: .node, name: "minio-1"),
      Principal(cluster: "prod", role: .observer, name: "eve"),
    ] {
      #expect(Self.breakOff(node, rollout.id, as: principal).status == 403)
    }
    let other = Self.breakOff(node, "00000000000000cc")
    #expect(try !JSON.decode(BreakOffAnswer.self, from: other.body).isBrokenOff)
    _ = Self.breakOff(node, rollout.id)
    #expect(try node.outcome(rollout)?.isBrokenOff == true)
  }

  @Test("list, history and journal say what it was for, and who began it")
  func note() throws {
    let node = Node()
    var rollout = try node.rollout(Self.settings)
    rollout.occasion = RolloutOccasion(note: "CHG-123", isRotation: true)
    #expect(try node.prepare(rollout, Self.settings).refusal == nil)
    _ = try node.decide(rollout, .commit)
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    let list = try JSON.decode(RolloutsAnswer.self, from: node.send("GET", "/v1/rollouts").body)
    #expect(list.rollouts.first?.rollout.note == "CHG-123")
    #expect(list.rollouts.first?.rollout.kindText == "rotate api-key")
    #expect(try node.history().current?.generation?.occasion == rollout.occasion)
    let event = try #require(
      node.host.state.wait(until: .inMilliseconds(5_000)) { state in
        state.ends.last
      })
    let fields = Dictionary(
      event.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { a, _ in a })
    #expect(
      fields == [
        "KEYTURN_ROLLOUT": rollout.id, "KEYTURN_KIND": "rotate api-key", "KEYTURN_BY": "alice",
        "KEYTURN_OUTCOME": "confirmed", "KEYTURN_NOTE": "CHG-123",
      ])
    #expect(
      event.message.hasPrefix(
        "rollout \(rollout.id), rotate api-key by alice (CHG-123): confirmed, healthy"))
  }

  @Test("a note that no list can show is a no")
  func badNote() throws {
    let node = Node()
    for occasion in [
      RolloutOccasion(note: "a\nb"), RolloutOccasion(note: String(repeating: "n", count: 201)),
    ] {
      var rollout = try node.rollout(Self.settings)
      rollout.occasion = occasion
      let refusal = try #require(try node.prepare(rollout, Self.settings).refusal)
      #expect(refusal.code == .vote && refusal.message.contains("note"), "\(refusal.message)")
    }
  }
}
