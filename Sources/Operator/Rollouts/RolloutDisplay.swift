// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// Shows a rollout while it runs: on a terminal a table that is redrawn, elsewhere a line for each
/// change of state and every 30 s, with `--json` the same as events.
struct RolloutDisplay: RolloutWatcher {
  private let console: Console
  private let began: Instant
  /// Whether the rollout restarts the servers.
  private let restarts: Bool
  /// Whether members change by it, and no file.
  private let isChange: Bool
  private var table: RolloutTable
  /// What nodes that do not answer said last.
  private var silent: [String: RolloutTable.State] = [:]
  private var lastSign: Instant
  private var screen: Redrawing

  static let signMilliseconds = 30_000

  /// - Parameter names: in the order of their rows.
  init(
    _ console: Console, _ names: [String], settleSeconds: Int, restarts: Bool = true,
    isChange: Bool = false
  ) {
    self.restarts = restarts
    self.isChange = isChange
    self.console = console
    began = Clock.now()
    lastSign = began
    table = RolloutTable(names, phase: .asked, settleSeconds: settleSeconds, at: began)
    screen = Redrawing(console)
  }

  mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String) {
    let state = RolloutTable.State(phase: phase, detail: detail)
    let isKnown =
      detail.isEmpty && table.rows.contains { $0.name == member && $0.state.phase == phase }
    guard table.set(member, state, at: Clock.now()) else { return }
    console.event("phase", node: member, ["phase": phase.text, "detail": detail])
    // The end of a detail is not worth a line.
    if !isKnown { say("\(member): \(phase.text)" + (detail.isEmpty ? "" : ": \(detail)")) }
    draw()
  }

  /// It does not answer: what it said last must not stand there as if it were so.
  mutating func silent(member: String) {
    guard let row = table.rows.first(where: { $0.name == member }), !silent.keys.contains(member),
      row.state.phase.known?.isEnd != true
    else { return }
    silent[member] = row.state
    changed(
      member: member, phase: .known(.unreachable),
      detail: "no answer; the last was: \(row.state.phase.text)")
  }

  /// It answers again.
  mutating func heard(member: String) {
    guard let state = silent.removeValue(forKey: member),
      table.rows.first(where: { $0.name == member })?.state.phase.known == .unreachable
    else { return }
    changed(member: member, phase: state.phase, detail: state.detail)
  }

  mutating func committed(inNanoseconds: Int64) {
    let milliseconds = inNanoseconds / 1_000_000
    console.event("committed", ["inMilliseconds": milliseconds])
    say(
      isChange
        ? "all nodes voted yes"
        : "all nodes voted yes; \(restarts ? "restart" : "the files are replaced") in \(milliseconds) ms"
    )
  }

  mutating func tick() {
    let now = Clock.now()
    if console.isLive {
      draw()
    } else if now.milliseconds(since: lastSign) >= Self.signMilliseconds {
      lastSign = now
      let seconds = now.milliseconds(since: began) / 1000
      let phases = table.phases
      console.event("waiting", ["seconds": seconds, "phases": phases])
      console.progress("waiting for \(seconds) s: \(phases)")
    }
  }

  /// Leaves the last table on the screen.
  mutating func end() {
    draw()
    screen = Redrawing(console)
  }

  /// A line where there is no table.
  private mutating func say(_ text: String) {
    if console.isLive { return }
    lastSign = Clock.now()
    console.progress(text)
  }

  private mutating func draw() {
    guard console.isLive, let size = console.host.terminal(.standardOutput) else { return }
    screen.draw(table.text(columns: size.columns, rows: size.rows, at: Clock.now()))
  }
}
