// SPDX-License-Identifier: Apache-2.0

/// A set of nodes: `minio-3`, `minio-[1-3,5]`, `rack[1-2]-minio[1-4]`, several with commas, or as
/// MinIO writes it, `minio-{1...4}`. The reverse of ``NodeNames/folded(_:)``.
struct NodeSet: Sendable, Hashable {
  private struct Range: Sendable, Hashable {
    var numbers: ClosedRange<Int>
    /// Digits of a number with leading zeros, else 0.
    var width: Int
  }
  private enum Part: Sendable, Hashable {
    case text(String)
    case number([Range])
  }

  let text: String
  private let patterns: [[Part]]

  init?(_ text: String) {
    var patterns: [[Part]] = []
    for piece in Self.pieces(of: text) {
      guard !piece.isEmpty, let parts = Self.parts(of: piece) else { return nil }
      patterns.append(parts)
    }
    self.text = text
    self.patterns = patterns
  }

  func contains(_ name: String) -> Bool { patterns.contains { Self.match($0, name[...]) } }

  private static func match(_ parts: [Part], _ name: Substring) -> Bool {
    var rest = name
    for part in parts {
      switch part {
      case .text(let text):
        guard rest.hasPrefix(text) else { return false }
        rest = rest.dropFirst(text.count)
      case .number(let ranges):
        let digits = rest.prefix(while: isDigit)
        guard let number = Int(digits),
          ranges.contains(where: { range in
            range.numbers.contains(number)
              && (range.width > 0
                ? digits.count == range.width : digits.count == String(number).count)
          })
        else { return false }
        rest = rest.dropFirst(digits.count)
      }
    }
    return rest.isEmpty
  }

  private static func pieces(of text: String) -> [Substring] {
    var isInside = false
    return text.split(omittingEmptySubsequences: false) { character in
      if character == "[" || character == "{" { isInside = true }
      if character == "]" || character == "}" { isInside = false }
      return character == "," && !isInside
    }
  }

  private static func parts(of piece: Substring) -> [Part]? {
    var parts: [Part] = []
    var rest = piece
    while let open = rest.firstIndex(where: { "[]{}".contains($0) }) {
      let (close, separator): (Character, String) = rest[open] == "[" ? ("]", "-") : ("}", "...")
      guard rest[open] == "[" || rest[open] == "{", let end = rest[open...].firstIndex(of: close)
      else { return nil }
      if open > rest.startIndex { parts.append(.text(String(rest[..<open]))) }
      let inside = rest[rest.index(after: open)..<end]
      var ranges: [Range] = []
      for text in inside.split(separator: ",", omittingEmptySubsequences: false) {
        guard let range = range(text, separator) else { return nil }
        ranges.append(range)
      }
      parts.append(.number(ranges))
      rest = rest[rest.index(after: end)...]
    }
    if !rest.isEmpty { parts.append(.text(String(rest))) }
    return parts
  }

  private static func range(_ text: Substring, _ separator: String) -> Range? {
    let bounds = text.split(separator: separator, omittingEmptySubsequences: false)
    guard (1...2).contains(bounds.count), bounds.allSatisfy({ $0.allSatisfy(isDigit) }),
      let low = Int(bounds[0]), let high = Int(bounds[bounds.count - 1]), low <= high
    else { return nil }
    let isPadded = bounds[0].count > 1 && bounds[0].first == "0"
    return Range(numbers: low...high, width: isPadded ? bounds[0].count : 0)
  }

  private static func isDigit(_ character: Character) -> Bool {
    character.isASCII && character.isNumber
  }
}
