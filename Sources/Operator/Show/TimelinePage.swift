// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout

/// A rollout's timeline as one HTML page: no script, nothing from elsewhere, and a policy that
/// forbids both. Whatever is not ours is escaped.
struct TimelinePage: Sendable {
  let axis: TimelineAxis
  let cluster: String

  var text: String {
    let title = "Rollout \(axis.id) of \(cluster)"
    var body = "<h1>\(HTML.escaped(title))</h1>\n"
    body += TimelineText(axis: axis).heading.map { "<p>\(HTML.escaped($0))</p>\n" }.joined()
    body += "<p class=\"recap\">\(HTML.escaped(recap))</p>\n"
    body += "<h2>The whole rollout</h2>\n" + chart(axis.range) + legend
    if let near { body += "<h2>Around the instant</h2>\n" + chart(near) }
    body += "<h2>How far apart</h2>\n" + spreads
    body += "<h2>Nodes</h2>\n" + nodes + "<h2>Every step</h2>\n"
    body += axis.rows.map(steps).joined()
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(HTML.escaped(title))</title>
      <style>
      \(Self.style)
      </style>
      </head>
      <body>
      \(body)</body>
      </html>

      """
  }

  private var recap: String {
    let kinds = axis.rows.map { $0.outcome?.kind ?? .unknown }
    let restarts = axis.head?.withoutRestart != true
    var text = Ending.counts(of: kinds, of: restarts ? "starts" : "nodes")
    if !restarts { text += "; no server was restarted" }
    if let skew = axis.skew(of: .start) {
      text += "; starts within \(TimelineText.duration(skew))"
    }
    if let skew = axis.skew(of: .stop) { text += ", stops within \(TimelineText.duration(skew))" }
    if let outage = axis.writeOutage { text += "; no writes for \(TimelineText.duration(outage))" }
    return text
  }

  // MARK: charts

  private static let left = 150.0
  private static let width = 1000.0
  private static let rowHeight = 24.0
  private static let top = 28.0

  /// The stops and the starts, where they would be hardly visible in the whole.
  private var near: ClosedRange<Int64>? {
    guard axis.hasInstant,
      let end = axis.rows.flatMap({ row in [row.time(of: .stop), row.time(of: .start)] })
        .compactMap(\.self).max(), end > 0
    else { return nil }
    let margin = max(end / 4, 2_000_000)
    let whole = axis.range
    let near = max(whole.lowerBound, -margin)...min(whole.upperBound, end + margin)
    let isSmall = (whole.upperBound - whole.lowerBound) / 3 > near.upperBound - near.lowerBound
    return isSmall ? near : nil
  }

  private func chart(_ range: ClosedRange<Int64>) -> String {
    let span = Double(max(1, range.upperBound - range.lowerBound))
    func x(_ at: Int64) -> Double {
      let at = min(max(at, range.lowerBound), range.upperBound)
      return Self.left + Double(at - range.lowerBound) / span * (Self.width - Self.left - 20)
    }
    let bottom = Self.top + Double(axis.rows.count) * Self.rowHeight
    var svg =
      "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(bottom + 8))\" role=\"img\" "
      + "aria-label=\"what each node did when, from \(TimelineText.time(range.lowerBound)) to \(TimelineText.time(range.upperBound))\">\n"
    for tick in Self.ticks(range) {
      svg +=
        "<line class=\"grid\" x1=\"\(Self.number(x(tick)))\" x2=\"\(Self.number(x(tick)))\" y1=\"\(Self.number(Self.top - 4))\" y2=\"\(Self.number(bottom))\"/>"
        + "<text class=\"tick\" text-anchor=\"middle\" x=\"\(Self.number(x(tick)))\" y=\"14\">\(Self.tickLabel(tick, span))</text>\n"
    }
    for (index, row) in axis.rows.enumerated() {
      svg += bar(row, Self.top + Double(index) * Self.rowHeight, range, x)
    }
    if axis.hasInstant, range.contains(0) {
      svg +=
        "<line class=\"instant\" x1=\"\(Self.number(x(0)))\" x2=\"\(Self.number(x(0)))\" y1=\"\(Self.number(Self.top - 6))\" y2=\"\(Self.number(bottom))\"/>\n"
    }
    return svg + "</svg>\n"
  }

  private func bar(
    _ row: TimelineAxis.Row, _ y: Double, _ range: ClosedRange<Int64>, _ x: (Int64) -> Double
  ) -> String {
    var svg =
      "<text class=\"node\" x=\"\(Self.number(Self.left - 10))\" y=\"\(Self.number(y + 16))\" text-anchor=\"end\">\(HTML.escaped(Self.short(row.node)))<title>\(HTML.escaped(row.node))</title></text>\n"
    for stretch in row.stretches
    where stretch.to >= range.lowerBound && stretch.from <= range.upperBound {
      let (from, to) = (x(stretch.from), x(stretch.to))
      svg +=
        "<rect class=\"\(stretch.activity.rawValue)\" x=\"\(Self.number(from))\" y=\"\(Self.number(y + 4))\" width=\"\(Self.number(max(to - from, 1)))\" height=\"16\"><title>\(HTML.escaped(row.node)): \(stretch.activity.title), \(TimelineText.time(stretch.from)) to \(TimelineText.time(stretch.to))</title></rect>\n"
    }
    if let end = row.end, range.contains(end.at) {
      let kind = end.phase == .confirmed ? "good" : "bad"
      svg +=
        "<circle class=\"\(kind)\" cx=\"\(Self.number(x(end.at)))\" cy=\"\(Self.number(y + 12))\" r=\"6\"><title>\(HTML.escaped("\(row.node): \(end.phase.text) \(TimelineText.time(end.at))"))</title></circle>\n"
    }
    if let problem = row.problem {
      svg +=
        "<text class=\"problem\" x=\"\(Self.number(Self.left + 6))\" y=\"\(Self.number(y + 16))\">\(HTML.escaped(problem))</text>\n"
    }
    return svg
  }

  /// Round numbers, at most some ten of them.
  static func ticks(_ range: ClosedRange<Int64>) -> [Int64] {
    let span = max(1, range.upperBound - range.lowerBound)
    var step: Int64 = 1_000
    let factors: [Int64] = [2, 5, 10]
    var next = 0
    var base: Int64 = 1_000
    while span / step > 9 {
      step = base * factors[next]
      next += 1
      if next == factors.count { (next, base) = (0, step) }
    }
    let first = range.lowerBound / step * step
    return stride(from: first, through: range.upperBound, by: Int64.Stride(step))
      .filter { range.contains($0) }
  }

  private static func tickLabel(_ at: Int64, _ span: Double) -> String {
    if at == 0 { return "0" }
    let sign = at < 0 ? "\u{2212}" : "+"
    let size = at.magnitude
    if size % 1_000_000_000 == 0 { return "\(sign)\(size / 1_000_000_000) s" }
    if span >= 2e9 { return "\(sign)\(Double(size / 100_000_000) / 10) s" }
    if size % 1_000_000 == 0 { return "\(sign)\(size / 1_000_000) ms" }
    return "\(sign)\(Double(size / 100_000) / 10) ms"
  }

  private static func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
  }

  private static func short(_ name: String) -> String {
    name.count <= 20 ? name : name.prefix(19) + "\u{2026}"
  }

  private var legend: String {
    let used = TimelineActivity.allCases.filter { activity in
      axis.rows.contains { $0.stretches.contains { $0.activity == activity } }
    }
    let items = used.map { "<li><span class=\"key \($0.rawValue)\"></span>\($0.title)</li>" }
    return "<ul class=\"legend\">\(items.joined())"
      + "<li><span class=\"key round good\"></span>confirmed</li>"
      + "<li><span class=\"key round bad\"></span>ended otherwise</li></ul>\n"
  }

  // MARK: tables

  private var spreads: String {
    HTML.table(
      ["step", "first", "last", "apart", "last node", "nodes"],
      axis.spreads.map { spread in
        [
          spread.step.rawValue, TimelineText.time(spread.first), TimelineText.time(spread.last),
          TimelineText.duration(spread.last - spread.first), spread.lastNode,
          "\(spread.count) of \(axis.rows.count)",
        ]
      })
  }

  private var nodes: String {
    let steps: [TimelineAxis.Step] = [.checked, .voted, .stop, .start, .ready]
    return HTML.table(
      ["node"] + steps.map(\.rawValue) + ["end", "outcome", "why"],
      axis.rows.map { row in
        [row.node] + steps.map { row.time(of: $0).map(TimelineText.time) ?? "" }
          + [
            row.end.map { TimelineText.time($0.at) } ?? "",
            row.word + (row.isByWallClock ? " (placed by its wall clock)" : ""), row.reason,
          ]
      })
  }

  private func steps(_ row: TimelineAxis.Row) -> String {
    "<details><summary>\(HTML.escaped(row.node))</summary>\n"
      + HTML.table(
        ["when", "step", "detail"],
        row.marks.map { [TimelineText.time($0.at), $0.phase.text, $0.detail] })
      + "</details>\n"
  }

  private static let style = """
    :root { color-scheme: light dark; --text: #1f2630; --dim: #66707d; --line: #dfe3e8; --page: #fff;
      --checking: #c3cbd6; --waiting: #93a1b5; --armed: #e3b94d; --stopping: #d9774b;
      --starting: #4f8fcf; --verifying: #5bb39b; --good: #2b8a4b; --bad: #c9342b; }
    @media (prefers-color-scheme: dark) { :root { --text: #e4e8ee; --dim: #98a2b0; --line: #363d47;
      --page: #16191e; --checking: #4d5764; --waiting: #6f7f95; --good: #43b36a; --bad: #ea5a50; } }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
      max-width: 1080px; margin: 2em auto; padding: 0 1.5em; }
    h1 { font-size: 1.5em; margin: 0 0 .4em; } h2 { font-size: 1.1em; margin: 2em 0 .5em; }
    p { margin: .1em 0; color: var(--dim); } p.recap { color: var(--text); font-weight: 600; }
    svg { width: 100%; height: auto; display: block; }
    svg text { font: 12px system-ui, sans-serif; fill: var(--text); }
    svg text.tick, svg text.problem { fill: var(--dim); font-size: 11px; }
    .grid { stroke: var(--line); } .instant { stroke: var(--text); stroke-width: 1.5; }
    .checking { fill: var(--checking); background: var(--checking); }
    .waiting { fill: var(--waiting); background: var(--waiting); }
    .armed { fill: var(--armed); background: var(--armed); }
    .stopping { fill: var(--stopping); background: var(--stopping); }
    .starting { fill: var(--starting); background: var(--starting); }
    .verifying { fill: var(--verifying); background: var(--verifying); }
    .good { fill: var(--good); background: var(--good); }
    .bad { fill: var(--bad); background: var(--bad); }
    circle { stroke: var(--page); stroke-width: 1.5; }
    ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .3em 1.4em; padding: 0;
      margin: .6em 0 0; font-size: .87em; }
    .key { display: inline-block; width: 1em; height: .75em; margin-right: .45em; border-radius: 2px; }
    .key.round { width: .75em; border-radius: 50%; }
    table { border-collapse: collapse; width: 100%; font-size: .9em;
      font-variant-numeric: tabular-nums; }
    th { text-align: left; font-weight: 600; color: var(--dim); }
    th, td { padding: .25em .9em .25em 0; border-bottom: 1px solid var(--line);
      vertical-align: top; white-space: nowrap; }
    td:last-child { width: 100%; white-space: normal; overflow-wrap: anywhere; }
    details { margin: .4em 0; } summary { cursor: pointer; }
    """
}
