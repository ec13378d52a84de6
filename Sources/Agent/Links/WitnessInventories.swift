// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Threads

/// What the witnesses said last of the inventory that they go by. A change is given to them by whoever made it, once the
/// nodes have it, so for a moment they lack it, and refuse nodes that have joined. Pure.
struct WitnessInventories: Sendable {
  private struct Told {
    /// 1 for the file's; nil where it refused this node.
    var number: Int?
    /// The nodes' own when it was asked, and when that was.
    var agreed: Int
    var at: Instant
    /// Since when it is known to lack that one; nil if it has it.
    var behindSince: Instant?
  }
  private var told: [String: Told] = [:]

  /// A witness that lacks it for longer was away, milliseconds.
  private static let givenMilliseconds = 4_000
  /// For how long it is asked more often, milliseconds: then it is away, and not late.
  private static let lateMilliseconds = 60_000

  /// - Parameters:
  ///   - number: what the witness goes by; nil where it refused this node.
  ///   - agreed: what the nodes went by when it was asked.
  mutating func note(_ witness: String, number: Int?, agreed: Int, at now: Instant) {
    let since = told[witness].flatMap { $0.agreed == agreed ? $0.behindSince : nil } ?? now
    let isBehind = number.map { $0 < agreed } ?? true
    told[witness] = Told(
      number: number, agreed: agreed, at: now, behindSince: isBehind ? since : nil)
  }

  /// Whether one may get the nodes' inventory in a moment.
  func areAwaited(at now: Instant) -> Bool {
    told.values.contains { told in
      told.behindSince.map { now.milliseconds(since: $0) < Self.lateMilliseconds } ?? false
    }
  }

  /// Those that lack the inventory of this number still, and what they go by; sorted.
  func behind(_ agreed: Int) -> [(witness: String, number: Int)] {
    told.sorted { $0.key < $1.key }.compactMap { witness, told in
      guard let number = told.number, told.agreed == agreed, let since = told.behindSince,
        told.at.milliseconds(since: since) >= Self.givenMilliseconds
      else { return nil }
      return (witness, number)
    }
  }
}
