// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Testing
import Threads

struct TimelineTests {
  private func rollout(_ number: Int = 1) -> Rollout {
    let hex = String(number, radix: 16)
    return Rollout(
      id: String(repeating: "0", count: 16 - hex.count) + hex, epoch: UInt64(number), kind: .apply,
      cluster: "prod", generation: 1, seal: nil, contents: [], createdBy: "alice",
      prepareMilliseconds: 1, stopMilliseconds: 1, startMilliseconds: 1)
  }

  private func time(_ milliseconds: Int64, boot: String = "boot-1") -> Timeline.Time {
    Timeline.Time(
      realtimeMicroseconds: 1_000_000_000 + milliseconds * 1_000,
      instant: Instant(nanoseconds: milliseconds * 1_000_000), bootID: boot)
  }

  private func kept(_ host: FakeNodeHost) -> [String] {
    host.state.withLock { $0.records.keys.filter { $0.hasPrefix("timelines/") }.sorted() }
  }

  /// Waits for what is written by threads of its own.
  private func waitForKept(_ host: FakeNodeHost, _ text: String) {
    let found = host.state.wait(until: .inMilliseconds(10_000)) { state in
      state.records.contains {
        $0.key.hasPrefix("timelines/") && String(decoding: $0.value, as: UTF8.self).contains(text)
      } ? true : nil
    }
    #expect(found == true, "no timeline says \(text)")
  }

  @Test("a stop after the start is the new process's end, and not noted as the old one's")
  func lateStop() {
    func instant(_ milliseconds: Int64) -> Instant { time(milliseconds).instant }
    var timeline = Timeline(rollout(), at: time(0))
    timeline.note(
      RestartReport(
        planned: instant(1), issued: instant(2), previousInvocation: "", started: instant(50)))
    timeline.note(
      RestartReport(
        planned: instant(1), issued: instant(2), previousInvocation: "", stopping: instant(70),
        stopped: instant(71)))
    #expect(timeline.report?.started == instant(50))
    #expect(timeline.report?.stopping == nil && timeline.report?.stopped == nil)
    var other = Timeline(rollout(), at: time(0))
    other.note(
      RestartReport(
        planned: instant(1), issued: instant(2), previousInvocation: "i", stopping: instant(3),
        stopped: instant(9), started: instant(50)))
    #expect(other.report?.stopping == instant(3) && other.report?.stopped == instant(9))
  }

  @Test("of many steps the first and the last are kept, numbered on; long details are cut")
  func bounded() {
    var timeline = Timeline(rollout(), at: time(0))
    for number in 1...Limits.rolloutEvents + 10 {
      timeline.append(.starting, "\(number)", at: time(Int64(number)))
    }
    let events = timeline.events
    #expect(events.count == Limits.rolloutEvents)
    #expect(events[Limits.firstRolloutEvents - 1].sequence == Limits.firstRolloutEvents)
    #expect(events[Limits.firstRolloutEvents].sequence == Limits.firstRolloutEvents + 11)
    #expect(events.last?.sequence == Limits.rolloutEvents + 10)
    for (count, expected) in [
      (Limits.rolloutDetailBytes, Limits.rolloutDetailBytes),
      (Limits.rolloutDetailBytes + 1, Limits.rolloutDetailBytes),
    ] {
      timeline.append(.failed, String(repeating: "x", count: count), at: time(9_999))
      #expect(timeline.events.last?.detail.utf8.count == expected)
    }
    timeline.append(.failed, String(repeating: "\u{1F600}", count: 600), at: time(9_999))
    #expect(timeline.events.last?.detail.hasSuffix("\u{1F600}...") == true)
  }

  @Test("what a rollout changes is kept with it, so many lines, and told with all steps only")
  func changes() throws {
    var timeline = Timeline(rollout(), at: time(0))
    for (count, kept) in [
      (Limits.rolloutChangeLines, Limits.rolloutChangeLines),
      (Limits.rolloutChangeLines + 1, Limits.rolloutChangeLines + 1),
      (Limits.rolloutChangeLines + 7, Limits.rolloutChangeLines + 1),
    ] {
      timeline.note(changes: (0..<count).map { "+MINIO_X\($0)=on" })
      #expect(timeline.changes?.count == kept)
    }
    #expect(timeline.changes?.last == "and 7 more lines")
    for count in [Limits.rolloutChangeBytes, Limits.rolloutChangeBytes + 1] {
      timeline.note(changes: [String(repeating: "x", count: count)])
      #expect(timeline.changes?.first?.utf8.count == Limits.rolloutChangeBytes)
    }
    let node = Node()
    let rollout = try node.rollout(enabling)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    _ = try node.decide(rollout, .abort)
    func view(after: Int) throws -> RolloutView {
      try JSON.decode(
        RolloutView.self,
        from: node.send(
          "GET", "/v1/rollouts/\(rollout.id)", query: [(name: "after", value: "\(after)")]
        ).body)
    }
    let changes = try #require(try view(after: 0).changes)
    #expect(changes.contains { $0.hasPrefix("+MINIO_KMS_API_KEY=h1:") }, "\(changes)")
    #expect(!changes.contains { $0.contains("k1:") })
    #expect(try view(after: 1).changes == nil)
  }

  @Test("steps of another boot have no instant, and an instant of another boot, or past, is none")
  func boots() {
    var timeline = Timeline(rollout(), at: time(0))
    timeline.append(.prepared, "", at: time(5))
    timeline.arm(Instant(nanoseconds: 4_000_000), bootID: "boot-1", at: time(5))
    #expect(timeline.view(after: 0).instant == nil)
    timeline.arm(Instant(nanoseconds: 9_000_000), bootID: "boot-2", at: time(5))
    #expect(timeline.view(after: 0).instant == nil)
    timeline.arm(Instant(nanoseconds: 9_000_000), bootID: "boot-1", at: time(5))
    timeline.append(.restarting, "", at: time(3, boot: "boot-2"))
    let view = timeline.view(after: 0)
    #expect(view.instant == Instant(nanoseconds: 9_000_000) && view.bootID == "boot-1")
    #expect(view.events.map { $0.instant?.nanoseconds } == [5_000_000, nil])
  }

  @Test("what looks like a secret is in no step, whoever wrote it there")
  func redacted() {
    var timeline = Timeline(rollout(), at: time(0))
    timeline.append(.waiting, "the server printed \(apiKey)", at: time(1))
    let secret = "MINIO_ROOT_PASSWORD=hunter2hunter2"
    timeline.end(
      Outcome(
        .failed,
        StartFailure(
          kind: .fatalLine, phase: .starting, reason: secret, cause: apiKey, remedy: secret)),
      at: time(2))
    let text = String(decoding: JSON.encode(timeline.view(after: 0)), as: UTF8.self)
    #expect(!text.contains(apiKey) && !text.contains("hunter2"))
    #expect(text.contains("<redacted>"))
  }

  @Test("the last rollouts are kept, the newest first; a damaged one is told and hides no other")
  func store() throws {
    let host = FakeNodeHost(file: plainFile)
    let timelines = TimelineRecords(port: host.ports().records)
    for number in 1...Limits.timelines + 3 {
      var timeline = Timeline(rollout(number), at: time(0))
      timeline.append(.preparing, "", at: time(0))
      try timelines.save { timeline }
    }
    #expect(kept(host).count == Limits.timelines)
    #expect(try timelines.load("0000000000000003") == nil)
    #expect(try timelines.load("0000000000000004")?.rollout.epoch == 4)
    #expect(try timelines.load("/0000000000000004") == nil)
    host.state.update { $0.records["timelines/00000000000000000005-0000000000000005"] = [] }
    var problems: [String] = []
    let all = try timelines.all { problems.append($0) }
    #expect(all.map(\.rollout.epoch) == (4...23).reversed().filter { $0 != 5 })
    #expect(problems.count == 1)
  }

  @Test("a rollout's steps can be had after the next one, and after the agent's restart")
  func afterwards() throws {
    let node = Node()
    let first = try node.rollout(enabling)
    try node.carryThrough(first)
    waitForKept(node.host, #""phase":"confirmed""#)
    let again = Node(node.host)
    let view = try again.view(first.id)
    #expect(view.outcome?.kind == .confirmed && view.rollout == RolloutHead(first))
    let phases = view.events.map(\.phase.text)
    #expect(phases.starts(with: ["preparing", "checked", "prepared", "armed", "restarting"]))
    #expect(phases.last == "confirmed" && view.instant != nil && view.report?.started != nil)
    #expect(view.events.allSatisfy { $0.instant != nil })

    let second = try again.rollout([], id: "00000000000000ab", kind: .restart)
    try again.carryThrough(second)
    #expect(try again.view(first.id).events == view.events)
    let response = again.send("GET", "/v1/rollouts")
    let answer = try JSON.decode(RolloutsAnswer.self, from: response.body)
    #expect(answer.rollouts.map(\.rollout.id) == [second.id, first.id])
    #expect(answer.rollouts.allSatisfy { $0.outcome?.kind == .confirmed })
    #expect(again.send("GET", "/v1/rollouts/00000000000000ff").status == 400)
  }

  @Test("an end whose timeline was not kept before a crash can be had after more rollouts")
  func endedBeforeItWasKept() throws {
    let node = Node()
    let first = try node.rollout(enabling)
    _ = try node.prepare(first, enabling)
    waitForKept(node.host, #""phase":"prepared""#)
    let early = node.host.state.withLock { $0.records.filter { $0.key.hasPrefix("timelines/") } }
    _ = try node.decide(first, .commit)
    #expect(try node.outcome(first)?.kind == .confirmed)
    waitForKept(node.host, #""phase":"confirmed""#)
    node.host.state.update { $0.records.merge(early) { $1 } }
    let again = Node(node.host)
    try again.carryThrough(again.rollout([], id: "00000000000000ab", kind: .restart))
    // It is in no other record any more.
    try again.carryThrough(again.rollout([], id: "00000000000000ac", kind: .restart))
    #expect(try again.view(first.id).outcome?.kind == .confirmed)
  }

  @Test("how a rollout ended can be had where its timeline cannot be read, and that is told")
  func damagedAfterwards() throws {
    let node = Node()
    let first = try node.rollout(enabling)
    try node.carryThrough(first)
    try node.carryThrough(node.rollout([], id: "00000000000000ab", kind: .restart))
    _ = node.host.state.wait(until: .inMilliseconds(10_000)) { state in
      state.records.contains {
        $0.key.hasSuffix("-00000000000000ab")
          && String(decoding: $0.value, as: UTF8.self).contains(#""phase":"confirmed""#)
      } ? true : nil
    }
    node.host.state.update { $0.records["timelines/00000000000000000001-\(first.id)"] = [] }
    let view = try node.view(first.id)
    #expect(view.outcome?.kind == .confirmed)
    #expect(view.problem?.contains("checksum is wrong") == true, "\(view)")
    let told = node.host.state.withLock { $0.lines.filter { $0.contains("checksum is wrong") } }
    #expect(told.count == 1)
    // Nothing else is known of this one.
    node.host.state.update { $0.records["timelines/00000000000000000001-00000000000000fe"] = [] }
    let refusal = node.send("GET", "/v1/rollouts/00000000000000fe")
    #expect(refusal.status >= 400)
    #expect(String(decoding: refusal.body, as: UTF8.self).contains("checksum is wrong"))
  }

  @Test("an agent that is restarted in mid-rollout goes on with the steps that were recorded")
  func interrupted() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    _ = try node.prepare(rollout, enabling)
    waitForKept(node.host, #""phase":"prepared""#)
    // Alone it is a majority, and soon would abort.
    let again = Node(node.host, settles: false)
    let view = try again.view(rollout.id)
    #expect(view.events.map(\.phase.text) == ["preparing", "checked", "prepared", "prepared"])
    #expect(view.events.last?.detail == "the agent was restarted")
    #expect(view.events.map(\.sequence) == [1, 2, 3, 4])
  }

  @Test("a timeline that cannot be written holds nothing up, and is told")
  func notWritten() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.failRecord("timelines/00000000000000000001-\(rollout.id)")
    try node.carryThrough(rollout)
    let told = node.host.state.wait(until: .inMilliseconds(10_000)) { state in
      state.lines.contains { $0.hasPrefix("a timeline is not kept: ") } ? true : nil
    }
    #expect(told == true && kept(node.host).isEmpty)
    #expect(try node.view(rollout.id).outcome?.kind == .confirmed)
  }
}

extension Node {
  /// From the vote to the outcome, with an instant that is still to come.
  fileprivate func carryThrough(_ rollout: Rollout) throws {
    let changes = rollout.kind == .restart ? [] : enabling
    #expect(try prepare(rollout, changes).refusal == nil)
    let instant = Instant.inMilliseconds(100)
    let proposal = BallotValue(
      ballot: .coordinator, decision: .commit, instant: instant, bootID: "boot-1")
    _ = send(
      "POST", "/v1/rollouts/\(rollout.id)/accept",
      JSON.encode(
        AcceptRequest(
          epoch: rollout.epoch, incarnation: agent.incarnation, proposal: proposal)))
    _ = send(
      "POST", "/v1/rollouts/\(rollout.id)/decision",
      JSON.encode(
        DecisionRequest(
          epoch: rollout.epoch, incarnation: agent.incarnation, decision: .commit,
          instant: instant, bootID: "boot-1", reason: "")))
    #expect(try outcome(rollout)?.kind == .confirmed)
  }

  fileprivate func view(_ id: String) throws -> RolloutView {
    try JSON.decode(RolloutView.self, from: send("GET", "/v1/rollouts/\(id)").body)
  }
}
