// SPDX-License-Identifier: Apache-2.0

/// Rows and columns for people.
enum TextTable {
  /// The lines of a table: two blanks between columns, nothing behind the last.
  static func lines(_ header: [String], _ rows: [[String]]) -> [String] {
    let all = [header] + rows
    let widths = header.indices.map { column in
      all.map { $0[column].count }.max() ?? 0
    }
    return all.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        line += cell
        let last = row[(column + 1)...].allSatisfy(\.isEmpty)
        if last { break }
        line += String(repeating: " ", count: widths[column] - cell.count + 2)
      }
      return line
    }
  }
}
