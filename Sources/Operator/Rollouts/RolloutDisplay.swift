// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// Shows a rollout while it runs: on a terminal a table redrawn in place, elsewhere a line for each
/// change of state and a line every 30 s, with `--json` the same as events.
struct RolloutDisplay: RolloutWatcher {
  private let console: Console
  private let began: Instant
  private var table: RolloutTable
  private var lastSign: Instant
  /// What stands on the terminal now.
  private var drawn: [String] = []
  /// How wide it was then.
  private var drawnColumns = 0

  static let signMilliseconds = 30_000

  init(_ console: Console, _ names: [String]) {
    self.console = console
    began = Clock.now()
    lastSign = began
    table = RolloutTable(names, phase: .asked, at: began)
  }

  mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String) {
    let state = RolloutTable.State(phase: phase, detail: detail)
    let isKnown =
      detail.isEmpty && table.rows.contains { $0.name == member && $0.state.phase == phase }
    guard table.set(member, state, at: Clock.now()) else { return }
    console.event(
      "phase", node: member, ["phase": .string(phase.text), "detail": .string(detail)])
    // That the last detail is over is no news.
    if !isKnown { say("\(member): \(phase.text)" + (detail.isEmpty ? "" : ": \(detail)")) }
    draw()
  }

  mutating func committed(inNanoseconds: Int64) {
    let milliseconds = inNanoseconds / 1_000_000
    console.event("committed", ["inMilliseconds": .integer(milliseconds)])
    say("all nodes voted yes; restart in \(milliseconds) ms")
  }

  mutating func tick() {
    let now = Clock.now()
    if console.isLive {
      draw()
    } else if now.milliseconds(since: lastSign) >= Self.signMilliseconds {
      lastSign = now
      let seconds = now.milliseconds(since: began) / 1000
      let phases = table.phases
      console.event("waiting", ["seconds": .integer(Int64(seconds)), "phases": .string(phases)])
      console.progress("waiting for \(seconds) s: \(phases)")
    }
  }

  /// Leaves the last state of the table standing.
  mutating func end() {
    draw()
    drawn = []
  }

  /// A line for logs; on a terminal only what must not get lost goes above the table.
  private mutating func say(_ text: String) {
    if console.isLive { return }
    lastSign = Clock.now()
    console.progress(text)
  }

  /// Redraws the table over the last one.
  private mutating func draw() {
    guard console.isLive, let size = console.host.terminal(.standardOutput) else { return }
    let lines = table.text(columns: size.columns, rows: size.rows, at: Clock.now())
    if lines.map(\.text) == drawn, size.columns == drawnColumns { return }
    var text = ""
    if !drawn.isEmpty {
      // In a terminal that became narrower the old lines have been broken into several.
      let above = drawn.reduce(0) { $0 + max(1, ($1.count + size.columns - 1) / size.columns) }
      text += "\u{1B}[\(min(above, max(1, size.rows - 1)))A\r"
      if size.columns != drawnColumns { text += "\u{1B}[J" }
    }
    for (line, phase) in lines { text += "\r\u{1B}[2K" + colored(line, phase?.known) + "\n" }
    if drawn.count > lines.count { text += "\u{1B}[J" }
    drawn = lines.map(\.text)
    drawnColumns = size.columns
    console.host.write(text, to: .standardOutput)
  }

  private func colored(_ line: String, _ phase: RolloutPhase?) -> String {
    guard console.hasColor else { return line }
    switch phase {
    case .confirmed: return "\u{1B}[32m\(line)\u{1B}[0m"
    case .failed, .timedOut, .refused, .unreachable: return "\u{1B}[31m\(line)\u{1B}[0m"
    case .unknown, .aborted: return "\u{1B}[33m\(line)\u{1B}[0m"
    default: return line
    }
  }
}
