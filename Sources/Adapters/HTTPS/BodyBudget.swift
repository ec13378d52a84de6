public import Model

/// How much memory the bodies of all requests may take at once, from before they are read until they
/// are answered.
///
/// A value. What a body costs is its bytes and what comes of them: ``Limits/bodyCostFactor`` times
/// its length. Large bodies of others than operators may take half of it, and no holder more than one
/// large body at a time, so that small ones and an operator's always get through.
public struct BodyBudget: Sendable {
  private let bytes: Int
  private var used = 0
  private var usedByLarge = 0
  private var large: Set<String> = []

  /// A budget of so many bytes.
  public init(bytes: Int = Limits.bodyBudgetBytes) { self.bytes = bytes }

  /// What a body of a holder has taken; to be given back once.
  public struct Share: Sendable {
    fileprivate var cost: Int
    /// Who holds a large body; nil if it is small.
    fileprivate var holder: String?
    fileprivate var isPrivileged: Bool
  }

  /// Takes what a body costs; nil if that is not there now.
  public mutating func take(
    _ length: Int, holder: String, _ standing: Standing
  ) -> Share? {
    let isLarge = length > Limits.smallBodyBytes
    let isPrivileged = standing == .operator
    // What alone is more than the budget must still be possible; its own limit is elsewhere.
    let cost = min(length * Limits.bodyCostFactor, bytes)
    guard used + cost <= bytes else { return nil }
    if isLarge {
      guard !large.contains(holder) else { return nil }
      guard isPrivileged || usedByLarge + min(cost, bytes / 2) <= bytes / 2 else { return nil }
      if !isPrivileged { usedByLarge += min(cost, bytes / 2) }
      large.insert(holder)
    }
    used += cost
    return Share(cost: cost, holder: isLarge ? holder : nil, isPrivileged: isPrivileged)
  }

  /// A body's memory is free again.
  public mutating func giveBack(_ share: Share) {
    used -= share.cost
    guard let holder = share.holder else { return }
    large.remove(holder)
    if !share.isPrivileged { usedByLarge -= min(share.cost, bytes / 2) }
  }
}
