// SPDX-License-Identifier: Apache-2.0

/// That no server may be started on this node with a key that a rollback takes away: durable from
/// before the rollback's vote, obeyed by the start guard
/// (docs/decisions/0013-rollback-stops-before-its-vote.md).
///
/// It ends with an abort, or with the next committed rollout whose restart was taken here. A rollback that was committed
/// and could not be put in place here leaves it, because the others may have gone back.
///
/// An abort ends it in steps, each durable: held, then being released (every start is let through, and one is owed),
/// then gone, when systemd has taken the start. So no crash and no failure leaves the server stopped and nobody to
/// start it.
package struct StartHold: Sendable, Codable, Hashable {
  package var rollout: String
  /// The key that a start may have; nil if it must have none.
  package var key: KeyIdentity?
  /// Whether the unit ran, or was being started, when it was stopped for the vote: an abort starts
  /// it again.
  package var wasUp: Bool
  /// Whether it holds nothing any more and the server is to be started; nil for no.
  package private(set) var releasing: Bool?

  package init(rollout: String, key: KeyIdentity?, wasUp: Bool, isReleasing: Bool = false) {
    self.rollout = rollout
    self.key = key
    self.wasUp = wasUp
    releasing = isReleasing ? true : nil
  }

  /// Whether it holds nothing any more, and the server is to be started.
  package var isReleasing: Bool { releasing ?? false }

  package var released: StartHold {
    StartHold(rollout: rollout, key: key, wasUp: wasUp, isReleasing: true)
  }
}

extension StartGuard {
  /// Why the start would be refused by a hold; nil if it has the key that the hold allows, by
  /// bytes. Without a key the enclave does not matter.
  package static func problem(hold: StartHold, key: Variable, enclave: Variable) -> String? {
    if hold.isReleasing { return nil }
    let allowed = Seal(
      cluster: "", keyName: hold.key?.name ?? "", enclave: hold.key?.enclave ?? "",
      rollout: hold.rollout, sealedAtMicroseconds: 0)
    return problem(
      seal: allowed, key: key, enclave: hold.key == nil ? Variable(environment: nil) : enclave)
  }
}
