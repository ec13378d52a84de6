// SPDX-License-Identifier: Apache-2.0
package import Model

/// How much memory the bodies of all requests may take at once, from before they are read until
/// they are answered.
///
/// A value. A body costs ``Limits/bodyCostFactor`` times its length: its bytes and what they are
/// decoded to. Holders other than operators may take three quarters of the budget, half of it with
/// large bodies, and each holder at most one large body at a time. So small bodies and those of
/// operators always get through.
package struct BodyBudget: Sendable {
  private let bytes: Int
  private var used = 0
  private var usedByOthers = 0
  private var usedByLarge = 0
  private var large: Set<String> = []

  package init(bytes: Int = Limits.bodyBudgetBytes) { self.bytes = bytes }

  /// A body's part of the budget; to be given back once.
  package struct Share: Sendable {
    fileprivate var cost: Int
    /// Who holds a large body; nil if it is small.
    fileprivate var holder: String?
    fileprivate var isPrivileged: Bool
  }

  /// Takes what a body costs; nil if there is not enough now.
  package mutating func take(_ length: Int, holder: String, _ standing: Standing) -> Share? {
    let isLarge = length > Limits.smallBodyBytes
    let isPrivileged = standing == .operator
    // A body larger than the whole budget must still be possible; the limit of one body is enforced
    // elsewhere.
    let cost = min(length * Limits.bodyCostFactor, bytes)
    guard used + cost <= bytes else { return nil }
    let part = min(cost, bytes / 2)
    if !isPrivileged {
      guard usedByOthers + part <= bytes / 4 * 3 else { return nil }
      guard !isLarge || usedByLarge + part <= bytes / 2 else { return nil }
    }
    if isLarge {
      guard !large.contains(holder) else { return nil }
      large.insert(holder)
    }
    if !isPrivileged {
      usedByOthers += part
      usedByLarge += isLarge ? part : 0
    }
    used += cost
    return Share(cost: cost, holder: isLarge ? holder : nil, isPrivileged: isPrivileged)
  }

  /// A body's memory is free again.
  package mutating func giveBack(_ share: Share) {
    used -= share.cost
    let part = share.isPrivileged ? 0 : min(share.cost, bytes / 2)
    usedByOthers -= part
    guard let holder = share.holder else { return }
    large.remove(holder)
    usedByLarge -= part
  }
}
