// SPDX-License-Identifier: Apache-2.0

/// Lists of names as people write them: `minio-[1-3,5]`.
package enum NodeNames {
  /// The names, those that differ only in the last number of their first label folded into one;
  /// separated by commas, in the order in which each group first appears, numbers ascending.
  package static func folded(_ names: [String]) -> String {
    let groups = grouped(
      names.map { name in
        let (shape, number) = split(name)
        return (name: number, value: shape)
      })
    return groups.map { text($0.value, $0.names.compactMap(\.self)) }.joined(separator: ", ")
  }

  /// `1 node`, `4 nodes`.
  package static func counted(_ count: Int) -> String { "\(count) node\(count == 1 ? "" : "s")" }

  /// Groups equal values with the names of all that have them, in the order of the first of each.
  package static func grouped<Name, Value: Hashable>(_ rows: [(name: Name, value: Value)])
    -> [(names: [Name], value: Value)]
  {
    var groups: [(names: [Name], value: Value)] = []
    var places: [Value: Int] = [:]
    for row in rows {
      if let place = places[row.value] {
        groups[place].names.append(row.name)
      } else {
        places[row.value] = groups.count
        groups.append(([row.name], row.value))
      }
    }
    return groups
  }

  /// `minio-[1-3]: text`: a line for all of which the same is said.
  package static func lines(_ rows: [(name: String, value: String)]) -> [String] {
    grouped(rows).map { "\(folded($0.names)): \($0.value)" }
  }

  /// A name without its number.
  private struct Shape: Hashable {
    var prefix: String
    var suffix: String
    /// Digits of the number where it has leading zeros, else 0.
    var width: Int
  }

  private static func split(_ name: String) -> (Shape, Int?) {
    let label = name.prefix { $0 != "." }
    guard let last = label.lastIndex(where: \.isASCIIDigit) else {
      return (Shape(prefix: name, suffix: "", width: 0), nil)
    }
    let end = label.index(after: last)
    let digits = label[..<end].reversed().prefix(while: \.isASCIIDigit).reversed()
    let start = label.index(end, offsetBy: -digits.count)
    // A number that counts nodes, and can be added to.
    guard let number = Int32(String(digits)).map(Int.init) else {
      return (Shape(prefix: name, suffix: "", width: 0), nil)
    }
    let width = digits.count > 1 && digits.first == "0" ? digits.count : 0
    return (
      Shape(prefix: String(name[..<start]), suffix: String(name[end...]), width: width), number
    )
  }

  private static func text(_ shape: Shape, _ numbers: [Int]) -> String {
    if numbers.isEmpty { return shape.prefix + shape.suffix }
    var ranges: [ClosedRange<Int>] = []
    for number in numbers.sorted() {
      if let last = ranges.last, number <= last.upperBound + 1 {
        ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, number)
      } else {
        ranges.append(number...number)
      }
    }
    let parts = ranges.map { range in
      let low = String(range.lowerBound).zeroPadded(to: shape.width)
      let high = String(range.upperBound).zeroPadded(to: shape.width)
      return range.count == 1 ? low : "\(low)-\(high)"
    }
    let single = ranges.count == 1 && ranges[0].count == 1
    return shape.prefix + (single ? parts[0] : "[\(parts.joined(separator: ","))]") + shape.suffix
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}
