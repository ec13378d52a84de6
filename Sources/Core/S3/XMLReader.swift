// SPDX-License-Identifier: Apache-2.0
internal import Model

/// Reads a document from its first byte to its last; see ``XMLElement``.
struct XMLReader {
  private let bytes: [UInt8]
  private var position = 0
  private var elements = 0

  static func read(_ bytes: [UInt8]) throws(XMLViolation) -> XMLElement {
    guard bytes.count <= Limits.xmlBytes else {
      throw XMLViolation(
        reason: "more than \(Limits.xmlBytes) bytes", offset: Limits.xmlBytes, isTooLarge: true)
    }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw XMLViolation(reason: "not UTF-8", offset: 0)
    }
    var reader = XMLReader(bytes)
    _ = reader.skip("\u{FEFF}")
    try reader.declaration()
    try reader.misc()
    guard reader.skip("<"), !reader.atEnd else { throw reader.violation("no element") }
    let root = try reader.element(depth: 1)
    try reader.misc()
    guard reader.atEnd else { throw reader.violation("something after the last element") }
    return root
  }

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  private var atEnd: Bool { position == bytes.count }
  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func violation(_ reason: String) -> XMLViolation {
    XMLViolation(reason: reason, offset: position)
  }

  private mutating func skip(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { wanted in
      guard bytes[position...].starts(with: wanted) else { return false }
      position += wanted.count
      return true
    }
  }

  @discardableResult
  private mutating func skipBlanks() -> Bool {
    let start = position
    while let byte = next, Self.isBlank(byte) { position += 1 }
    return position > start
  }

  // MARK: around the elements

  /// `<?xml ...?>`, of which only the encoding can matter (2.8).
  private mutating func declaration() throws(XMLViolation) {
    guard skip("<?xml") else { return }
    let attributes = try attributes(until: "?>")
    if let encoding = attributes.first(where: { $0.name == "encoding" })?.value,
      !["utf-8", "us-ascii"].contains(encoding.lowercased())
    {
      throw violation("another encoding than UTF-8")
    }
  }

  /// Blanks and comments.
  private mutating func misc() throws(XMLViolation) {
    while true {
      skipBlanks()
      if skip("<!--") { try comment() } else { return }
    }
  }

  /// To its end (2.5).
  private mutating func comment() throws(XMLViolation) {
    while !atEnd {
      if skip("--") {
        guard skip(">") else { throw violation("two hyphens in a comment") }
        return
      }
      try character()
    }
    throw violation("a comment without an end")
  }

  // MARK: an element

  /// From its name on, to the end of its end tag.
  private mutating func element(depth: Int) throws(XMLViolation) -> XMLElement {
    guard depth <= Limits.xmlDepth else {
      throw violation("elements within one another deeper than \(Limits.xmlDepth)")
    }
    elements += 1
    guard elements <= Limits.xmlElements else {
      throw XMLViolation(
        reason: "more than \(Limits.xmlElements) elements", offset: position, isTooLarge: true)
    }
    let qualified = try name()
    var element = XMLElement(Self.local(qualified))
    let start = position
    _ = try attributes(until: "")
    if skip("/>") { return element }
    guard skip(">") else {
      position = start
      throw violation("a tag without an end")
    }
    var text: [UInt8] = []
    while true {
      if skip("</") {
        guard try name() == qualified else { throw violation("an end tag of another name") }
        skipBlanks()
        guard skip(">") else { throw violation("a tag without an end") }
        element.text = String(decoding: text, as: UTF8.self)
        return element
      }
      if skip("<!--") {
        try comment()
      } else if skip("<![CDATA[") {
        try section(&text)
      } else if skip("<") {
        guard let byte = next, byte != UInt8(ascii: "!"), byte != UInt8(ascii: "?") else {
          throw violation("a declaration or an instruction, which no answer needs")
        }
        element.children.append(try self.element(depth: depth + 1))
      } else {
        guard !atEnd else { throw violation("an element without an end") }
        if skip("]]>") { throw violation("the end of a section that has not begun") }
        try textPiece(&text)
      }
    }
  }

  /// CDATA to its end (2.7).
  private mutating func section(_ text: inout [UInt8]) throws(XMLViolation) {
    while !skip("]]>") {
      guard !atEnd else { throw violation("a section without an end") }
      let start = position
      try character()
      append(bytes[start..<position], &text)
    }
  }

  private mutating func textPiece(_ text: inout [UInt8]) throws(XMLViolation) {
    let plain = bytes[position...].prefix {
      (0x20..<0x7F).contains($0) && !"&<]'\"".utf8.contains($0)
    }
    if !plain.isEmpty {
      text += plain
      position = plain.endIndex
    } else if skip("&") {
      text += Array(try reference().utf8)
    } else {
      let start = position
      try character()
      append(bytes[start..<position], &text)
    }
  }

  /// CR LF and CR are one LF (2.11).
  private func append(_ piece: ArraySlice<UInt8>, _ text: inout [UInt8]) {
    guard piece.first == 0x0D else { return text.append(contentsOf: piece) }
    if next != 0x0A { text.append(0x0A) }
  }

  // MARK: pieces

  /// After its `&`: one of the five that XML has, or a character by its number (4.1, 4.6).
  private mutating func reference() throws(XMLViolation) -> String {
    let start = position
    while let byte = next, byte != UInt8(ascii: ";"), position - start < 12 { position += 1 }
    let name = String(decoding: bytes[start..<position], as: UTF8.self)
    guard skip(";") else { throw violation("a reference without an end") }
    switch name {
    case "amp": return "&"
    case "lt": return "<"
    case "gt": return ">"
    case "quot": return "\""
    case "apos": return "'"
    default: break
    }
    let digits = name.dropFirst(name.hasPrefix("#x") ? 2 : 1)
    guard name.hasPrefix("#"), digits.utf8.allSatisfy({ $0.hexValue != nil }),
      let number = UInt32(digits, radix: name.hasPrefix("#x") ? 16 : 10),
      Self.isCharacter(number), let scalar = Unicode.Scalar(number)
    else { throw violation("a reference to something that XML does not have") }
    return String(scalar)
  }

  /// One character of XML, UTF-8 (2.2).
  private mutating func character() throws(XMLViolation) {
    guard let first = next else { throw violation("the end of the document") }
    let count = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    let scalar = String(decoding: bytes[position..<position + count], as: UTF8.self)
      .unicodeScalars.first
    guard let scalar, Self.isCharacter(scalar.value) else {
      throw violation("a character that XML does not have")
    }
    position += count
  }

  /// Char of XML 1.0, 2.2.
  static func isCharacter(_ value: UInt32) -> Bool {
    switch value {
    case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x1_0000...0x10_FFFF: true
    default: false
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  /// A name of ASCII, which those of S3 are, with a prefix at the most (Namespaces in XML 1.0, 4).
  private mutating func name() throws(XMLViolation) -> String {
    let start = position
    while let byte = next, byte.isLetterOrDigit || "_:-.".utf8.contains(byte) { position += 1 }
    let parts = bytes[start..<position].split(
      separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard position - start <= 128, parts.count <= 2,
      parts.allSatisfy({ $0.first.map { $0.isLetter || $0 == UInt8(ascii: "_") } ?? false })
    else { throw violation("no name where one must be") }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private static func local(_ name: String) -> String {
    name.lastIndex(of: ":").map { String(name[name.index(after: $0)...]) } ?? name
  }

  /// Up to `end`, which is skipped; for an empty `end` up to what is no attribute.
  private mutating func attributes(
    until end: StaticString
  ) throws(XMLViolation) -> [(name: String, value: String)] {
    var attributes: [(name: String, value: String)] = []
    while true {
      let isApart = skipBlanks()
      if end.utf8CodeUnitCount > 0, skip(end) { return attributes }
      guard let byte = next, byte != UInt8(ascii: ">"), byte != UInt8(ascii: "/") else {
        if end.utf8CodeUnitCount > 0 { throw violation("a bad declaration") }
        return attributes
      }
      guard isApart, attributes.count < 64 else { throw violation("a bad attribute") }
      let name = try name()
      guard !attributes.contains(where: { $0.name == name }) else {
        throw violation("an attribute twice")
      }
      skipBlanks()
      guard skip("=") else { throw violation("an attribute without a value") }
      skipBlanks()
      attributes.append((name, try quoted()))
    }
  }

  private mutating func quoted() throws(XMLViolation) -> String {
    guard let quote = next, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
      throw violation("an attribute without quotes")
    }
    position += 1
    var value: [UInt8] = []
    while next != quote {
      guard !atEnd, next != UInt8(ascii: "<") else {
        throw violation("an attribute without an end")
      }
      try textPiece(&value)
    }
    position += 1
    return String(decoding: value, as: UTF8.self)
  }
}
