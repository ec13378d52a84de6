// SPDX-License-Identifier: Apache-2.0

enum Wrapping {
  /// `text` broken between its words into lines of at most `columns` characters, all but the first
  /// after `indent` blanks. A longer word has a line for itself; blanks at the beginning stay.
  static func lines(_ text: String, columns: Int, indent: Int = 0) -> [String] {
    if text.count <= columns { return [text] }
    var lines: [String] = []
    var line = String(text.prefix { $0 == " " })
    var isEmpty = true
    for word in text.dropFirst(line.count).split(separator: " ", omittingEmptySubsequences: false) {
      if !isEmpty, line.count + 1 + word.count > columns {
        lines.append(line)
        line = String(repeating: " ", count: indent)
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return lines + [line]
  }
}
