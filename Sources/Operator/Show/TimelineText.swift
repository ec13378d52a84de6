// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout

/// A rollout's timeline for the terminal.
struct TimelineText: Sendable {
  let axis: TimelineAxis

  /// What rollout it is, and what zero means.
  var heading: [String] {
    var lines: [String] = []
    if let head = axis.head {
      lines.append(
        "rollout \(axis.id): \(head.kindText) by \(head.createdBy), epoch \(head.epoch), generation \(head.generation)"
      )
      if let note = head.note { lines.append("note: \(note)") }
    } else {
      lines.append("rollout \(axis.id)")
    }
    if let zero = axis.zeroMicroseconds {
      let what = axis.hasInstant ? "the instant" : "the first step; there was no instant"
      lines.append("0 is \(CalendarTime.text(microseconds: zero)), \(what)")
    }
    return lines
  }

  /// The first and the last node to get to each step: a few lines for any number of nodes.
  var summary: [String] {
    let rows = axis.spreads.map { spread in
      [
        spread.step.rawValue, Self.time(spread.first), Self.time(spread.last),
        Self.duration(spread.last - spread.first),
        spread.count == 1 ? "" : spread.lastNode,
        spread.count == axis.rows.count ? "" : "\(spread.count) of \(axis.rows.count)",
      ]
    }
    if rows.isEmpty { return [] }
    return TextTable.lines(["STEP", "FIRST", "LAST", "APART", "LAST NODE", ""], rows)
      .map { String($0.reversed().drop { $0 == " " }.reversed()) }
  }

  /// One row for each node with its times.
  var table: [String] {
    let steps: [TimelineAxis.Step] = [.voted, .stop, .start, .ready]
    let rows = axis.rows.map { row in
      [row.node] + steps.map { row.time(of: $0).map(Self.time) ?? "-" }
        + [row.end.map { Self.time($0.at) } ?? "-", outcome(row)]
    }
    return TextTable.lines(
      ["NODE"] + steps.map { $0.rawValue.uppercased() } + ["END", "OUTCOME"], rows)
  }

  private func outcome(_ row: TimelineAxis.Row) -> String {
    var text =
      row.outcome?.word ?? row.end?.phase.text ?? row.marks.last?.phase.text
      ?? "unknown"
    if row.isByWallClock { text += " (by its wall clock)" }
    return text
  }

  private static let letters: [TimelineActivity: Character] = [
    .checking: "c", .waiting: "w", .armed: "a", .stopping: "x", .starting: "s", .verifying: "v",
  ]

  /// One bar for each node, in `columns` characters.
  func bars(columns: Int) -> [String] {
    let range = axis.range
    let name = axis.rows.map(\.node.count).max() ?? 0
    let width = min(max(columns - name - 3, 20), 160)
    let span = max(1, range.upperBound - range.lowerBound)
    func place(_ at: Int64) -> Int {
      Int(Double(at - range.lowerBound) / Double(span) * Double(width - 1))
    }
    let lines = axis.rows.map { row in
      var bar = [Character](repeating: " ", count: width)
      for stretch in row.stretches {
        let letter = Self.letters[stretch.activity] ?? "?"
        for column in place(stretch.from)...place(stretch.to) { bar[column] = letter }
      }
      if axis.hasInstant, bar[place(0)] != " " { bar[place(0)] = "|" }
      if let end = row.end { bar[place(end.at)] = end.phase == .confirmed ? "+" : "!" }
      let padding = String(repeating: " ", count: name - row.node.count)
      return "\(row.node)\(padding) [\(String(bar))]"
    }
    let used = TimelineActivity.allCases.filter { activity in
      axis.rows.contains { $0.stretches.contains { $0.activity == activity } }
    }
    let legend = used.map { "\(Self.letters[$0] ?? "?") \($0.title)" }
    let text =
      "\(Self.time(range.lowerBound)) to \(Self.time(range.upperBound)): "
      + (legend + ["| the instant", "+ confirmed", "! ended otherwise"]).joined(separator: "; ")
    return lines + Wrapping.lines(text, columns: columns, indent: 2)
  }

  /// `+1.2 ms`, `-3.40 s`.
  static func time(_ nanoseconds: Int64) -> String {
    (nanoseconds < 0 ? "-" : "+") + duration(Int64(nanoseconds.magnitude))
  }

  /// `1.2 ms`, `3.40 s`.
  static func duration(_ nanoseconds: Int64) -> String {
    if nanoseconds < 1_000_000_000 { return "\(RolloutReport.tenths(nanoseconds)) ms" }
    let hundredths = (nanoseconds + 5_000_000) / 10_000_000
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) s"
  }
}
