// SPDX-License-Identifier: Apache-2.0

/// The little of Protocol Buffers that the Key Manager's messages need.
enum Protobuf {
  /// One field of a message: a number (wire type 0) or bytes (wire type 2).
  enum Value: Equatable {
    case number(UInt64)
    case bytes([UInt8])
  }

  /// The fields of a message, later ones winning; nil if it is malformed.
  static func decode(_ message: ArraySlice<UInt8>) -> [UInt64: Value]? {
    var fields: [UInt64: Value] = [:]
    var rest = message
    while !rest.isEmpty {
      guard let tag = varint(&rest) else { return nil }
      switch tag & 7 {
      case 0:
        guard let number = varint(&rest) else { return nil }
        fields[tag >> 3] = .number(number)
      case 2:
        guard let length = varint(&rest), length <= rest.count else { return nil }
        fields[tag >> 3] = .bytes(Array(rest.prefix(Int(length))))
        rest = rest.dropFirst(Int(length))
      default: return nil
      }
    }
    return fields
  }

  private static func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }

  /// A field with a number; none if it is zero, as proto3 has it.
  static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] {
    value == 0 ? [] : varint(field << 3) + varint(value)
  }

  /// A field with bytes; none if there are none.
  static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
    value.isEmpty ? [] : varint(field << 3 | 2) + varint(UInt64(value.count)) + value
  }

  /// A field with text; none if it is empty.
  static func text(_ field: UInt64, _ value: String) -> [UInt8] { bytes(field, Array(value.utf8)) }

  private static func varint(_ value: UInt64) -> [UInt8] {
    var (rest, bytes): (UInt64, [UInt8]) = (value, [])
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}

extension [UInt64: Protobuf.Value] {
  /// The text of a field, empty if it is not there.
  func text(_ field: UInt64) -> String { String(decoding: bytes(field), as: UTF8.self) }

  /// The bytes of a field, none if it is not there.
  func bytes(_ field: UInt64) -> [UInt8] {
    if case .bytes(let bytes) = self[field] { bytes } else { [] }
  }

  /// The number of a field, 0 if it is not there.
  func number(_ field: UInt64) -> UInt64 {
    if case .number(let number) = self[field] { number } else { 0 }
  }
}
