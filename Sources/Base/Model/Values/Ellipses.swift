// SPDX-License-Identifier: Apache-2.0

/// The server's `{1...3}` patterns, expanded as it does (minio/pkg, ellipses): decimal numbers,
/// zero padded to the width of the second when either begins with a zero, several to a text, the
/// first changing fastest.
package enum Ellipses {
  /// What is wrong with a pattern, a clause that follows "the pattern".
  package struct Problem: Error, Equatable {
    package var message: String
    /// Whether it is well formed, and stands for too much.
    package var isOfSize = false

    fileprivate static func beyond(_ limit: Int) -> Problem {
      Problem(message: "stands for more than \(limit) hosts", isOfSize: true)
    }
  }

  /// The longest text with a pattern, bytes: each that it stands for is as long.
  private static let patternBytes = 1_024

  /// Whether the server takes `text` for a pattern.
  package static func occur(in text: String) -> Bool {
    text.contains("...") || (text.contains("{") && text.contains("}"))
  }

  /// The texts that a pattern stands for, at most `limit`.
  package static func expand(_ text: String, limit: Int) throws(Problem) -> [String] {
    guard text.utf8.count <= patternBytes || !text.contains("{") else {
      throw Problem(message: "is longer than \(patternBytes) bytes", isOfSize: true)
    }
    // All of it is read before any text is made.
    var parts: [(literal: Substring, numbers: Numbers)] = []
    var count = 1
    var rest = text[...]
    while let open = rest.firstIndex(of: "{") {
      guard let close = rest[open...].firstIndex(of: "}") else {
        throw Problem(message: "has a { without its }")
      }
      let literal = rest[..<open]
      try checkLiteral(literal)
      let numbers = try numbers(rest[rest.index(after: open)..<close])
      parts.append((literal, numbers))
      let (product, overflow) = count.multipliedReportingOverflow(by: numbers.range.count)
      count = overflow ? .max : product
      rest = rest[rest.index(after: close)...]
    }
    try checkLiteral(rest)
    if count > limit { throw Problem.beyond(limit) }
    var texts = [""]
    for (literal, numbers) in parts {
      texts = numbers.texts.flatMap { number in texts.map { $0 + literal + number } }
    }
    return texts.map { $0 + rest }
  }

  private static func checkLiteral(_ literal: Substring) throws(Problem) {
    if literal.contains("}") { throw Problem(message: "has a } without its {") }
    if literal.contains("...") { throw Problem(message: "has ... outside of { and }") }
  }

  private struct Numbers {
    var range: ClosedRange<Int>
    /// Digits that each has at least.
    var width: Int

    var texts: [String] {
      range.map { number in
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
      }
    }
  }

  private static func numbers(_ text: Substring) throws(Problem) -> Numbers {
    let bad = Problem(message: "must have the form {FIRST...LAST} with two decimal numbers")
    guard let dots = text.utf8.firstIndex(of: 0x2E), text[dots...].hasPrefix("...") else {
      throw bad
    }
    let first = text[..<dots]
    let last = text[dots...].dropFirst(3)
    // Nine digits are enough for every port and host number, and cannot overflow.
    guard first.isDigits, last.isDigits, first.utf8.count <= 9,
      last.utf8.count <= 9, let from = Int(first), let to = Int(last)
    else { throw bad }
    guard from <= to else { throw Problem(message: "counts down from \(from) to \(to)") }
    let isPadded = (first.hasPrefix("0") && first.utf8.count > 1) || last.hasPrefix("0")
    return Numbers(range: from...to, width: isPadded ? last.utf8.count : 0)
  }
}
