internal import Coordination
internal import LinuxIO
internal import Model
internal import Rollout

/// Shows a rollout while it runs: on a terminal a table redrawn in place, elsewhere a line for each
/// change of state and a sign of life every 30 s, with `--json` the same as events.
struct RolloutDisplay: RolloutWatcher {
  private struct Row: Hashable {
    var phase = "asked"
    var detail = ""
    var since: Instant
  }

  private let console: Console
  private let began: Instant
  private let names: [String]
  private var rows: [Row]
  private var lastSign: Instant
  /// What stands on the terminal now.
  private var drawn: [String] = []

  static let signMilliseconds = 30_000

  init(_ console: Console, _ names: [String]) {
    self.console = console
    self.names = names
    began = Clock.now()
    lastSign = began
    rows = names.map { _ in Row(since: Clock.now()) }
  }

  mutating func changed(member: String, phase: String, detail: String) {
    guard let index = names.firstIndex(of: member) else { return }
    if rows[index].phase == phase, rows[index].detail == detail { return }
    rows[index] = Row(phase: phase, detail: detail, since: Clock.now())
    console.event(
      "phase", node: member, ["phase": .string(phase), "detail": .string(detail)])
    say("\(member): \(phase)" + (detail.isEmpty ? "" : ": \(detail)"))
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
      let phases = grouped.map { "\(NodeNames.folded($0.names)) \($0.value.phase)" }
        .joined(separator: ", ")
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

  private var grouped: [(names: [String], value: Row)] {
    NodeNames.grouped(
      zip(names, rows).map { name, row in
        (name, Row(phase: row.phase, detail: row.detail, since: began))
      })
  }

  /// Redraws the table over the last one. When the nodes do not fit on the screen, those in the
  /// same state share a row.
  private mutating func draw() {
    guard console.isLive, let size = console.host.terminal(.standardOutput) else { return }
    let now = Clock.now()
    let room = max(3, size.rows - 2)
    var cells: [[String]]
    if names.count < room {
      cells = zip(names, rows).map { name, row in
        [name, row.phase, "\(now.milliseconds(since: row.since) / 1000) s", row.detail]
      }
    } else {
      cells = grouped.map { [NodeNames.folded($0.names), $0.value.phase, "", $0.value.detail] }
      if cells.count >= room {
        let more = cells.count - room + 2
        cells = Array(cells.prefix(room - 2)) + [["... \(more) more rows", "", "", ""]]
      }
    }
    let lines = TextTable.lines(["NODE", "STATE", "FOR", "DETAIL"], cells)
    if lines == drawn { return }
    var text = drawn.isEmpty ? "" : "\u{1B}[\(drawn.count)A"
    for (index, line) in lines.enumerated() {
      let visible = String(Console.visible(line).prefix(max(20, size.columns - 1)))
      text += "\r\u{1B}[2K" + (index == 0 ? visible : colored(visible, cells[index - 1][1])) + "\n"
    }
    if drawn.count > lines.count { text += "\u{1B}[J" }
    drawn = lines
    console.host.write(text, to: .standardOutput)
  }

  private func colored(_ line: String, _ phase: String) -> String {
    guard console.hasColor else { return line }
    switch phase {
    case "confirmed": return "\u{1B}[32m\(line)\u{1B}[0m"
    case "failed", "timedOut", "refused", "unreachable": return "\u{1B}[31m\(line)\u{1B}[0m"
    case "unknown", "aborted": return "\u{1B}[33m\(line)\u{1B}[0m"
    default: return line
    }
  }
}
