// SPDX-License-Identifier: Apache-2.0

/// What stands on a terminal after some output, of which only what `keyturn` writes is understood:
/// carriage return, line feed, cursor up, erase to the end of line and screen, colours.
struct Screen {
  private(set) var lines: [String] = [""]
  private var row = 0
  private var column = 0

  init(_ output: String) {
    var rest = output.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "\n":
        (row, column) = (row + 1, 0)
        if row == lines.count { lines.append("") }
      case "\r": column = 0
      case "\u{1B}":
        rest = rest.dropFirst()
        let digits = rest.prefix { ("0"..."9").contains($0) }
        rest = rest.dropFirst(digits.count)
        let final = rest.popFirst()
        perform(final.map(Character.init) ?? " ", Int(String(digits)) ?? 0)
      default:
        var line = Array(lines[row])
        while line.count <= column { line.append(" ") }
        line[column] = Character(scalar)
        lines[row] = String(line)
        column += 1
      }
    }
  }

  private mutating func perform(_ final: Character, _ number: Int) {
    switch final {
    case "A": row = max(0, row - max(1, number))
    case "K": lines[row] = ""
    case "J":
      lines.removeSubrange((row + 1)...)
      lines[row] = String(lines[row].prefix(column))
    default: break
    }
  }
}
