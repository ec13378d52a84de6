// SPDX-License-Identifier: Apache-2.0

/// Rows and columns for people: two blanks between columns, nothing after the last cell of a row.
enum TextTable {
  /// Rows may be shorter than the header.
  static func lines(_ header: [String], _ rows: [[StyledText]]) -> [StyledLine] {
    let all = [header.map { StyledText($0) }] + rows
    let widths = header.indices.map { column in
      all.map { column < $0.count ? $0[column].text.count : 0 }.max() ?? 0
    }
    return all.map { row in
      let last = row.lastIndex { !$0.text.isEmpty } ?? 0
      let cells = row.prefix(last + 1).enumerated().flatMap { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.text.count + 2)
        return column == last ? [cell] : [cell, StyledText(space)]
      }
      return StyledLine(cells)
    }
  }

  static func lines(_ header: [String], _ rows: [[String]]) -> [String] {
    lines(header, rows.map { row in row.map { StyledText($0) } }).map(\.plain)
  }

  /// The same at most so wide: if the table is wider, a paragraph for each row, headed by its first
  /// cell.
  static func lines(_ header: [String], _ rows: [[String]], columns: Int) -> [String] {
    let table = lines(header, rows)
    if table.allSatisfy({ $0.count <= columns }) { return table }
    let width = (header.map(\.count).max() ?? 0) + 2
    return rows.flatMap { row in
      zip(header, row).enumerated().flatMap { index, cell in
        let label = (index == 0 ? "" : "  ") + cell.0
        let space = String(repeating: " ", count: max(1, width + 2 - label.count))
        return cell.1.isEmpty
          ? [] : Wrapping.lines(label + space + cell.1, columns: columns, indent: width + 2)
      }
    }
  }
}
