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

/// Writes a protobuf message (proto3): a field that has its default value is left out.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  mutating func field(_ number: UInt32, _ value: UInt64) {
    guard value != 0 else { return }
    varint(UInt64(number) << 3)
    varint(value)
  }

  mutating func field(_ number: UInt32, _ value: Bool) { field(number, value ? 1 : 0) }

  mutating func field(_ number: UInt32, _ value: String) { field(number, Array(value.utf8)) }

  mutating func field(_ number: UInt32, _ value: [UInt8]) {
    if !value.isEmpty { element(number, value) }
  }

  /// An element of a repeated field or a message within: written even if it is empty.
  mutating func element(_ number: UInt32, _ value: [UInt8]) {
    varint(UInt64(number) << 3 | 2)
    varint(UInt64(value.count))
    bytes += value
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

/// Reads the fields of a protobuf message one after the other. Who reads takes the numbers and
/// types that it knows and passes over the others, so that a newer Key Manager's answers can be
/// read.
struct ProtobufReader {
  enum Value: Equatable {
    case varint(UInt64)
    case bytes([UInt8])
    /// 4 or 8 bytes; no message here uses them.
    case fixed([UInt8])
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  /// The next field, nil after the last.
  mutating func next() throws(CodecError) -> (number: UInt64, value: Value)? {
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

  static func text(_ bytes: [UInt8]) throws(CodecError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .badText }
    return text
  }
}
