// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

extension RolloutView {
  /// A rollout whose instant was at 100 s of the wall clock and `boot` seconds of CLOCK_BOOTTIME;
  /// everything is `shift` milliseconds later than on a good node.
  static func sample(
    _ id: String = "aa", shift: Int64, boot: Int64 = 7, wall: Int64 = 100, epoch: UInt64 = 4,
    outcome: Outcome = Outcome(.confirmed, "new invocation, READY"), hasInstant: Bool = true
  ) -> RolloutView {
    func instant(_ milliseconds: Int64) -> Instant {
      Instant(nanoseconds: boot * 1_000_000_000 + (milliseconds + shift) * 1_000_000)
    }
    let steps: [(Int64, String)] = [
      (-900, "preparing"), (-500, "checked"), (-450, "prepared"), (-200, "armed"),
      (60, "restarting"), (70, "starting"), (900, "ready"), (1_500, outcome.kind.rawValue),
    ]
    return RolloutView(
      id: id,
      events: steps.enumerated().map { index, step in
        RolloutEvent(
          sequence: index + 1,
          realtimeMicroseconds: wall * 1_000_000 + (step.0 + shift) * 1_000,
          instant: instant(step.0), phase: Word(step.1), detail: index == 7 ? outcome.reason : "")
      },
      report: RestartReport(
        planned: Instant(nanoseconds: boot * 1_000_000_000), issued: instant(1),
        previousInvocation: "i", stopping: instant(2), stopped: instant(5), started: instant(7),
        writable: instant(950)),
      outcome: outcome,
      rollout: RolloutHead(
        id: id, epoch: epoch, kind: .apply, generation: 3, createdBy: "alice"),
      bootID: "boot",
      instant: hasInstant ? Instant(nanoseconds: boot * 1_000_000_000) : nil)
  }
}

struct ShowTests {
  private let failed = Outcome(.failed, "FATAL <b>no</b> \"KMS\" & more\u{1B}[2J")

  private var agents: [FakeAgent] {
    [
      FakeAgent("minio-1", kept: [.sample(shift: 0), .sample("old", shift: 0, epoch: 2)]),
      // Another boot clock, a wall clock that is an hour behind: neither moves anything.
      FakeAgent("minio-2", kept: [.sample(shift: 3, boot: 99_000, wall: -3_500)]),
      FakeAgent("minio-3", kept: [.sample(shift: 10, outcome: failed)]),
      FakeAgent("minio-4", kept: [.sample("old", shift: 0, epoch: 2)]),
    ]
  }

  private func axis(_ views: [RolloutView]) -> TimelineAxis {
    TimelineAxis(
      id: "aa",
      views.enumerated().map { (node: "minio-\($0 + 1)", view: .success($1)) })
  }

  @Test("the instant is zero for every node, whatever its clocks say")
  func zero() {
    let axis = axis([.sample(shift: 0), .sample(shift: 3, boot: 99_000, wall: -3_500)])
    #expect(axis.hasInstant)
    #expect(axis.rows.map { $0.time(of: .voted) } == [-450_000_000, -447_000_000])
    // What systemd says, not when it was heard of.
    #expect(axis.rows.map { $0.time(of: .start) } == [7_000_000, 10_000_000])
    #expect(axis.skew(of: .stop) == 3_000_000 && axis.skew(of: .start) == 3_000_000)
    #expect(axis.rows.map { $0.end?.phase.text } == ["confirmed", "confirmed"])
  }

  @Test("a node that cannot read the steps it kept is named, with why: exit 3")
  func damaged() {
    var unread = RolloutView(
      id: "aa", events: [], report: nil, outcome: Outcome(.confirmed, ""))
    unread.problem = "the timeline cannot be read: its checksum is wrong"
    let agents = ["minio-1", "minio-2", "minio-3", "minio-4"].map { name in
      FakeAgent(name, kept: [name == "minio-2" ? unread : .sample(shift: 0)])
    }
    let (code, host) = Sample.run("show aa", agents)
    #expect(code == .unknown)
    #expect(
      host.errors.contains("minio-2: the timeline cannot be read: its checksum is wrong"),
      "\(host.errors)")
  }

  @Test("a node without the instant is placed by its wall clock, and it is said")
  func wallClock() {
    let axis = axis([.sample(shift: 0), .sample(shift: 3, boot: 50, hasInstant: false)])
    #expect(axis.rows.map(\.isByWallClock) == [false, true])
    #expect(axis.rows[1].time(of: .voted) == -447_000_000)
    #expect(axis.rows[1].time(of: .start) == 10_000_000)
  }

  @Test("without any instant zero is the first step, by the corrected wall clocks")
  func noInstant() {
    let views = [
      RolloutView.sample(shift: 0, hasInstant: false),
      RolloutView.sample(shift: 20, wall: 110, hasInstant: false),
    ]
    let axis = TimelineAxis(
      id: "aa", [("a", .success(views[0])), ("b", .success(views[1]))],
      corrections: [0, -10_000_000])
    #expect(!axis.hasInstant && axis.zeroMicroseconds == 99_100_000)
    #expect(axis.rows.map { $0.marks.first?.at } == [0, 20_000_000])
  }

  @Test("a node whose server did not run has no stop, however late that was seen")
  func nothingToStop() {
    var view = RolloutView.sample(shift: 0)
    view.report?.stopping = nil
    view.report?.stopped = nil
    view.events.append(
      RolloutEvent(
        sequence: 9, realtimeMicroseconds: 100_250_000,
        instant: Instant(nanoseconds: 7_250_000_000), phase: .known(.stopping), detail: "ordered"))
    let row = axis([view]).rows[0]
    #expect(row.time(of: .stop) == nil)
    #expect(row.time(of: .start) == 7_000_000)
    #expect(axis([.sample(shift: 0)]).rows[0].time(of: .stop) == 2_000_000)
  }

  @Test("a skew is known only if every node got there")
  func skew() {
    var late = RolloutView.sample(shift: 1)
    late.report = nil
    late.events.removeAll { $0.phase == .known(.starting) }
    #expect(axis([.sample(shift: 0), late]).skew(of: .start) == nil)
  }

  @Test("show without an id takes the newest; each node's times, the reason of a failure, exit 3")
  func show() {
    let (code, host) = Sample.run("show", agents)
    #expect(code == .unknown)
    #expect(host.lines.first == "rollout aa: apply by alice, epoch 4, generation 3")
    #expect(host.output.contains("0 is 1970-01-01T00:01:40.000Z, the instant"))
    #expect(
      host.lines.contains {
        $0.split(separator: " ").map(String.init).starts(with: [
          "start", "+7.0", "ms", "+17.0", "ms", "10.0", "ms", "minio-3",
        ])
      }, "\(host.output)")
    #expect(host.output.contains("minio-3: failed: FATAL <b>no</b>"))
    #expect(!host.output.contains("\u{1B}"))
    #expect(host.errors.contains("minio-4: minio-4 knows no rollout aa"))
    let bars = host.lines.filter { $0.contains("[") && $0.hasSuffix("]") }
    #expect(bars.count == 4 && bars[0].hasSuffix("+]") || bars[0].contains("v+"), "\(bars)")
    #expect(bars[2].contains("!"))
  }

  @Test("--json has every step of every node in milliseconds from the instant, and the skews")
  func json() throws {
    struct Line: Decodable {
      struct Step: Decodable {
        var milliseconds: Double
        var phase: String
      }
      var event: String
      var node: String?
      var steps: [Step]?
      var skewMilliseconds: Double?
      var stopSkewMilliseconds: Double?
      var writeOutageMilliseconds: Double?
    }
    let agents = (1...4).map { FakeAgent("minio-\($0)", kept: [.sample(shift: Int64($0))]) }
    let (code, host) = Sample.run("show aa --json", agents)
    #expect(code == .done)
    let lines = try host.lines.map { try JSON.decode(Line.self, from: Array($0.utf8)) }
    #expect(
      lines.map(\.event) == ["rollout"] + [String](repeating: "timeline", count: 4) + ["result"])
    let steps = try #require(lines[2].steps)
    #expect(steps.first { $0.phase == "stopping" }?.milliseconds == 4)
    #expect(lines.last?.skewMilliseconds == 3 && lines.last?.stopSkewMilliseconds == 3)
    // From the first order, +2 ms, to the last server that takes writes, +954 ms.
    #expect(lines.last?.writeOutageMilliseconds == 952)
    #expect(steps.contains { $0.phase == "takesWrites" && $0.milliseconds == 952 })
  }

  @Test("a rollout that no node knows: exit 5; a damaged page is never written over")
  func unknown() {
    #expect(Sample.run("show nobody", rest).code == .validationRefused)
    #expect(Sample.run("show", rest).code == .validationRefused)
    let (code, host) = Sample.run("show aa --html p.html", agents, files: ["p.html": "mine"])
    #expect(code == .failed && host.created.isEmpty)
  }
  private var rest: [FakeAgent] { Sample.names.map { FakeAgent($0) } }

  @Test("the page is one file without script or anything from elsewhere, everything escaped")
  func page() throws {
    let (code, host) = Sample.run("show aa --html p.html", agents)
    #expect(code == .unknown && host.output.isEmpty)
    let page = try #require(host.created["p.html"])
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("default-src 'none'"))
    for word in ["<script", "http:", "https:", "src=", "href=", "url(", "@import", "<b>", "\u{1B}"]
    {
      #expect(!page.contains(word), "\(word)")
    }
    #expect(page.contains("FATAL &lt;b&gt;no&lt;/b&gt; &quot;KMS&quot; &amp; more"))
    // Two charts, each wide and narrow, each with a bar of every node that knows it, and both ends.
    #expect(page.components("<svg") == 4 && page.components("class=\"starting\"") >= 12)
    #expect(page.components("line class=\"start\"") >= 6)
    // The verdict comes first, with the cause and what to run.
    let verdict = try #require(page.firstRange(of: "class=\"verdict bad\">2 of 4 starts confirmed"))
    let chart = try #require(page.firstRange(of: "<svg"))
    #expect(verdict.lowerBound < chart.lowerBound)
    #expect(page.contains("<dt>next</dt><dd>keyturn logs --rollout aa --errors</dd>"))
    #expect(page.contains("circle class=\"bad\"") && page.contains("circle class=\"good\""))
    // Every element that is opened is closed.
    for tag in ["svg", "table", "tr", "td", "details", "text", "ul", "li", "h2", "p"] {
      let opened = page.components("<\(tag)>") + page.components("<\(tag) ")
      #expect(opened == page.components("</\(tag)>"), "\(tag)")
    }
  }

  @Test("the verdict of a rollout that was taken back says that the change is not in force")
  func verdict() {
    var view = RolloutView.sample(shift: 0, outcome: failed)
    view.rolloutResult = RolloutResult(
      rollout: "aa", kind: .rollingBack, rollback: "bb", by: "alice")
    let back = TimelineVerdict(axis: axis([view, .sample(shift: 1)]))
    #expect(back.tone == "bad" && back.headline.contains("the change is NOT in force"))
    view.rolloutResult = RolloutResult(rollout: "aa", kind: .held, reason: "never", by: "alice")
    let held = TimelineVerdict(axis: axis([view, .sample(shift: 1)]))
    #expect(held.causes.contains("not rolled back: never"))
    #expect(held.steps == ["keyturn logs --rollout aa --errors", "keyturn confirm minio-1"])
    let good = TimelineVerdict(axis: axis([.sample(shift: 0), .sample(shift: 1)]))
    #expect(good.tone == "good" && good.causes.isEmpty && good.steps.isEmpty)
  }

  @Test(
    "the outage of a node is from its stop until it serves, the cluster's from the first to the last"
  )
  func outage() {
    let axis = axis([.sample(shift: 0), .sample(shift: 3)])
    #expect(axis.rows.map(\.outage) == [948_000_000, 948_000_000])
    #expect(axis.outage == 951_000_000)
  }

  /// The page of a rollout that failed on one node and was taken back: no generation of it is kept.
  private static func failedPage(_ failed: Outcome) -> String? {
    let changes = [
      "-MINIO_KMS_API_KEY=h1:oldIdentity", "+MINIO_KMS_API_KEY=h1:newIdentity",
      "+MINIO_KMS_SERVER=" + String(repeating: "https://kms.example.net:7373,", count: 12),
    ]
    let agents = Sample.names.enumerated().map { number, name in
      var view = RolloutView.sample(
        shift: Int64(number),
        outcome: name == "minio-3" ? failed : Outcome(.confirmed, "healthy for 10 s"))
      view.changes = name == "minio-4" ? ["+MINIO_BROWSER=<off>"] : changes
      view.rolloutResult = RolloutResult(
        rollout: "aa", kind: .rollingBack, rollback: "bb", by: "alice")
      return FakeAgent(
        name, history: .sample(name), diff: .failure(.answered(Refusal(.validation, "no"))),
        kept: [view])
    }
    return Sample.run("show aa --html p.html", agents).host.created["p.html"]
  }

  @Test("the page of a failed rollout has what it would have changed, the cause, and what to do")
  func failedRollout() throws {
    let page = try #require(Self.failedPage(failed))
    let verdict = try #require(
      page.firstRange(of: "class=\"verdict bad\">Rolled back by bb: the change is NOT in force"))
    let why = try #require(page.firstRange(of: "<dt>why</dt><dd>minio-3: FATAL &lt;b&gt;no"))
    let next = try #require(
      page.firstRange(of: "<dt>next</dt><dd>keyturn logs --rollout aa --errors</dd>"))
    let settings = try #require(
      page.firstRange(
        of:
          "<h2>Settings on minio-[1-3]</h2>\n<pre>-MINIO_KMS_API_KEY=h1:oldIdentity\n+MINIO_KMS_API_KEY=h1:newIdentity\n"
      ))
    #expect(verdict.upperBound < why.lowerBound && why.upperBound < next.lowerBound)
    #expect(next.upperBound < settings.lowerBound)
    #expect(page.contains("<dd>keyturn show bb</dd>"))
    #expect(page.contains("<dd>keyturn apply --settings FILE, once the cause is fixed</dd>"))
    #expect(
      page.contains("<h2>Settings on minio-4</h2>\n<pre>+MINIO_BROWSER=&lt;off&gt;</pre>"))
  }

  @Test("the page has what the rollout has changed, secrets as the nodes tell them")
  func changes() throws {
    let head = RolloutView.sample(shift: 0)
    let agents = Sample.names.map { name in
      FakeAgent(name, history: .sample(name, [(1, "a"), (2, "b"), (3, "c")]), kept: [head])
    }
    let host = Sample.run("show aa --html p.html", agents).host
    let page = try #require(host.created["p.html"])
    #expect(page.contains("<h2>Settings</h2>\n<pre>-MINIO_BROWSER=on\n+MINIO_BROWSER=off</pre>"))
  }

  @Test(
    "a browser shows the page: no text on another, none cut off, light, dark and narrow",
    .enabled(if: Browser.isThere),
    arguments: [(1_200, false), (1_200, true), (420, false), (420, true)])
  func browser(width: Int, isDark: Bool) throws {
    let page = try #require(Self.failedPage(failed))
    let sight = try Browser.show(page, width: width, isDark: isDark)
    #expect(sight.overlaps.isEmpty && sight.excess <= 0, "\(sight)")
    #expect(sight.texts > 40 && (sight.background == "rgb(22, 25, 30)") == isDark, "\(sight)")
  }

  @Test("ticks are round, cover the range, and are not many")
  func ticks() {
    for range in [
      -900_000_000...1_500_000_000, -1...1, 0...300_000_000_000, -7_000_000...2_000_000,
    ]
      as [ClosedRange<Int64>]
    {
      let ticks = TimelinePage.ticks(range)
      #expect((1...20).contains(ticks.count) && ticks.allSatisfy(range.contains), "\(range)")
      #expect(ticks.contains(0))
    }
  }

  @Test("times are in milliseconds below a second, else in seconds")
  func times() {
    #expect(TimelineText.time(1_260_000) == "+1.3 ms" && TimelineText.time(0) == "+0.0 ms")
    #expect(TimelineText.time(-999_900_000) == "-999.9 ms")
    #expect(TimelineText.time(61_049_000_000) == "+61.05 s")
  }
}

extension String {
  /// How often `text` is in it.
  fileprivate func components(_ text: String) -> Int { ranges(of: text).count }
}

/// The table of a rollout that runs.
struct RolloutTableTests {
  private let begin = Instant(nanoseconds: 0)

  @Test("every node is in the table, however many there are and however small the terminal")
  func folded() {
    let names = (1...64).map { "minio-\($0)" }
    var table = RolloutTable(names, phase: .asked, settleSeconds: 10, at: begin)
    for (index, name) in names.enumerated() {
      let detail = index < 60 ? "\(index) of 63 peers answered" : "FATAL no KMS"
      _ = table.set(
        name, .init(phase: .known(index < 60 ? .waitingForPeers : .failed), detail: detail),
        at: begin.advanced(byMilliseconds: index * 1_000))
    }
    for rows in [4, 24, 70] {
      let text = table.text(columns: 80, rows: rows, at: begin.advanced(byMilliseconds: 70_000))
      #expect(text.count < rows && text.allSatisfy { $0.plain.count < 80 }, "\(rows)")
    }
    let small = table.text(columns: 100, rows: 24, at: begin.advanced(byMilliseconds: 70_000))
    #expect(small.count == 3)
    #expect(small[1].plain.hasPrefix("minio-[1-60]   waitingForPeers  70 s"), "\(small)")
    #expect(small[2].plain == "minio-[61-64]  failed                 FATAL no KMS")
    #expect(small.map(\.parts[0].style) == [.plain, .plain, .bad])
    #expect(table.lines(room: 64).count == 64)
  }

  @Test("since when starts again with each change, and with no other")
  func since() {
    var table = RolloutTable(["a", "b"], phase: .asked, settleSeconds: 10, at: begin)
    let later = begin.advanced(byMilliseconds: 5_000)
    let ready = RolloutTable.State(phase: .known(.ready), detail: "")
    let changes = [
      table.set("a", ready, at: later),
      table.set("a", ready, at: later.advanced(byMilliseconds: 1)),
      table.set("c", ready, at: later),
    ]
    #expect(changes == [true, false, false])
    #expect(table.rows.map(\.since) == [later, begin])
    #expect(table.phases == "a ready, b asked")
  }

  @Test("a server that must stay healthy is told how long; what has ended takes no time any more")
  func time() {
    var table = RolloutTable(["a", "b"], phase: .settling, settleSeconds: 10, at: begin)
    _ = table.set("b", .init(phase: .known(.confirmed), detail: "healthy for 10 s"), at: begin)
    func rows(_ seconds: Int) -> [String] {
      table.text(
        columns: 80, rows: 24, at: begin.advanced(byMilliseconds: seconds * 1_000)
      ).dropFirst().map(\.plain)
    }
    #expect(
      rows(3) == [
        "a     settling   3 s  healthy; 7 s of 10 left", "b     confirmed       healthy for 10 s",
      ])
    #expect(rows(12)[0] == "a     settling   12 s  healthy; 0 s of 10 left")
  }

  @Test("long lists of names are cut, so that the state stays in sight")
  func names() {
    let names = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    let table = RolloutTable(names, phase: .starting, settleSeconds: 10, at: begin)
    let text = table.text(columns: 60, rows: 5, at: begin)
    #expect(text.count == 2 && text[1].plain.contains("... (8 nodes)  starting"), "\(text)")
  }
}
