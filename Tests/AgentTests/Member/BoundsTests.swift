// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import Testing
import Threads

private let id = "00000000000000aa"

@Suite("Agent: numbers from outside are bounded", .timeLimit(.minutes(2)))
struct BoundsTests {
  private static let member = Principal(cluster: "prod", role: .node, name: "minio-2")

  /// What a proposer asks, as JSON: no encoder of ours writes such numbers.
  private static func body(_ step: String, epoch: String, instant: String? = nil) -> [UInt8] {
    let rest =
      switch step {
      case "promise": #""ballot":{"round":1,"proposer":"minio-2"}"#
      case "accept":
        #""proposal":{"ballot":{"round":0,"proposer":""},"decision":"abort","bootID":""}"#
      default:
        #""decision":"\#(instant == nil ? "abort" : "commit")","bootID":"boot-1","reason":"""#
          + (instant.map { #","instant":\#($0)"# } ?? "")
      }
    return Array("{\"epoch\":\(epoch),\(rest)}".utf8)
  }

  private static var highestEpochNow: UInt64 {
    UInt64(Clock.realtimeMicroseconds() / 1_000_000) + 600
  }

  @Test(
    "an epoch beyond reason is refused and not remembered, whoever sends it; then all goes on",
    arguments: ["promise", "accept", "decision"], ["member", "operator"])
  func epochs(step: String, sender: String) throws {
    if step == "promise", sender == "operator" { return }
    let cluster = Cluster([plainFile, plainFile, plainFile])
    for epoch in ["18446744073709551615", "4294967297", "\(Self.highestEpochNow + 60)"] {
      let response = cluster[0].send(
        "POST", "/v1/rollouts/ffffffffffffffff/\(step)", Self.body(step, epoch: epoch),
        as: sender == "member" ? Self.member : alice)
      #expect(response.status == 400, "\(epoch)")
      #expect(String(decoding: response.body, as: UTF8.self).contains("epoch"))
    }
    #expect(cluster[0].agent.status().epoch == 0)
    #expect(try cluster.apply(enabling).outcomes == [.confirmed, .confirmed, .confirmed])
  }

  @Test("the highest epoch that may be told holds nothing up: the next rollout comes after it")
  func highestEpoch() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    let body = Self.body("promise", epoch: "\(Self.highestEpochNow)")
    for _ in 0..<3 {
      #expect(
        cluster[0].send("POST", "/v1/rollouts/ffffffffffffffff/promise", body, as: Self.member)
          .status == 200)
    }
    Clock.sleep(until: .inMilliseconds(1_000))
    #expect(try cluster.apply(enabling).outcomes == [.confirmed, .confirmed, .confirmed])
  }

  @Test("a vote on a rollout of an absurd epoch is a no by name, and not remembered")
  func voteEpoch() throws {
    let node = Node()
    var rollout = try node.rollout(enabling)
    rollout.epoch = Self.highestEpochNow + 60
    #expect(try node.prepare(rollout, enabling).refusal?.message.contains("epoch") == true)
    #expect(node.agent.status().epoch == 0)
    #expect(try node.apply(enabling)?.kind == .confirmed)
  }

  @Test("a commit at an instant that cannot be is refused before anything is written down")
  func instants() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    let before = node.host.state.withLock { $0.records["rollout"] }
    let now = Clock.now().nanoseconds
    let year = now + 365 * 86_400 * 1_000_000_000
    let (early, late) = (now - 3_601 * 1_000_000_000, now + 605 * 1_000_000_000)
    for instant in [
      "\(year)", "\(early)", "\(late)", "9223372036854775807", "-9223372036854775808",
    ] {
      let response = node.send(
        "POST", "/v1/rollouts/\(id)/decision",
        Self.body("decision", epoch: "\(rollout.epoch)", instant: instant))
      #expect(response.status == 400, "\(instant)")
      #expect(node.host.state.withLock { $0.records["rollout"] } == before, "\(instant)")
    }
    #expect(try node.decide(rollout, .commit).reply == .committed)
    #expect(try node.outcome(rollout)?.kind == .confirmed)
  }

  @Test("a vote waits at most as long as a long poll, whatever is asked")
  func voteWait() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    let request = PrepareRequest(
      rollout: rollout,
      request: RolloutRequest(kind: rollout.kind, changes: enabling, undoes: rollout.undoes),
      seals: node.seals.withLock { $0 })
    for wait in ["9223372036854775807", "9223372036854"] {
      let response = node.send(
        "POST", "/v1/rollouts", JSON.encode(request), query: [(name: "wait", value: wait)])
      #expect(response.status == 200, "\(wait)")
    }
  }

  @Test("a generation far above the own is a no, and the last one that may be is taken")
  func generations() throws {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    let change = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]
    for number in [99_999_999, 1_002] {
      let rollout = try node.rollout(change, id: "00000000000000bb", number: number)
      let refusal = try node.prepare(rollout, change).refusal
      #expect(refusal?.code == .vote && refusal?.message.contains("generation \(number)") == true)
    }
    #expect(try node.apply(change, id: "00000000000000bb", number: 1_001)?.kind == .confirmed)
  }
}

/// A record that an earlier version has written, with these in place of its numbers.
private func poisoned(
  _ node: Node, _ rollout: Rollout, epoch: String = "1", instant: String = "1"
) {
  func text(_ value: some Encodable) -> String { JSON.line(value) }
  let facts = PreparedFacts(invocation: "old", journalCursor: nil, staged: false)
  let active =
    #"{"facts":\#(text(facts)),"promised":\#(text(Ballot.coordinator)),"rollout":\#(text(rollout)),"#
    + #""stage":{"committed":{"bootID":"boot-1","instant":\#(instant)}}}"#
  node.host.state.update {
    $0.records["rollout"] = Array(#"{"active":\#(active),"highestEpoch":\#(epoch)}"#.utf8)
  }
}

@Suite("Agent: records with numbers that cannot be", .timeLimit(.minutes(2)))
struct PoisonedRecordTests {
  @Test(
    "it is refused by name when the agent starts, which goes on and votes on nothing",
    arguments: [
      ("18446744073709551615", "1"), ("1", "9223372036854775807"), ("1", "-9223372036854775808"),
    ])
  func refused(epoch: String, instant: String) throws {
    let before = Node()
    poisoned(before, try before.rollout(enabling), epoch: epoch, instant: instant)
    let node = Node(before.host)
    let finding = node.agent.status().findings.first { $0.rule == "damaged-record" }
    #expect(finding?.message.contains("record \"rollout\"") == true)
    #expect(finding?.message.contains("docs/use/trouble.md, \"A damaged record\"") == true)
    #expect(
      node.send(
        "POST", "/v1/plan",
        JSON.encode(
          PlanRequest(RolloutRequest(kind: .restart)))
      ).status >= 400)
  }

  @Test("the other records are read in spite of it")
  func others() throws {
    let before = Node()
    #expect(try before.apply(enabling)?.kind == .confirmed)
    poisoned(before, try before.rollout(enabling), epoch: "18446744073709551615")
    let status = Node(before.host).agent.status()
    #expect(status.seal != nil && status.generation?.number == 1)
  }

  @Test("a commit that was written down for next year is fired by resolve, at once")
  func unreachable() throws {
    let before = Node()
    let rollout = try before.rollout([], kind: .restart)
    let year = Clock.now().nanoseconds + 365 * 86_400 * 1_000_000_000
    poisoned(before, rollout, instant: "\(year)")
    let node = Node(before.host)
    let finding = node.agent.status().findings.first { $0.rule == "rollout-instant-unreachable" }
    #expect(finding?.message.contains("keyturn resolve \(id)") == true)
    #expect(node.host.state.withLock { $0.restarts } == 0)
    let response = node.send("POST", "/v1/rollouts/\(id)/resolve")
    #expect(response.status == 200)
    let end: Bool? = node.agent.rollouts.state.wait(until: .inMilliseconds(20_000)) {
      $0.participant.record.active == nil ? true : nil
    }
    #expect(end == true && node.host.state.withLock { $0.restarts } == 1)
  }
}
