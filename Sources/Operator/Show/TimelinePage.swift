// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout

/// A rollout's timeline as one HTML page: no script, nothing from elsewhere, and a policy that
/// forbids both. Whatever is not ours is escaped.
struct TimelinePage: Sendable {
  let axis: TimelineAxis
  let cluster: String
  /// What the rollout has changed in the files, secrets as identities; nodes with the same together.
  var changes: [(nodes: String, lines: [String])] = []

  var text: String {
    let title = "Rollout \(axis.id) of \(cluster)"
    let verdict = TimelineVerdict(axis: axis)
    var body = "<h1>\(HTML.escaped(title))</h1>\n"
    body += "<p class=\"verdict \(verdict.tone)\">\(HTML.escaped(verdict.headline))</p>\n"
    body += HTML.list("why", verdict.causes) + HTML.list("next", verdict.steps)
    body += "<p class=\"recap\">\(HTML.escaped(recap))</p>\n"
    body += TimelineText(axis: axis).heading.map { "<p>\(HTML.escaped($0))</p>\n" }.joined()
    for change in changes {
      body += "<h2>Settings\(HTML.escaped(change.nodes))</h2>\n<pre>"
      body += change.lines.map { HTML.escaped($0) }.joined(separator: "\n") + "</pre>\n"
    }
    body += "<h2>The whole rollout</h2>\n" + charts(axis.range) + legend
    if let near { body += "<h2>Around the instant</h2>\n" + charts(near) }
    body += "<h2>How far apart</h2>\n" + spreads
    body += "<h2>Nodes</h2>\n" + nodes + "<h2>Every step</h2>\n"
    body += axis.rows.map(steps).joined()
    return HTML.page(title, body)
  }

  /// The chart for a wide page and for a narrow one, of which the style shows one.
  private func charts(_ range: ClosedRange<Int64>) -> String {
    "<div class=\"wide\">\(chart(range, .wide))</div>"
      + "<div class=\"narrow\">\(chart(range, .narrow))</div>\n"
  }

  private var recap: String {
    let kinds = axis.rows.map { $0.outcome?.kind ?? .unknown }
    let restarts = axis.head?.withoutRestart != true
    var text = Ending.counts(of: kinds, of: restarts ? "starts" : "nodes")
    let brokenOff = axis.rows.filter { $0.outcome?.isBrokenOff ?? false }.map(\.node)
    if !brokenOff.isEmpty {
      text += ", of which \(NodeNames.folded(brokenOff)) not watched to the end"
    }
    if !restarts { text += "; no server was restarted" }
    if let skew = axis.skew(of: .start) {
      text += "; starts within \(TimelineText.duration(skew))"
    }
    if let skew = axis.skew(of: .stop) { text += ", stops within \(TimelineText.duration(skew))" }
    if let outage = axis.writeOutage { text += "; no writes for \(TimelineText.duration(outage))" }
    if let outage = axis.outage {
      text += "; from the first stop until every server served \(TimelineText.duration(outage))"
    }
    return text
  }

  // MARK: charts

  /// How wide a chart is drawn, in the units of its text.
  private struct Size {
    var width: Double
    /// Where the names of the nodes end.
    var left: Double
    /// Characters of a name.
    var name: Int
    /// Labels at the most.
    var labels: Int

    static let wide = Size(width: 1_000, left: 150, name: 20, labels: 10)
    static let narrow = Size(width: 380, left: 84, name: 11, labels: 4)
  }

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

  private func chart(_ range: ClosedRange<Int64>, _ size: Size) -> String {
    let span = Double(max(1, range.upperBound - range.lowerBound))
    func x(_ at: Int64) -> Double {
      let at = min(max(at, range.lowerBound), range.upperBound)
      return size.left + Double(at - range.lowerBound) / span * (size.width - size.left - 20)
    }
    let bottom = Self.top + Double(axis.rows.count) * Self.rowHeight
    var svg =
      "<svg viewBox=\"0 0 \(Int(size.width)) \(Int(bottom + 8))\" role=\"img\" "
      + "aria-label=\"what each node did when, from \(TimelineText.time(range.lowerBound)) to \(TimelineText.time(range.upperBound))\">\n"
    let ticks = Self.ticks(range)
    let every = (ticks.count + size.labels - 1) / size.labels
    for (number, tick) in ticks.enumerated() {
      svg +=
        "<line class=\"grid\" x1=\"\(Self.number(x(tick)))\" x2=\"\(Self.number(x(tick)))\" y1=\"\(Self.number(Self.top - 4))\" y2=\"\(Self.number(bottom))\"/>"
      if number % max(1, every) == 0 {
        svg +=
          "<text class=\"tick\" text-anchor=\"middle\" x=\"\(Self.number(x(tick)))\" y=\"14\">\(Self.tickLabel(tick, span))</text>\n"
      }
    }
    for (index, row) in axis.rows.enumerated() {
      svg += bar(row, Self.top + Double(index) * Self.rowHeight, range, size, x)
    }
    if axis.hasInstant, range.contains(0) {
      svg +=
        "<line class=\"instant\" x1=\"\(Self.number(x(0)))\" x2=\"\(Self.number(x(0)))\" y1=\"\(Self.number(Self.top - 6))\" y2=\"\(Self.number(bottom))\"/>\n"
    }
    return svg + "</svg>\n"
  }

  private func bar(
    _ row: TimelineAxis.Row, _ y: Double, _ range: ClosedRange<Int64>, _ size: Size,
    _ x: (Int64) -> Double
  ) -> String {
    var svg =
      "<text class=\"node\" x=\"\(Self.number(size.left - 10))\" y=\"\(Self.number(y + 16))\" text-anchor=\"end\">\(HTML.escaped(Self.short(row.node, size.name)))<title>\(HTML.escaped(row.node))</title></text>\n"
    for stretch in row.stretches
    where stretch.to >= range.lowerBound && stretch.from <= range.upperBound {
      let (from, to) = (x(stretch.from), x(stretch.to))
      svg +=
        "<rect class=\"\(stretch.activity.rawValue)\" x=\"\(Self.number(from))\" y=\"\(Self.number(y + 4))\" width=\"\(Self.number(max(to - from, 1)))\" height=\"16\"><title>\(HTML.escaped(row.node)): \(stretch.activity.title), \(TimelineText.time(stretch.from)) to \(TimelineText.time(stretch.to))</title></rect>\n"
    }
    if let start = row.time(of: .start), range.contains(start) {
      svg +=
        "<line class=\"start\" x1=\"\(Self.number(x(start)))\" x2=\"\(Self.number(x(start)))\" y1=\"\(Self.number(y + 1))\" y2=\"\(Self.number(y + 23))\"><title>\(HTML.escaped(row.node)): started \(TimelineText.time(start))</title></line>\n"
    }
    if let end = row.end, range.contains(end.at) {
      let kind = end.phase == .confirmed ? "good" : "bad"
      svg +=
        "<circle class=\"\(kind)\" cx=\"\(Self.number(x(end.at)))\" cy=\"\(Self.number(y + 12))\" r=\"6\"><title>\(HTML.escaped("\(row.node): \(end.phase.text) \(TimelineText.time(end.at))"))</title></circle>\n"
    }
    if let problem = row.problem {
      svg +=
        "<text class=\"problem\" x=\"\(Self.number(size.left + 6))\" y=\"\(Self.number(y + 16))\">\(HTML.escaped(problem))</text>\n"
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

  private static func short(_ name: String, _ room: Int) -> String {
    name.count <= room ? name : name.prefix(room - 1) + "\u{2026}"
  }

  private var legend: String {
    let used = TimelineActivity.allCases.filter { activity in
      axis.rows.contains { $0.stretches.contains { $0.activity == activity } }
    }
    let items = used.map { "<li><span class=\"key \($0.rawValue)\"></span>\($0.title)</li>" }
    return "<ul class=\"legend\">\(items.joined())"
      + "<li><span class=\"key tick\"></span>server started</li>"
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
      ["node"] + steps.map(\.rawValue) + ["end", "outage", "outcome", "why"],
      axis.rows.map { row in
        [row.node] + steps.map { row.time(of: $0).map(TimelineText.time) ?? "" }
          + [
            row.end.map { TimelineText.time($0.at) } ?? "",
            row.outage.map(TimelineText.duration) ?? "",
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
}
