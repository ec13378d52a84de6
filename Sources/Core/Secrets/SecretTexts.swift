// SPDX-License-Identifier: Apache-2.0

/// The texts of secrets, to be looked for in what is shown: another variable may hold a key too.
///
/// Searches for each text as a whole, and for the parts after its first and second `:`, so that the
/// prefixes `k1:` and `kes:v1:` make no difference. ``Redactor`` searches for other parts, because
/// its values come from logs: lines, and one part after the last `:`. Time is linear in the
/// searched text, however many secrets there are.
package struct SecretTexts: Sendable {
  /// Shorter ones are not looked for: they would be found in everything. MinIO takes no shorter
  /// passwords.
  package static let shortestBytes = 8
  /// How many texts with the same beginning are compared whole; if there are more, the beginning is
  /// enough.
  private static let alike = 4

  /// Each text by its first ``shortestBytes``.
  private var texts: [UInt64: [[UInt8]]] = [:]

  package init() {}

  /// Looks for `text` too, without the white space around it.
  package mutating func insert(_ text: some BidirectionalCollection<UInt8>) {
    var rest = Array(text.reversed().drop { $0 <= 0x20 }.reversed().drop { $0 <= 0x20 })[...]
    for _ in 0...2 {
      insert(piece: rest)
      guard let colon = rest.firstIndex(of: UInt8(ascii: ":")) else { return }
      rest = rest[(colon + 1)...]
    }
  }

  private mutating func insert(piece: ArraySlice<UInt8>) {
    guard piece.count >= Self.shortestBytes else { return }
    let beginning = piece.prefix(Self.shortestBytes).reduce(0) { $0 << 8 | UInt64($1) }
    let known = texts[beginning, default: []]
    if known.count > Self.alike || known.contains(where: { $0[...] == piece }) { return }
    texts[beginning, default: []].append(Array(piece))
  }

  /// Whether one of them is a part of `text`.
  package func isHeld(by text: String) -> Bool {
    if texts.isEmpty { return false }
    let bytes = Array(text.utf8)
    var last: UInt64 = 0
    for (offset, byte) in bytes.enumerated() {
      last = last << 8 | UInt64(byte)
      guard offset + 1 >= Self.shortestBytes, let found = texts[last] else { continue }
      let rest = bytes[(offset + 1 - Self.shortestBytes)...]
      if found.count > Self.alike || found.contains(where: rest.starts) { return true }
    }
    return false
  }
}
