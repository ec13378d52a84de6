// SPDX-License-Identifier: Apache-2.0
internal import Model

/// Takes secrets out of text, whatever printed it.
///
/// It removes three things: every known secret value, plain, URL-encoded, escaped as in JSON or in
/// base64, alone or within other text; everything that looks like an API key (`k1:` or `k2:` and 43
/// or more characters), known or not; and the value in `NAME=value` where ``SecretVariables`` has
/// the name. The last may remove more than the value if its end is unknown. Time is linear in the
/// text.
package struct Redactor: Sendable {
  /// What stands in place of a secret.
  package static let placeholder = "<redacted>"
  /// Shorter values, in UTF-8 bytes, are not looked for: they would be found in everything. Less
  /// than ``SecretTexts/shortestBytes``, because a log should rather lose a word than show a
  /// secret, while a finding without its value tells an operator nothing.
  package static let minimumBytes = 6

  private var needles: [(needle: ByteNeedle, label: String)] = []

  /// Looks for what looks like a key, and for assignments, alone.
  package init() {}

  /// Looks for the secret values of an environment. `label` gives the text in place of a secret,
  /// for an API key its identity; nil gives ``placeholder``.
  package init(
    environment: [(name: String, value: String)],
    label: (_ name: String, _ value: Secret) -> String? = { _, _ in nil }
  ) {
    for (name, value) in environment where SecretVariables.contains(name) {
      add(Secret(value), label: label(name, Secret(value)))
    }
  }

  /// Looks for this value too, for its lines if it has several, and for what follows its last `:`
  /// if that is long enough to be a key.
  package mutating func add(_ secret: Secret, label: String? = nil) {
    let whole = Array(secret.reveal().utf8)
    var values = [whole]
    if let first = whole.first, whole.count > 2, first == whole.last, first == 0x22 || first == 0x27
    {
      values.append(Array(whole[1..<(whole.count - 1)]))
    }
    values += whole.split { $0 == 0x0A || $0 == 0x0D }.map(Array.init)
    if let colon = whole.lastIndex(of: UInt8(ascii: ":")), whole.count - colon > 20 {
      values.append(Array(whole[(colon + 1)...]))
    }
    for value in values where value.count >= Self.minimumBytes {
      for needle in [value] + Base64.traces(of: value)
      where !needles.contains(where: { $0.needle.bytes == needle }) {
        needles.append((ByteNeedle(needle), label ?? Self.placeholder))
      }
    }
  }

  package func redact(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var spans: [Span] = Self.assignments(in: bytes)
    for view in View.all(of: bytes) {
      for (needle, label) in needles {
        for range in needle.ranges(in: view.bytes) {
          spans.append(Span(range: view.origin(of: range), label: label))
        }
      }
      for range in Self.keys(in: view.bytes) {
        spans.append(Span(range: view.origin(of: range), label: Self.placeholder))
      }
    }
    guard !spans.isEmpty else { return text }
    // Overlapping spans become one, with a known secret's label if one of them has it.
    spans.sort {
      ($0.range.lowerBound, $1.range.upperBound) < ($1.range.lowerBound, $0.range.upperBound)
    }
    var merged: [Span] = []
    for span in spans {
      guard let last = merged.last, span.range.lowerBound < last.range.upperBound else {
        merged.append(span)
        continue
      }
      let end = max(last.range.upperBound, span.range.upperBound)
      let label = last.label == Self.placeholder ? span.label : last.label
      merged[merged.count - 1] = Span(range: last.range.lowerBound..<end, label: label)
    }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var position = 0
    for span in merged {
      result += bytes[position..<span.range.lowerBound]
      result += span.label.utf8
      position = span.range.upperBound
    }
    result += bytes[position...]
    return String(decoding: result, as: UTF8.self)
  }

  private struct Span {
    var range: Range<Int>
    var label: String
  }

  // MARK: - What looks like a secret

  /// `k1:` or `k2:` and at least 43 characters of base64url.
  private static func keys(in bytes: [UInt8]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var position = 0
    while position + 46 <= bytes.count {
      guard bytes[position] == UInt8(ascii: "k"),
        bytes[position + 1] == UInt8(ascii: "1") || bytes[position + 1] == UInt8(ascii: "2"),
        bytes[position + 2] == UInt8(ascii: ":")
      else {
        position += 1
        continue
      }
      var end = position + 3
      while end < bytes.count, isWord(bytes[end]) || bytes[end] == UInt8(ascii: "-") { end += 1 }
      guard end - position >= 46 else {
        position += 3
        continue
      }
      ranges.append(position..<end)
      position = end
    }
    return ranges
  }

  /// The values of `NAME=value` where NAME is a secret's. How far a value goes depends on where it
  /// is: in a JSON line to the end of its string; in quotes that open before the name to the last
  /// such quote; after a name in capitals, as in an environment, to the next such assignment; after
  /// any other, as in a URL, to the next blank, `&` or quote.
  private static func assignments(in bytes: [UInt8]) -> [Span] {
    let isJSON = bytes.first == UInt8(ascii: "{")
    var spans: [Span] = []
    var position = 0
    while let equals = bytes[position...].firstIndex(of: UInt8(ascii: "=")) {
      position = equals + 1
      let name = word(before: equals, in: bytes)
      guard SecretVariables.contains(String(decoding: bytes[name], as: UTF8.self)) else { continue }
      let end: Int
      if isJSON {
        end = endOfJSONString(from: position, in: bytes)
      } else if let quote = quote(before: name.lowerBound, in: bytes),
        let close = bytes[position...].lastIndex(of: quote)
      {
        end = close
      } else if isCapital(bytes[name]) {
        end = nextAssignment(from: position, in: bytes)
      } else {
        end =
          bytes[position...].firstIndex {
            $0 <= 0x20 || $0 == UInt8(ascii: "&") || $0 == 0x22 || $0 == 0x27
          } ?? bytes.count
      }
      if position < end {
        spans.append(Span(range: position..<end, label: placeholder))
        position = end
      }
    }
    return spans
  }

  private static func word(before end: Int, in bytes: [UInt8]) -> Range<Int> {
    var start = end
    while start > 0, isWord(bytes[start - 1]) { start -= 1 }
    return start..<end
  }

  private static func isCapital(_ name: ArraySlice<UInt8>) -> Bool {
    !name.isEmpty && !name.contains(where: \.isSmall)
  }

  /// The quote that opens before the name at `start`. Between them may be more words, as in
  /// systemd's `Ignoring invalid environment assignment 'export NAME=value': /etc/default/minio`.
  private static func quote(before start: Int, in bytes: [UInt8]) -> UInt8? {
    let before = bytes[..<start].last {
      !isWord($0) && $0 != 0x20 && $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ".")
    }
    return before == 0x22 || before == 0x27 ? before : nil
  }

  private static func endOfJSONString(from start: Int, in bytes: [UInt8]) -> Int {
    var position = start
    while position < bytes.count, bytes[position] != 0x22 {
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(position, bytes.count)
  }

  /// The blank before the next `NAME=` in capitals, or the end.
  private static func nextAssignment(from start: Int, in bytes: [UInt8]) -> Int {
    var position = start
    while let equals = bytes[position...].firstIndex(of: UInt8(ascii: "=")) {
      let name = word(before: equals, in: bytes)
      if isCapital(bytes[name]), name.lowerBound > start, bytes[name.lowerBound - 1] <= 0x20 {
        return name.lowerBound - 1
      }
      position = equals + 1
    }
    return bytes.count
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    byte.isLetterOrDigit || byte == UInt8(ascii: "_")
  }
}
