// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A piece of a line, perhaps coloured.
struct StyledText: Sendable, Hashable {
  enum Style: Sendable, Hashable {
    case plain
    case good
    case doubtful
    case bad
  }

  var text: String
  var style: Style

  init(_ text: String, _ style: Style = .plain) {
    self.text = text
    self.style = style
  }

  /// SGR parameters (ECMA-48, 8.3.117).
  fileprivate var color: String? {
    switch style {
    case .plain: nil
    case .good: "32"
    case .doubtful: "33"
    case .bad: "31"
    }
  }
}

/// A line for people. Its words say what its colours say.
struct StyledLine: Sendable, Hashable {
  var parts: [StyledText]

  init(_ parts: [StyledText]) { self.parts = parts }
  init(_ text: String) { parts = [StyledText(text)] }
  init(_ names: [String], _ text: StyledText) {
    parts = [StyledText("\(NodeNames.folded(names)): "), text]
  }

  var plain: String { parts.map(\.text).joined() }

  /// At most so many visible characters; three dots stand for what is cut off.
  func cut(to columns: Int) -> StyledLine {
    var line = StyledLine(parts.map { StyledText(Console.visible($0.text), $0.style) })
    if line.plain.count <= columns { return line }
    var room = columns - 3
    for index in line.parts.indices {
      line.parts[index].text = String(line.parts[index].text.prefix(max(0, room)))
      room -= line.parts[index].text.count
    }
    line.parts[line.parts.count - 1].text += "..."
    return line
  }

  /// As it is written: only the colours drive the terminal.
  func rendered(color: Bool) -> String {
    parts.map { part in
      let text = Console.visible(part.text)
      guard color, let code = part.color, !text.isEmpty else { return text }
      return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }.joined()
  }
}

extension Console {
  /// A line of a difference, which is green where it adds and red where it removes.
  static func difference(_ text: String) -> StyledLine {
    let style: StyledText.Style =
      switch text.first(where: { $0 != " " }) {
      case "+": .good
      case "-": .bad
      default: .plain
      }
    return StyledLine([StyledText(text, style)])
  }

  /// A line of the result, for people.
  func line(_ line: StyledLine) {
    guard format == .text else { return }
    host.write(line.rendered(color: hasColor) + "\n", to: .standardOutput)
  }

  func progress(_ line: StyledLine) {
    guard !isQuiet, format == .text else { return }
    host.write(line.rendered(color: hasColor) + "\n", to: .standardOutput)
  }
}

/// Lines that are drawn over the last ones on a terminal.
struct Redrawing {
  private let console: Console
  /// What is on the terminal now, and how wide the terminal was.
  private var drawn: [StyledLine] = []
  private var columns = 0

  init(_ console: Console) { self.console = console }

  /// Draws over the last lines; those that do not fit on the screen are counted.
  mutating func draw(_ lines: [StyledLine]) {
    guard let size = console.host.terminal(.standardOutput) else { return }
    let room = max(3, size.rows - 1)
    var shown = lines
    if lines.count > room {
      shown = lines.prefix(room - 1) + [StyledLine("... \(lines.count - room + 1) more lines")]
    }
    shown = shown.map { $0.cut(to: max(20, size.columns - 1)) }
    if shown == drawn, size.columns == columns { return }
    var text = ""
    if !drawn.isEmpty {
      // A terminal that became narrower has broken the old lines.
      let above = drawn.reduce(0) {
        $0 + max(1, ($1.plain.count + size.columns - 1) / size.columns)
      }
      text += "\u{1B}[\(min(above, max(1, size.rows - 1)))A\r"
      if size.columns != columns { text += "\u{1B}[J" }
    }
    for line in shown { text += "\r\u{1B}[2K" + line.rendered(color: console.hasColor) + "\n" }
    if drawn.count > shown.count { text += "\u{1B}[J" }
    (drawn, columns) = (shown, size.columns)
    console.host.write(text, to: .standardOutput)
  }
}
