// SPDX-License-Identifier: Apache-2.0

/// Which of at most 512 messages were sent.
struct MessageSet: Hashable, Sendable {
  static let capacity = 512
  private(set) var words = SIMD8<UInt64>()

  var isEmpty: Bool { words == SIMD8<UInt64>() }

  mutating func insert(_ message: Int) { words[message >> 6] |= 1 << UInt64(message & 63) }
  func contains(_ message: Int) -> Bool { words[message >> 6] >> UInt64(message & 63) & 1 == 1 }
  func isSubset(of other: MessageSet) -> Bool { subtracting(other).isEmpty }

  mutating func formUnion(_ other: MessageSet) { words |= other.words }
  func intersection(_ other: MessageSet) -> MessageSet { MessageSet(words & other.words) }
  func subtracting(_ other: MessageSet) -> MessageSet { MessageSet(words & ~other.words) }

  init() {}
  private init(_ words: SIMD8<UInt64>) { self.words = words }

  /// Takes the lowest out; nil if there is none.
  mutating func popFirst() -> Int? {
    for word in 0..<8 where words[word] != 0 {
      let bit = words[word].trailingZeroBitCount
      words[word] &= words[word] - 1
      return word * 64 + bit
    }
    return nil
  }
}
