// SPDX-License-Identifier: Apache-2.0

internal import Model

/// How many pools and drives the arguments of `minio server` name. See docs/facts.md,
/// "Comparison of environments": each argument with `{1...4}` is a pool; all arguments without are
/// one pool.
package struct ServerVolumes: Sendable, Hashable {
  /// Drives of the largest erasure set.
  static let drivesOfSet = 16

  package enum Pools: Sendable, Hashable {
    case known(Int)
    /// Why it is not known.
    case unknown(String)
  }

  package let pools: Pools
  /// The drives of each pool; empty if they cannot be counted.
  package let drives: [Int]
  package let hosts: VolumeHosts
  package let named: VolumePools

  /// What names them, for example `MINIO_VOLUMES`, for a message.
  package let source: String

  /// - Parameters:
  ///   - words: the arguments.
  ///   - source: what names them.
  ///   - port: that the server listens on.
  package init(
    _ words: [String], from source: String = "MINIO_VOLUMES",
    port: UInt16 = Inventory.defaultServerPort
  ) {
    let counts = words.map(Self.count)
    let hasRanges = words.contains { $0.contains("...") }
    pools = words.isEmpty ? .unknown("no drive is named") : .known(hasRanges ? words.count : 1)
    let known = counts.compactMap(\.self)
    let isComplete = known.count == counts.count && !known.isEmpty
    drives = isComplete ? (hasRanges ? known : [known.reduce(0, +)]) : []
    hosts = VolumeHosts(words, port: port)
    named = VolumePools(words, from: source, port: port)
    self.source = source
  }

  /// Of drives that are named elsewhere.
  init(unknown why: String) {
    (pools, drives, hosts) = (.unknown(why), [], VolumeHosts([]))
    named = VolumePools(unknown: why)
    source = "the server's configuration"
  }

  /// The least number of erasure sets; nil if that is not known.
  package var sets: Int? {
    drives.isEmpty
      ? nil : drives.reduce(0) { $0 + ($1 + Self.drivesOfSet - 1) / Self.drivesOfSet }
  }

  /// How many names to ask for in one look, so that a few looks reach every set: chance puts a name
  /// into a set.
  package var writeQuestions: Int { sets.map { $0 == 1 ? 1 : 4 * $0 } ?? 4 }

  /// The product of the word's ranges; nil if one is not a range.
  private static func count(_ word: String) -> Int? {
    var total = 1
    var rest = word[...]
    while let open = rest.firstIndex(of: "{") {
      guard let close = rest[open...].firstIndex(of: "}") else { return nil }
      let range = rest[rest.index(after: open)..<close]
      guard let dots = range.firstRange(of: "..."),
        let first = number(range[..<dots.lowerBound]), let last = number(range[dots.upperBound...]),
        first <= last, last - first < 1 << 16
      else { return nil }
      total *= last - first + 1
      guard total < 1 << 20 else { return nil }
      rest = rest[rest.index(after: close)...]
    }
    return total
  }

  /// A number of at most 8 digits, or hexadecimal with a letter in it, as the server's ranges have
  /// them.
  private static func number(_ text: Substring) -> Int? {
    guard (1...8).contains(text.utf8.count) else { return nil }
    return Int(text) ?? Int(text, radix: 16)
  }
}
