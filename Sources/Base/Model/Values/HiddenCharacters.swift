// SPDX-License-Identifier: Apache-2.0

/// Characters that are not seen, or change how others are seen: controls, directional marks, line
/// separators, what has no width. From outside they could drive a terminal, break a line, or show
/// one name as another.
package enum HiddenCharacters {
  package static func contains(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F }
    switch scalar.properties.generalCategory {
    // Cc, Cf, Zl, Zp; an unassigned character may be drawn as nothing.
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
      return true
    default: return scalar.properties.isDefaultIgnorableCodePoint
    }
  }

  package static func areAbsent(from text: String) -> Bool {
    text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
      || !text.unicodeScalars.contains(where: contains)
  }

  /// For people: a control is U+FFFD, any other is named, as in `<U+202E>`. Tabs stay.
  package static func visible(_ text: String) -> String {
    if areAbsent(from: text) { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar.value == 0x09 || !contains(scalar) {
        result.append(scalar)
      } else if scalar.properties.generalCategory == .control {
        result.append("\u{FFFD}")
      } else {
        let code = String(scalar.value, radix: 16, uppercase: true)
        result.append(
          contentsOf: "<U+\(String(repeating: "0", count: max(0, 4 - code.count)))\(code)>"
            .unicodeScalars)
      }
    }
    return String(result)
  }

  /// For programs: each is escaped. In JSON they can only be in strings.
  package static func escaped(inJSON text: String) -> String {
    if areAbsent(from: text) { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if !contains(scalar) {
        result.append(scalar)
        continue
      }
      for unit in String(scalar).utf16 {
        let code = String(unit, radix: 16)
        result.append(
          contentsOf: "\\u\(String(repeating: "0", count: 4 - code.count))\(code)".unicodeScalars)
      }
    }
    return String(result)
  }
}
