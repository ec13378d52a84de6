// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model

/// The state of each node in a rollout, as a table that fits a terminal. Pure.
struct RolloutTable: Sendable {
  struct State: Sendable, Hashable {
    var phase: Word<RolloutPhase>
    var detail: String
  }

  struct Row: Sendable, Hashable {
    var name: String
    var state: State
    var since: Instant
  }

  /// Of one node or of several in the same state.
  struct Line: Sendable, Hashable {
    var names: [String]
    var state: State
    /// Of the first of them.
    var since: Instant
  }

  private(set) var rows: [Row]
  /// How long a server must stay healthy.
  private let settleSeconds: Int

  init(_ names: [String], phase: RolloutPhase, settleSeconds: Int, at now: Instant) {
    self.settleSeconds = settleSeconds
    rows = names.map { Row(name: $0, state: State(phase: .known(phase), detail: ""), since: now) }
  }

  /// False if the node was in that state already.
  mutating func set(_ name: String, _ state: State, at now: Instant) -> Bool {
    guard let index = rows.firstIndex(where: { $0.name == name }), rows[index].state != state else {
      return false
    }
    rows[index].state = state
    rows[index].since = now
    return true
  }

  /// At most `room` lines with every node: one for each if these fit, else one for each phase and
  /// detail, else one for each phase.
  func lines(room: Int) -> [Line] {
    if rows.count <= room {
      return rows.map { Line(names: [$0.name], state: $0.state, since: $0.since) }
    }
    let folded = folded { $0.state }
    return folded.count <= room ? folded : self.folded { State(phase: $0.state.phase, detail: "") }
  }

  /// One line for each `key`, in the order of the first of each.
  private func folded(_ key: (Row) -> State) -> [Line] {
    NodeNames.grouped(rows.map { (name: $0.name, value: key($0)) }).map { names, state in
      let members = rows.filter { names.contains($0.name) }
      let details = NodeNames.grouped(members.map { (name: $0.name, value: $0.state.detail) })
      // Of most of them, if they differ.
      let most = details.max { $0.names.count < $1.names.count }
      var detail = most?.value ?? ""
      if details.count > 1, let most {
        detail = "\(NodeNames.folded(most.names)): \(detail); \(details.count - 1) more"
      }
      return Line(
        names: names, state: State(phase: state.phase, detail: detail),
        since: members.map(\.since).min() ?? Instant(nanoseconds: 0))
    }
  }

  /// `minio-[1-3] starting, minio-4 failed`.
  var phases: String {
    NodeNames.grouped(rows.map { (name: $0.name, value: $0.state.phase.text) })
      .map { "\(NodeNames.folded($0.names)) \($0.value)" }.joined(separator: ", ")
  }

  /// For a terminal of this size, of which one line stays free; the header first.
  func text(columns: Int, rows: Int, at now: Instant) -> [StyledLine] {
    let lines = lines(room: max(1, rows - 2))
    let cells = lines.map { line in
      let seconds = now.milliseconds(since: line.since) / 1000
      // What has ended takes no time any more.
      let isOver = line.state.phase.known?.isEnd ?? false
      return [
        Self.cut(NodeNames.folded(line.names), columns / 3, line.names.count),
        line.state.phase.text, isOver ? "" : "\(seconds) s", detail(line.state, after: seconds),
      ]
    }
    let styles = [.plain] + lines.map { Self.style($0.state.phase.known) }
    return zip(TextTable.lines(["NODE", "STATE", "FOR", "DETAIL"], cells), styles)
      .prefix(max(2, rows - 1)).map { text, style in
        StyledLine([StyledText(text, style)]).cut(to: max(20, columns - 1))
      }
  }

  private func detail(_ state: State, after seconds: Int) -> String {
    guard state.phase.known == .settling else { return state.detail }
    return "healthy; \(max(0, settleSeconds - seconds)) s of \(settleSeconds) left"
  }

  private static func style(_ phase: RolloutPhase?) -> StyledText.Style {
    switch phase {
    case .confirmed: .good
    case .failed, .timedOut, .refused, .unreachable: .bad
    case .unknown, .aborted, .brokenOff: .doubtful
    default: .plain
    }
  }

  /// A long list of names must not push the rest off the screen.
  private static func cut(_ names: String, _ room: Int, _ count: Int) -> String {
    let room = max(24, room)
    if names.count <= room { return names }
    let tail = "... (\(count) nodes)"
    return names.prefix(room - tail.count) + tail
  }
}
