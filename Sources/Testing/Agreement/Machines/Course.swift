// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// The names of members, and what they stand for.
enum Names {
  static let members = (0..<8).map { "m\($0)" }
  /// The members' places in all lists begin at 0, the coordinators' here.
  static let firstCoordinator = 16

  /// The place of a member, or of a rollout, whose name ends in one digit.
  static func place(_ name: String) -> Int { Int(name.utf8.last ?? 0) - 48 }

  static func node(_ node: Int) -> String {
    node < firstCoordinator ? "m\(node)" : "the coordinator of r\(node - firstCoordinator)"
  }
}

/// One rollout of a run.
struct Course: Hashable, Sendable {
  let rollout: Rollout
  /// What a message to each member names it by.
  let keys: [RolloutKey]

  /// - Parameter incarnations: those that answered the plan.
  init(index: Int, epoch: UInt64, incarnations: [Incarnation]) {
    let rollout = Rollout(
      id: "r\(index)", epoch: epoch, kind: .apply, cluster: "c", generation: index + 1, seal: nil,
      contents: incarnations.enumerated().map { place, incarnation in
        MemberContent(
          member: Names.members[place], incarnation: incarnation, path: "/f", before: nil,
          after: nil)
      }, createdBy: "operator", prepareMilliseconds: 10_000, stopMilliseconds: 1_000,
      startMilliseconds: 3_000)
    self.rollout = rollout
    keys = rollout.members.map { rollout.key(for: $0) }
  }
}

/// A few small numbers: rollouts, or members.
struct Bits: Hashable, Sendable {
  private var raw: UInt8 = 0

  init() {}
  init(below count: Int) { raw = UInt8(truncatingIfNeeded: (1 << count) - 1) }

  var isEmpty: Bool { raw == 0 }
  var count: Int { raw.nonzeroBitCount }
  /// The lowest; nil if there is none.
  var first: Int? { raw == 0 ? nil : raw.trailingZeroBitCount }

  func contains(_ number: Int) -> Bool { raw >> UInt8(number) & 1 == 1 }
  mutating func insert(_ number: Int) { raw |= 1 << UInt8(number) }
  mutating func remove(_ number: Int) { raw &= ~(1 << UInt8(number)) }
  mutating func keep(only others: Bits) { raw &= others.raw }
}
