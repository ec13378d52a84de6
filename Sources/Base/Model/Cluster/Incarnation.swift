// SPDX-License-Identifier: Apache-2.0

/// One life of an agent's state directory: 128 random bits, drawn when the directory has none and durable in it from
/// then on.
///
/// A node that lost its state (its disk replaced, the host installed again, the directory emptied) has another one
/// under the same name. Whoever remembers what the node said before can tell that this node does not.
package struct Incarnation: Sendable, Hashable, Codable, CustomStringConvertible {
  private static let digits = 32

  /// 32 lower-case hexadecimal digits.
  package let hex: String

  /// The incarnation with those 32 lower-case hexadecimal digits; nil if `hex` is not of that form.
  package init?(hex: String) {
    guard hex.utf8.count == Self.digits,
      hex.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { return nil }
    self.hex = hex
  }

  /// A new one, of bits that the caller has drawn.
  package init(random high: UInt64, _ low: UInt64) {
    hex = [high, low].map { half in
      let text = String(half, radix: 16)
      return String(repeating: "0", count: Self.digits / 2 - text.utf8.count) + text
    }.joined()
  }

  /// The first 12 hexadecimal digits, enough for people.
  package var description: String { String(hex.prefix(12)) }

  /// Encoded as its hexadecimal digits; anything else is refused.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let incarnation = Incarnation(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not 32 lower-case hexadecimal digits")
    }
    self = incarnation
  }
  /// Encoded as its hexadecimal digits.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hex)
  }
}
