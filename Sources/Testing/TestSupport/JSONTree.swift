// SPDX-License-Identifier: Apache-2.0

/// JSON as a tree of texts, which can have numbers that no type of ours holds, fields that come
/// twice, and lists of anything.
package indirect enum JSONTree: Sendable, Hashable {
  /// `null`, `true`, `false` or a number, as written.
  case word(String)
  /// A string, as written between its quotes.
  case text(String)
  case list([JSONTree])
  /// The fields in their order.
  case object([Field])

  package struct Field: Sendable, Hashable {
    /// As written between its quotes.
    package var name: String
    package var value: JSONTree

    package init(_ name: String, _ value: JSONTree) {
      self.name = name
      self.value = value
    }
  }

  /// Nil if the text is no JSON; words and texts are not checked.
  package init?(_ bytes: [UInt8]) {
    var reader = Reader(bytes: bytes)
    guard let tree = reader.value(), reader.isAtEnd else { return nil }
    self = tree
  }

  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    write(into: &bytes)
    return bytes
  }

  package var leaves: [JSONTree] {
    switch self {
    case .word, .text: [self]
    case .list(let values): values.flatMap(\.leaves)
    case .object(let fields): fields.flatMap(\.value.leaves)
    }
  }

  private func write(into bytes: inout [UInt8]) {
    switch self {
    case .word(let word): bytes += Array(word.utf8)
    case .text(let text): bytes += Array("\"\(text)\"".utf8)
    case .list(let values):
      bytes.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        value.write(into: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let fields):
      bytes.append(UInt8(ascii: "{"))
      for (index, field) in fields.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        bytes += Array("\"\(field.name)\":".utf8)
        field.value.write(into: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }
}

/// Reads compact JSON, as our encoder writes it.
private struct Reader {
  let bytes: [UInt8]
  var place = 0

  var isAtEnd: Bool { place == bytes.count }
  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func take(_ byte: Character) -> Bool {
    guard next == byte.asciiValue else { return false }
    place += 1
    return true
  }

  mutating func value() -> JSONTree? {
    if take("{") { return object() }
    if take("[") { return list() }
    if take("\"") { return text().map(JSONTree.text) }
    let start = place
    while let byte = next, !",]}".utf8.contains(byte) { place += 1 }
    return place > start ? .word(String(decoding: bytes[start..<place], as: UTF8.self)) : nil
  }

  private mutating func object() -> JSONTree? {
    var fields: [JSONTree.Field] = []
    if take("}") { return .object(fields) }
    repeat {
      guard take("\""), let name = text(), take(":"), let value = value() else { return nil }
      fields.append(JSONTree.Field(name, value))
    } while take(",")
    return take("}") ? .object(fields) : nil
  }

  private mutating func list() -> JSONTree? {
    var values: [JSONTree] = []
    if take("]") { return .list(values) }
    repeat {
      guard let value = value() else { return nil }
      values.append(value)
    } while take(",")
    return take("]") ? .list(values) : nil
  }

  private mutating func text() -> String? {
    let start = place
    while let byte = next, byte != UInt8(ascii: "\"") {
      place += byte == UInt8(ascii: "\\") ? 2 : 1
    }
    guard place < bytes.count else { return nil }
    defer { place += 1 }
    return String(decoding: bytes[start..<place], as: UTF8.self)
  }
}
