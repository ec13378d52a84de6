// SPDX-License-Identifier: Apache-2.0

/// Takes what a type that is `Encodable` holds, and writes it as JSON.
struct JSONWriting: Encoder {
  /// What is written at one place, in the order in which it comes.
  final class Slot {
    enum Content {
      case empty
      /// As it will stand in the text.
      case leaf(String)
      case list([Slot])
      case object([String: Slot])
    }

    var content = Content.empty
  }

  let slot: Slot
  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  static func slot(of value: some Encodable) throws -> Slot {
    let slot = Slot()
    try value.encode(to: JSONWriting(slot: slot))
    return slot
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    if case .object = slot.content {} else { slot.content = .object([:]) }
    return KeyedEncodingContainer(Fields(slot: slot))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    if case .list = slot.content {} else { slot.content = .list([]) }
    return Elements(slot: slot)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { self }

  private struct Fields<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let slot: Slot
    var codingPath: [any CodingKey] { [] }

    private func writing(_ key: any CodingKey) -> JSONWriting {
      let inner = Slot()
      if case .object(var fields) = slot.content {
        slot.content = .empty
        fields[key.stringValue] = inner
        slot.content = .object(fields)
      }
      return JSONWriting(slot: inner)
    }

    func encodeNil(forKey key: Key) { writing(key).encodeNil() }
    func encode(_ value: some Encodable, forKey key: Key) throws {
      try value.encode(to: writing(key))
    }
    func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { writing(key).container(keyedBy: type) }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
      writing(key).unkeyedContainer()
    }
    func superEncoder() -> any Encoder { writing(JSONKey(stringValue: "super")) }
    func superEncoder(forKey key: Key) -> any Encoder { writing(key) }

    // What the protocol asks for besides.
    func encode(_ value: Bool, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: String, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: Double, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: Float, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: Int, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: Int8, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: Int16, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: Int32, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: Int64, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: UInt, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: UInt8, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: UInt16, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: UInt32, forKey key: Key) throws { try value.encode(to: writing(key)) }
    func encode(_ value: UInt64, forKey key: Key) throws { try value.encode(to: writing(key)) }
  }

  private struct Elements: UnkeyedEncodingContainer {
    let slot: Slot
    var codingPath: [any CodingKey] { [] }
    var count: Int {
      if case .list(let elements) = slot.content { elements.count } else { 0 }
    }

    private func writing() -> JSONWriting {
      let inner = Slot()
      if case .list(var elements) = slot.content {
        slot.content = .empty
        elements.append(inner)
        slot.content = .list(elements)
      }
      return JSONWriting(slot: inner)
    }

    func encodeNil() { writing().encodeNil() }
    func encode(_ value: some Encodable) throws { try value.encode(to: writing()) }
    func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type
    ) -> KeyedEncodingContainer<Nested> { writing().container(keyedBy: type) }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { writing().unkeyedContainer() }
    func superEncoder() -> any Encoder { writing() }

    func encode(_ value: Bool) throws { try value.encode(to: writing()) }
    func encode(_ value: String) throws { try value.encode(to: writing()) }
    func encode(_ value: Double) throws { try value.encode(to: writing()) }
    func encode(_ value: Float) throws { try value.encode(to: writing()) }
    func encode(_ value: Int) throws { try value.encode(to: writing()) }
    func encode(_ value: Int8) throws { try value.encode(to: writing()) }
    func encode(_ value: Int16) throws { try value.encode(to: writing()) }
    func encode(_ value: Int32) throws { try value.encode(to: writing()) }
    func encode(_ value: Int64) throws { try value.encode(to: writing()) }
    func encode(_ value: UInt) throws { try value.encode(to: writing()) }
    func encode(_ value: UInt8) throws { try value.encode(to: writing()) }
    func encode(_ value: UInt16) throws { try value.encode(to: writing()) }
    func encode(_ value: UInt32) throws { try value.encode(to: writing()) }
    func encode(_ value: UInt64) throws { try value.encode(to: writing()) }
  }
}

extension JSONWriting: SingleValueEncodingContainer {
  func encodeNil() { slot.content = .leaf("null") }
  func encode(_ value: some Encodable) throws { try value.encode(to: self) }
  func encode(_ value: Bool) { slot.content = .leaf(value ? "true" : "false") }
  func encode(_ value: String) { slot.content = .leaf(Self.quoted(value)) }
  func encode(_ value: Double) throws { try float(value) }
  func encode(_ value: Float) throws { try float(value) }
  func encode(_ value: Int) { slot.content = .leaf("\(value)") }
  func encode(_ value: Int8) { slot.content = .leaf("\(value)") }
  func encode(_ value: Int16) { slot.content = .leaf("\(value)") }
  func encode(_ value: Int32) { slot.content = .leaf("\(value)") }
  func encode(_ value: Int64) { slot.content = .leaf("\(value)") }
  func encode(_ value: UInt) { slot.content = .leaf("\(value)") }
  func encode(_ value: UInt8) { slot.content = .leaf("\(value)") }
  func encode(_ value: UInt16) { slot.content = .leaf("\(value)") }
  func encode(_ value: UInt32) { slot.content = .leaf("\(value)") }
  func encode(_ value: UInt64) { slot.content = .leaf("\(value)") }

  private func float<Value: BinaryFloatingPoint & CustomStringConvertible & Encodable>(
    _ value: Value
  ) throws {
    guard value.isFinite else {
      throw EncodingError.invalidValue(
        value, EncodingError.Context(codingPath: [], debugDescription: "JSON has no such number"))
    }
    let text = value.description
    slot.content = .leaf(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
  }

  fileprivate static func quoted(_ text: String) -> String {
    var bytes: [UInt8] = [0x22]
    for byte in text.utf8 {
      switch byte {
      case 0x22, 0x5C: bytes += [0x5C, byte]
      case 0x08: bytes += #"\b"#.utf8
      case 0x09: bytes += #"\t"#.utf8
      case 0x0A: bytes += #"\n"#.utf8
      case 0x0C: bytes += #"\f"#.utf8
      case 0x0D: bytes += #"\r"#.utf8
      case 0..<0x20:
        let digits = String(byte, radix: 16)
        bytes += "\\u\(String(repeating: "0", count: 4 - digits.utf8.count))\(digits)".utf8
      default: bytes.append(byte)
      }
    }
    bytes.append(0x22)
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension JSONWriting.Slot {
  /// Appends what was taken, the fields of objects by their names.
  ///
  /// - Parameter depth: how far it is indented; nil for all in one line.
  func write(to bytes: inout [UInt8], depth: Int?) {
    switch content {
    case .empty: bytes += "{}".utf8
    case .leaf(let text): bytes += text.utf8
    case .list(let elements):
      write(elements, "[", "]", to: &bytes, depth) { $0.write(to: &$1, depth: $2) }
    case .object(let fields):
      write(fields.sorted { $0.key < $1.key }, "{", "}", to: &bytes, depth) {
        $1 += JSONWriting.quoted($0.key).utf8
        $1 += (depth == nil ? ":" : " : ").utf8
        $0.value.write(to: &$1, depth: $2)
      }
    }
  }

  private func write<Part>(
    _ parts: [Part], _ open: String, _ close: String, to bytes: inout [UInt8], _ depth: Int?,
    _ write: (Part, inout [UInt8], Int?) -> Void
  ) {
    bytes += open.utf8
    for (index, part) in parts.enumerated() {
      if index > 0 { bytes += ",".utf8 }
      Self.breakLine(&bytes, depth.map { $0 + 1 })
      write(part, &bytes, depth.map { $0 + 1 })
    }
    if !parts.isEmpty { Self.breakLine(&bytes, depth) }
    bytes += close.utf8
  }

  private static func breakLine(_ bytes: inout [UInt8], _ depth: Int?) {
    guard let depth else { return }
    bytes.append(0x0A)
    bytes += [UInt8](repeating: 0x20, count: 2 * depth)
  }
}
