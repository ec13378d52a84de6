// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Model
@testable import Operator
import Rollout
import Testing
import Threads

struct LogsTests {
  private func line(
    _ seconds: Double, _ message: String, error: LogError? = nil
  ) -> LogLine {
    LogLine(
      realtimeMicroseconds: Int64(seconds * 1_000_000), priority: 6, identifier: "minio", pid: 9,
      message: message, error: error)
  }

  private func rest(from first: Int) -> [FakeAgent] {
    (first...4).map { FakeAgent("minio-\($0)") }
  }

  @Test("lines are merged by time, the newest -n of them; control characters do no harm")
  func merged() {
    let agents =
      [
        FakeAgent("minio-1", lines: [line(1, "a"), line(4, "d")]),
        FakeAgent("minio-2", lines: [line(2, "b"), line(3, "c\u{1B}[2J")]),
      ] + rest(from: 3)
    let (code, host) = Sample.run("logs -n 3", agents)
    #expect(code == .done)
    #expect(
      host.lines == [
        "1970-01-01T00:00:02.000Z minio-2 minio[9]: b",
        "1970-01-01T00:00:03.000Z minio-2 minio[9]: c\u{FFFD}[2J",
        "1970-01-01T00:00:04.000Z minio-1 minio[9]: d",
      ])
    #expect(Sample.run("logs -n 0", agents).host.lines == [])
  }

  @Test(
    "what cannot be understood is refused, exit 64, and no node is asked",
    arguments: [
      "logs --since yesterday", "logs -n x", "logs -n 100001", "logs --node minio-[3-1]",
      "logs --node minio-9", "logs --node ,", "logs --grep (", "logs --rollout a --since 1h",
    ])
  func usage(_ command: String) {
    let (code, host) = Sample.run(command, [])
    #expect(code == .usage)
    #expect(host.output.isEmpty && host.errors.hasPrefix("keyturn: error: "))
  }

  @Test("a set names the nodes that are asked, in each of the ways in which people write it")
  func nodes() {
    let agents = (1...4).map { FakeAgent("minio-\($0)", lines: [line(Double($0), "x\($0)")]) }
    for (set, expected) in [
      ("minio-2", ["x2"]), ("minio-[1-2,4]", ["x1", "x2", "x4"]), ("minio-{3...4}", ["x3", "x4"]),
      ("minio-1,minio-3", ["x1", "x3"]), ("minio-[1-99]", ["x1", "x2", "x3", "x4"]),
    ] {
      let (code, host) = Sample.run("logs --node \(set)", agents)
      #expect(code == .done)
      #expect(host.lines.map { String($0.suffix(2)) } == expected, "\(set)")
    }
  }

  @Test("numbers of a set are numbers, with the zeros that they were written with")
  func sets() throws {
    let padded = try #require(NodeSet("n[01-10]"))
    #expect(padded.contains("n09") && padded.contains("n10"))
    #expect(!padded.contains("n9") && !padded.contains("n11") && !padded.contains("n010"))
    let plain = try #require(NodeSet("n[1-10].a"))
    #expect(plain.contains("n9.a") && !plain.contains("n09.a") && !plain.contains("n9"))
    let two = try #require(NodeSet("rack[1-2]-n[3-4]"))
    #expect(two.contains("rack2-n3") && !two.contains("rack3-n3"))
    for text in ["", "n[", "n]", "n[a]", "n[1-2-3]", "n[]", "a,,b", "n{1..2}", "n[1-2}"] {
      #expect(NodeSet(text) == nil, "\(text)")
    }
  }

  @Test("what several nodes log alike within a second is one line; for programs it is not")
  func folded() throws {
    let agents = (1...4).map { number in
      let shift = Double(number) / 100
      return FakeAgent(
        "minio-\(number)",
        lines: [
          line(1 + shift, "starts"), line(2 + shift, number == 4 ? "fails" : "runs"),
          line(3 + shift * 40, "late"),
        ])
    }
    let (_, host) = Sample.run("logs", agents)
    #expect(
      host.lines.map { String($0.dropFirst(25)) } == [
        "minio-[1-4] minio: starts", "minio-[1-3] minio: runs", "minio-4 minio[9]: fails",
        "minio-[1-3] minio: late", "minio-4 minio[9]: late",
      ])
    let events = Sample.run("logs --json", agents).host.lines.filter {
      $0.contains(#""event":"log""#)
    }
    #expect(events.count == 12)
  }

  @Test("a node's times are corrected by how far its clock is off")
  func corrected() {
    let agents =
      [
        FakeAgent("minio-1", lines: [line(100, "first")]),
        FakeAgent("minio-2", lines: [line(5_101, "second")], clockAhead: 5_000_000_000),
      ] + rest(from: 3)
    let (_, host) = Sample.run("logs", agents)
    #expect(host.lines.map { String($0.suffix(6)) } == [" first", "second"])
    // The exchange takes time: the correction is only as good as that.
    #expect(host.lines.last?.hasPrefix("1970-01-01T00:01:4") == true)
    let json = Sample.run("logs --json", agents).host.lines
    #expect(json.count { $0.contains("correctedTime") } == 1)
  }

  @Test("--grep keeps the lines that match, --errors those that the node knows, with the remedy")
  func filtered() {
    let now = Double(Clock.realtimeMicroseconds()) / 1_000_000
    let error = LogError(
      kind: .known(.fatal), meaning: "No Key Manager.", cause: "a firewall",
      remedy: "open port 7373")
    let agents =
      [
        FakeAgent(
          "minio-1",
          lines: [
            line(now - 7_200, "FATAL long ago", error: error),
            line(now - 2, "FATAL x", error: error),
            line(now - 1, "ok 200"),
          ])
      ] + rest(from: 2)
    #expect(Sample.run("logs --grep [a-z]+.2|nothing", agents).host.lines.count == 1)
    let (_, host) = Sample.run("logs --errors", agents)
    #expect(host.lines.count == 4)
    #expect(
      Array(host.lines.dropFirst()) == [
        "  meaning: No Key Manager.", "  cause: a firewall", "  do: open port 7373",
      ])
    let json = Sample.run("logs --errors --json --since 1d", agents).host.output
    #expect(json.contains(#""remedy":"open port 7373""#) && json.contains("long ago"))
  }

  @Test("what an error means is said once for each kind; an unknown error says that it is unknown")
  func explainedOnce() {
    func error(_ kind: LogErrorKind, _ meaning: String?) -> LogError {
      LogError(kind: .known(kind), meaning: meaning, cause: nil, remedy: meaning.map { "\($0)?" })
    }
    let lines = [
      line(1, "grid a", error: error(.error, "A peer is away.")),
      line(2, "grid b", error: error(.error, "A peer is away.")),
      line(3, "port", error: error(.fatal, "The port is taken.")),
      line(4, "odd", error: error(.unknown, nil)), line(5, "even", error: error(.unknown, nil)),
    ]
    let agents = [FakeAgent("minio-1", lines: lines)] + rest(from: 2)
    let (_, host) = Sample.run("logs --errors --since 1970-01-01", agents)
    #expect(
      host.lines.map { $0.hasPrefix("1970") ? String($0.dropFirst(41)) : $0 } == [
        ": grid a", "  meaning: A peer is away.", "  do: A peer is away.?", ": grid b", ": port",
        "  meaning: The port is taken.", "  do: The port is taken.?",
        ": odd\(LogSession.unknownMark)", ": even\(LogSession.unknownMark)",
      ])
    let events = Sample.run("logs --errors --json --since 1970-01-01", agents).host.lines
    #expect(events.count { $0.contains(#""meaning":"A peer is away.""#) } == 2)
  }

  @Test("--rollout is from the instant to the outcome, on each node by its own clock")
  func rollout() {
    let view = RolloutView.sample(shift: 0)
    let lines = [
      line(99.9, "before"), line(100, "stop"), line(101, "ready"), line(103, "later"),
    ]
    let agents =
      [FakeAgent("minio-1", lines: lines, kept: [view])]
      + (2...4).map { FakeAgent("minio-\($0)", lines: lines, kept: [.sample("ff", shift: 0)]) }
    let (code, host) = Sample.run("logs --rollout aa", agents)
    #expect(host.lines.map { String($0.suffix(5)) } == [" stop", "ready"])
    #expect(code == .unknown && host.errors.contains("minio-[2-4]: NODE knows no rollout aa"))
  }

  @Test("--rollout of one that no node knows is said once: exit 5")
  func unknownRollout() {
    let agents = Sample.names.map { FakeAgent($0, kept: [.sample("ff", shift: 0)]) }
    let (code, host) = Sample.run("logs --rollout aa", agents)
    #expect(code == .validationRefused)
    #expect(host.errors == "keyturn: error: no node knows rollout aa; each keeps its last 20\n")
  }

  @Test("lines that the journal has lost are told, and a node that is away makes it exit 3")
  func lost() {
    let agents =
      [FakeAgent("minio-1", lines: [line(1, "a")], isLossy: true)]
      + [FakeAgent("minio-2", .unreachable)] + rest(from: 3)
    let (code, host) = Sample.run("logs", agents)
    #expect(code == .unknown)
    #expect(host.errors.contains("minio-1: lines may be missing here"))
    #expect(host.errors.contains("minio-2: connect to minio-2:7377"))
    #expect(host.lines.count == 1)
  }

  @Test("many pages of many lines: all of them, in their order, and the last -n of them")
  func pages() {
    let agents = (1...4).map { number in
      FakeAgent(
        "minio-\(number)",
        lines: (0..<5_000).map { line(Double($0 * 4 + number) / 1_000, "\($0 * 4 + number)") })
    }
    let all = Sample.run("logs --since 1970-01-01", agents).host.lines
    #expect(all.count == 20_000)
    #expect(
      all.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } } == Array(1...20_000))
    let some = Sample.run("logs --since 1970-01-01 -n 7", agents).host.lines
    #expect(some == all.suffix(7))
  }

  @Test("the newest lines are bounded in bytes, too, and it is known how many were dropped")
  func bounded() {
    var newest = LogSession.Newest(1_000, bytes: 10_000)
    for number in 0..<100 {
      newest.add(
        LogMerge.Folded(
          sources: [0],
          first: .init(
            order: Int64(number), line: line(0, String(repeating: "x", count: 744)),
            arrived: Instant(nanoseconds: 0))))
    }
    #expect(newest.all.map(\.first.order) == Array(90..<100))
    #expect(newest.dropped == 90)
  }

  @Test("nothing goes out before what may be older, and nothing waits longer than a moment")
  func merge() throws {
    func at(_ milliseconds: Int) -> Instant {
      Instant(nanoseconds: 0).advanced(byMilliseconds: milliseconds)
    }
    func held(_ order: Int64, at milliseconds: Int) -> LogMerge.Line {
      LogMerge.Line(order: order, line: line(Double(order), "\(order)"), arrived: at(milliseconds))
    }
    var merge = LogMerge(count: 3, folds: true)
    merge.add([held(10, at: 0), held(30, at: 150)], from: 0, isCaughtUp: false)
    merge.add([held(20, at: 0)], from: 1, isCaughtUp: true)
    // The third has said nothing yet.
    #expect(merge.next(at: at(10_000)) == nil)
    merge.add([], from: 2, isCaughtUp: true)
    #expect(merge.next(at: at(199)) == nil)
    #expect(merge.due == at(200))
    #expect(merge.next(at: at(200))?.first.order == 10)
    merge.add([held(15, at: 200)], from: 2, isCaughtUp: true)
    // Each has one: nothing older can come.
    #expect(merge.next(at: at(201))?.first.order == 15)
    merge.end(2)
    #expect(merge.next(at: at(201))?.first.order == 20)
    merge.end(0)
    #expect(merge.next(at: at(201)) == nil && !merge.hasEnded)
    merge.end(1)
    #expect(merge.next(at: at(201))?.first.order == 30 && merge.hasEnded)
  }
}
