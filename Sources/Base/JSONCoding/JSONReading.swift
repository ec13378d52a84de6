// SPDX-License-Identifier: Apache-2.0

/// Gives a type that is `Decodable` what a JSON text holds.
struct JSONReading: Decoder {
  let node: JSONNode
  let place: JSONPlace
  var codingPath: [any CodingKey] { place.path }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  /// The value itself.
  static func value<Value: Decodable>(_ type: Value.Type, of bytes: [UInt8]) throws -> Value {
    try Value(from: JSONReading(node: JSONNode(bytes), place: .top))
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let fields) = node else { throw mismatch([String: Any].self) }
    return KeyedDecodingContainer(Fields(fields: fields, place: place))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .list(let elements) = node else { throw mismatch([Any].self) }
    return Elements(elements: elements, place: place)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer { self }

  /// The value is not of the type that is wanted.
  fileprivate func mismatch(_ type: any Any.Type) -> DecodingError {
    let context = DecodingError.Context(codingPath: codingPath, debugDescription: "")
    if case .null = node { return .valueNotFound(type, context) }
    return .typeMismatch(type, context)
  }

  private struct Fields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let fields: [String: JSONNode]
    let place: JSONPlace
    var codingPath: [any CodingKey] { place.path }
    var allKeys: [Key] { fields.keys.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { fields[key.stringValue] != nil }

    private func reading(_ key: any CodingKey) throws -> JSONReading {
      guard let node = fields[key.stringValue] else {
        throw DecodingError.keyNotFound(
          key, DecodingError.Context(codingPath: codingPath, debugDescription: ""))
      }
      return JSONReading(node: node, place: .below(place, key))
    }

    func decodeNil(forKey key: Key) throws -> Bool { try reading(key).decodeNil() }
    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
      try Value(from: reading(key))
    }
    func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { try reading(key).container(keyedBy: type) }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
      try reading(key).unkeyedContainer()
    }
    func superDecoder() throws -> any Decoder { try reading(JSONKey(stringValue: "super")) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try reading(key) }

    // What the protocol asks for besides: each is what the type reads for itself.
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool {
      try type.init(from: reading(key))
    }
    func decode(_ type: String.Type, forKey key: Key) throws -> String {
      try type.init(from: reading(key))
    }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double {
      try type.init(from: reading(key))
    }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float {
      try type.init(from: reading(key))
    }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int {
      try type.init(from: reading(key))
    }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 {
      try type.init(from: reading(key))
    }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 {
      try type.init(from: reading(key))
    }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 {
      try type.init(from: reading(key))
    }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 {
      try type.init(from: reading(key))
    }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt {
      try type.init(from: reading(key))
    }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 {
      try type.init(from: reading(key))
    }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 {
      try type.init(from: reading(key))
    }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 {
      try type.init(from: reading(key))
    }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 {
      try type.init(from: reading(key))
    }
  }

  private struct Elements: UnkeyedDecodingContainer {
    let elements: [JSONNode]
    let place: JSONPlace
    var currentIndex = 0
    var codingPath: [any CodingKey] { place.path }
    var count: Int? { elements.count }
    var isAtEnd: Bool { currentIndex >= elements.count }

    init(elements: [JSONNode], place: JSONPlace) {
      self.elements = elements
      self.place = place
    }

    private func reading() throws -> JSONReading {
      let place = JSONPlace.below(place, JSONKey(intValue: currentIndex))
      if isAtEnd {
        throw DecodingError.valueNotFound(
          Any.self, DecodingError.Context(codingPath: place.path, debugDescription: ""))
      }
      return JSONReading(node: elements[currentIndex], place: place)
    }

    /// What cannot be read is not passed over.
    private mutating func next<Value>(_ read: (JSONReading) throws -> Value) throws -> Value {
      let value = try read(reading())
      currentIndex += 1
      return value
    }

    mutating func decodeNil() throws -> Bool {
      guard try reading().decodeNil() else { return false }
      currentIndex += 1
      return true
    }
    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
      try next { try Value(from: $0) }
    }
    mutating func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> { try next { try $0.container(keyedBy: type) } }
    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
      try next { try $0.unkeyedContainer() }
    }
    mutating func superDecoder() throws -> any Decoder { try next { $0 } }

    mutating func decode(_ type: Bool.Type) throws -> Bool { try next(type.init(from:)) }
    mutating func decode(_ type: String.Type) throws -> String { try next(type.init(from:)) }
    mutating func decode(_ type: Double.Type) throws -> Double { try next(type.init(from:)) }
    mutating func decode(_ type: Float.Type) throws -> Float { try next(type.init(from:)) }
    mutating func decode(_ type: Int.Type) throws -> Int { try next(type.init(from:)) }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try next(type.init(from:)) }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try next(type.init(from:)) }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try next(type.init(from:)) }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try next(type.init(from:)) }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try next(type.init(from:)) }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next(type.init(from:)) }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next(type.init(from:)) }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next(type.init(from:)) }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next(type.init(from:)) }
  }
}

extension JSONReading: SingleValueDecodingContainer {
  func decodeNil() -> Bool {
    if case .null = node { true } else { false }
  }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try Value(from: self) }

  func decode(_ type: Bool.Type) throws -> Bool {
    guard case .bool(let value) = node else { throw mismatch(type) }
    return value
  }

  func decode(_ type: String.Type) throws -> String {
    guard case .text(let value) = node else { throw mismatch(type) }
    return value
  }

  private func float<Value: BinaryFloatingPoint & LosslessStringConvertible>(
    _ type: Value.Type
  ) throws -> Value {
    guard case .number(let text) = node else { throw mismatch(type) }
    guard let value = Value(text), value.isFinite else { throw tooLarge(text) }
    return value
  }

  private func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
    guard case .number(let text) = node else { throw mismatch(type) }
    if let value = Value(text) { return value }
    // 1e3 and 1.0 are whole numbers too.
    guard text.utf8.contains(where: { $0 == 0x2E || $0 == 0x65 || $0 == 0x45 }),
      let value = Double(text).flatMap({ Value(exactly: $0) })
    else { throw tooLarge(text) }
    return value
  }

  private func tooLarge(_ text: String) -> DecodingError {
    .dataCorrupted(
      DecodingError.Context(
        codingPath: codingPath,
        debugDescription: "the number \(text.prefix(40)) is too large, or not whole"))
  }

  func decode(_ type: Double.Type) throws -> Double { try float(type) }
  func decode(_ type: Float.Type) throws -> Float { try float(type) }
  func decode(_ type: Int.Type) throws -> Int { try integer(type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
  func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }
}

/// The name of a field, or a place in a list.
struct JSONKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }
  init(intValue: Int) {
    stringValue = "\(intValue)"
    self.intValue = intValue
  }
}

/// Where in a text a value is. A list would be copied at each step.
indirect enum JSONPlace {
  case top
  case below(JSONPlace, any CodingKey)

  var path: [any CodingKey] {
    var keys: [any CodingKey] = []
    var place = self
    while case .below(let outer, let key) = place {
      keys.append(key)
      place = outer
    }
    return keys.reversed()
  }
}
