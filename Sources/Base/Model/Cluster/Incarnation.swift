// SPDX-License-Identifier: Apache-2.0

/// One life of an agent's state directory: 128 random bits, drawn when the directory has none, and
/// durable in it from then on.
///
/// A node that lost its state (disk replaced, host reinstalled, directory emptied) has another one
/// under the same name, so other members can tell that it has forgotten what it said before.
package struct Incarnation: Sendable, Hashable, HexText {
  package static let digits = 32

  package let hex: String

  package init?(hex: String) {
    guard hex.isHex(digits: Self.digits) else { return nil }
    self.hex = hex
  }

  /// A new one, of bits that the caller has drawn.
  package init(random high: UInt64, _ low: UInt64) {
    hex = [high, low].flatMap { half in withUnsafeBytes(of: half.bigEndian) { Array($0) } }.hex
  }
}
