// SPDX-License-Identifier: Apache-2.0

/// The fields of a message of the Key Manager's, the numbers and those with a length. What cannot be
/// read ends them.
struct ProtobufFields {
  private var fields: [(number: UInt64, value: UInt64, bytes: [UInt8])] = []

  init(_ message: [UInt8]) {
    var rest = message[...]
    func varint() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard let byte = rest.popFirst() else { return nil }
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }
    while let tag = varint(), let value = varint() {
      switch tag & 7 {
      case 0: fields.append((tag >> 3, value, []))
      case 2:
        guard value <= rest.count else { return }
        fields.append((tag >> 3, 0, Array(rest.prefix(Int(value)))))
        rest = rest.dropFirst(Int(value))
      default: return
      }
    }
  }

  func all(_ number: UInt64) -> [[UInt8]] { fields.filter { $0.number == number }.map(\.bytes) }

  /// Empty if there is none.
  func bytes(_ number: UInt64) -> [UInt8] { all(number).first ?? [] }

  func text(_ number: UInt64) -> String { String(decoding: bytes(number), as: UTF8.self) }

  /// 0 if there is none.
  func number(_ number: UInt64) -> Int64 {
    Int64(truncatingIfNeeded: fields.first { $0.number == number }?.value ?? 0)
  }
}
