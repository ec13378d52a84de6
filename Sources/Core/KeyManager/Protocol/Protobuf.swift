// SPDX-License-Identifier: Apache-2.0

/// Why bytes of the Key Manager's protocol could not be read.
package enum CodecError: Error, Sendable, Hashable, CustomStringConvertible {
  /// They end in the middle of something.
  case truncated
  /// They, or a part of them, are longer than allowed; in bytes.
  case oversized(Int)
  /// A frame has a command that this protocol does not have.
  case unknownCommand(UInt16)
  /// A number takes more than ten bytes or 64 bits.
  case overlong
  /// A field has the number 0 or a number beyond 2^29 - 1, or one of the wire types that are no
  /// longer in use.
  case badField
  /// A text is not UTF-8.
  case badText

  /// A clause that follows "the answer".
  package var description: String {
    switch self {
    case .truncated: "ends too early"
    case .oversized(let bytes): "is too long (\(bytes) bytes)"
    case .unknownCommand(let number): "has the unknown command \(number)"
    case .overlong: "holds a number that is too long"
    case .badField: "holds a field that protobuf does not have"
    case .badText: "holds a text that is not UTF-8"
    }
  }
}

/// What a field holds on the wire.
enum ProtobufValue: Equatable {
  case varint(UInt64)
  case bytes([UInt8])
  /// 4 or 8 bytes; no message here uses them.
  case fixed([UInt8])
}

/// One field of a message (proto3): its number, and the property that it is read into and written from.
package struct ProtobufField<Message>: Sendable {
  let number: UInt64
  /// Nil for the default, which is left out.
  let value: @Sendable (Message) -> ProtobufValue?
  /// Leaves the message as it is if the value is of another kind.
  let take: @Sendable (ProtobufValue, inout Message) throws(CodecError) -> Void

  static func number<Number: FixedWidthInteger & SendableMetatype>(
    _ number: UInt64, _ path: any WritableKeyPath<Message, Number> & Sendable
  ) -> Self {
    Self(number: number) {
      $0[keyPath: path] == 0 ? nil : .varint(UInt64(truncatingIfNeeded: $0[keyPath: path]))
    } take: { value, message throws(CodecError) in
      if case .varint(let number) = value {
        message[keyPath: path] = Number(truncatingIfNeeded: number)
      }
    }
  }

  static func flag(_ number: UInt64, _ path: any WritableKeyPath<Message, Bool> & Sendable) -> Self
  {
    Self(number: number) {
      $0[keyPath: path] ? .varint(1) : nil
    } take: {
      value, message throws(CodecError) in
      if case .varint(let number) = value { message[keyPath: path] = number != 0 }
    }
  }

  static func bytes(_ number: UInt64, _ path: any WritableKeyPath<Message, [UInt8]> & Sendable)
    -> Self
  {
    Self(number: number) {
      $0[keyPath: path].isEmpty ? nil : .bytes($0[keyPath: path])
    } take: {
      value, message throws(CodecError) in
      if case .bytes(let bytes) = value { message[keyPath: path] = bytes }
    }
  }

  static func text(_ number: UInt64, _ path: any WritableKeyPath<Message, String> & Sendable)
    -> Self
  {
    Self(number: number) {
      $0[keyPath: path].isEmpty ? nil : .bytes(Array($0[keyPath: path].utf8))
    } take: { value, message throws(CodecError) in
      guard case .bytes(let bytes) = value else { return }
      guard let text = String(validating: bytes, as: UTF8.self) else { throw .badText }
      message[keyPath: path] = text
    }
  }

  /// A message within: written even if it is empty.
  static func message<Inner: KeyManagerMessage & SendableMetatype>(
    _ number: UInt64, _ path: any WritableKeyPath<Message, Inner?> & Sendable
  ) -> Self {
    Self(number: number) {
      $0[keyPath: path].map { .bytes($0.encoded()) }
    } take: {
      value, message throws(CodecError) in
      if case .bytes(let bytes) = value { message[keyPath: path] = try Inner(decoding: bytes) }
    }
  }
}

/// Writes the fields of a protobuf message one after the other.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ number: UInt64, _ value: ProtobufValue) {
    switch value {
    case .varint(let value):
      varint(number << 3)
      varint(value)
    case .bytes(let value):
      varint(number << 3 | 2)
      varint(UInt64(value.count))
      bytes += value
    case .fixed(let value):
      varint(number << 3 | (value.count == 8 ? 1 : 5))
      bytes += value
    }
  }

  private mutating func varint(_ value: UInt64) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }
}

/// Reads the fields of a protobuf message one after the other.
struct ProtobufReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  /// The next field, nil after the last.
  mutating func next() throws(CodecError) -> (number: UInt64, value: ProtobufValue)? {
    guard !rest.isEmpty else { return nil }
    let tag = try varint()
    let number = tag >> 3
    guard (1..<1 << 29).contains(number) else { throw .badField }
    switch tag & 7 {
    case 0: return (number, .varint(try varint()))
    case 1: return (number, .fixed(try take(8)))
    case 2: return (number, .bytes(try take(try varint())))
    case 5: return (number, .fixed(try take(4)))
    default: throw .badField
    }
  }

  private mutating func take(_ count: UInt64) throws(CodecError) -> [UInt8] {
    guard count <= UInt64(rest.count) else { throw .truncated }
    defer { rest.removeFirst(Int(count)) }
    return Array(rest.prefix(Int(count)))
  }

  private mutating func varint() throws(CodecError) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<10 {
      guard let byte = rest.popFirst() else { throw .truncated }
      // The tenth byte has room for the 64th bit only.
      if index == 9, byte > 1 { throw .overlong }
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 { return value }
    }
    throw .overlong
  }
}
