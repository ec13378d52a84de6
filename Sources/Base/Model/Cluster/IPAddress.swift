// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address by its bytes; an IPv4 address within IPv6 (`::ffff:a.b.c.d`) is the IPv4
/// address.
package struct IPAddress: Sendable, Hashable {
  /// 4 or 16 bytes.
  package let bytes: [UInt8]

  /// The address in `text`; nil if it is none. A zone is none either.
  package init?(_ text: String) {
    guard let bytes = text.contains(":") ? Self.version6(text) : Self.version4(text[...]) else {
      return nil
    }
    self.init(bytes: bytes)
  }

  /// The address of 4 or 16 bytes; nil for any other number of them.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    let isMapped =
      bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10..<12] == [0xFF, 0xFF]
    self.bytes = isMapped ? Array(bytes[12...]) : bytes
  }

  /// As text: of IPv6 every group, none left out.
  package var text: String {
    if bytes.count == 4 { return bytes.map { "\($0)" }.joined(separator: ".") }
    return stride(from: 0, to: 16, by: 2).map {
      String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
    }.joined(separator: ":")
  }

  package var isLoopback: Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes == [UInt8](repeating: 0, count: 15) + [1]
  }

  package func isIn(_ network: IPAddress, prefixLength: Int) -> Bool {
    guard bytes.count == network.bytes.count else { return false }
    return (0..<prefixLength).allSatisfy { bit in
      let mask = UInt8(0x80) >> UInt8(bit % 8)
      return bytes[bit / 8] & mask == network.bytes[bit / 8] & mask
    }
  }

  private static func version4(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      // A leading zero might be octal to others: Go refuses it.
      guard part.utf8.count <= 3, part.isDigits,
        part == "0" || !part.hasPrefix("0"), let byte = UInt8(part)
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  private static func version6(_ text: String) -> [UInt8]? {
    let halves: [Substring]
    if let gap = text.firstRange(of: "::") {
      halves = [text[..<gap.lowerBound], text[gap.upperBound...]]
    } else {
      halves = [text[...]]
    }
    var groups: [[UInt8]] = []
    for (index, half) in halves.enumerated() {
      guard let bytes = self.groups(half, isLast: index == halves.count - 1) else { return nil }
      groups.append(bytes)
    }
    let missing = 16 - groups.reduce(0) { $0 + $1.count }
    guard halves.count == 1 ? missing == 0 : missing >= 2 else { return nil }
    return groups[0] + [UInt8](repeating: 0, count: missing) + (halves.count == 2 ? groups[1] : [])
  }

  private static func groups(_ text: Substring, isLast: Bool) -> [UInt8]? {
    if text.isEmpty { return [] }
    var bytes: [UInt8] = []
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      if isLast, index == parts.count - 1, part.contains(".") {
        guard let last = version4(part) else { return nil }
        bytes += last
        continue
      }
      guard (1...4).contains(part.utf8.count), let group = UInt16(part, radix: 16),
        !part.hasPrefix("+")
      else { return nil }
      bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
    }
    return bytes
  }
}
