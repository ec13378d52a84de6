// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

extension [UInt8] {
  /// Overwrites the bytes with zeros, which the compiler may not leave out, and empties the array.
  /// Copies that were made of it earlier stay as they are.
  package mutating func wipe() {
    withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    removeAll()
  }

  /// Appends the bytes. Where they need more room, what was in the old one is wiped, which `+=` leaves as it is.
  package mutating func appendWiping(_ bytes: borrowing [UInt8]) {
    let count = count + bytes.count
    if capacity < count {
      var roomier: [UInt8] = []
      roomier.reserveCapacity(Swift.max(2 * capacity, count))
      roomier += self
      wipe()
      self = roomier
    }
    self += copy bytes
  }

  /// Drops the first bytes, and leaves no copy of the rest where it was.
  package mutating func dropWiping(_ count: Int) {
    withUnsafeMutableBytes { bytes in
      let rest = bytes.count - count
      guard rest > 0, let start = bytes.baseAddress else { return }
      bytes.copyMemory(from: UnsafeRawBufferPointer(start: start + count, count: rest))
      OPENSSL_cleanse(start + rest, count)
    }
    removeLast(count)
  }
}
