// SPDX-License-Identifier: Apache-2.0

/// A piece of a line, and whether it has a colour.
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

/// A line for people. Whatever its colours say, its words say too.
struct StyledLine: Sendable, Hashable {
  var parts: [StyledText]

  init(_ parts: [StyledText]) { self.parts = parts }
  init(_ text: String) { parts = [StyledText(text)] }

  var plain: String { parts.map(\.text).joined() }

  /// The line as it is written: at most `columns` characters, nothing in it that drives a terminal
  /// but the colours.
  func rendered(color: Bool, columns: Int = .max) -> String {
    var room = columns
    var result = ""
    for part in parts {
      let text = String(Console.visible(part.text).prefix(max(0, room)))
      room -= text.count
      guard color, let code = part.color, !text.isEmpty else {
        result += text
        continue
      }
      result += "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
    return result
  }
}

extension Console {
  /// A line on the way to the result, for people; not with `--quiet`.
  func progress(_ line: StyledLine) {
    guard !isQuiet, format == .text else { return }
    host.write(line.rendered(color: hasColor) + "\n", to: .standardOutput)
  }
}

/// Lines that are drawn over the last ones on a terminal.
struct Redrawing {
  private let console: Console
  /// How many lines stand on the terminal now.
  private var drawn = 0

  init(_ console: Console) { self.console = console }

  /// Draws the lines in place of the last; what does not fit on the screen is counted.
  mutating func draw(_ lines: [StyledLine]) {
    guard let size = console.host.terminal(.standardOutput) else { return }
    let room = max(3, size.rows - 1)
    var shown = lines
    if lines.count > room {
      shown = lines.prefix(room - 1) + [StyledLine("... \(lines.count - room + 1) more lines")]
    }
    var text = drawn == 0 ? "" : "\u{1B}[\(drawn)A"
    for line in shown {
      text +=
        "\r\u{1B}[2K"
        + line.rendered(color: console.hasColor, columns: max(20, size.columns - 1)) + "\n"
    }
    if drawn > shown.count { text += "\u{1B}[J" }
    drawn = shown.count
    console.host.write(text, to: .standardOutput)
  }
}
