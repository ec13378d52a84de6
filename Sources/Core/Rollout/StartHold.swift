/// That no server may be started on this node with a key that a rollback takes away: durable from
/// before the rollback's vote, obeyed by the last door (docs/decisions/0012).
///
/// It ends with an abort, or with the next committed rollout. A rollback that was committed and
/// could not be put in place here leaves it, because the others may have gone back.
public struct StartHold: Sendable, Codable, Hashable {
  /// The rollback.
  public var rollout: String
  /// The key that a start may have; nil if it must have none.
  public var key: KeyIdentity?
  /// Whether the unit ran, or was being started, when it was stopped for the vote: an abort starts
  /// it again.
  public var wasUp: Bool

  /// A hold; see the properties.
  public init(rollout: String, key: KeyIdentity?, wasUp: Bool) {
    self.rollout = rollout
    self.key = key
    self.wasUp = wasUp
  }
}

extension LastDoor {
  /// Why the start would be refused by a hold; nil if it has the key that the hold allows, by
  /// bytes. Without a key the enclave does not matter.
  public static func problem(hold: StartHold, key: Variable, enclave: Variable) -> String? {
    let allowed = Seal(
      cluster: "", keyName: hold.key?.name ?? "", enclave: hold.key?.enclave ?? "",
      rollout: hold.rollout, sealedAtMicroseconds: 0)
    return problem(
      seal: allowed, key: key, enclave: hold.key == nil ? Variable(environment: nil) : enclave)
  }
}
