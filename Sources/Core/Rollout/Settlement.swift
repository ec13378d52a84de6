/// What became of a committed rollout when its outcomes were in: told to every member by whoever
/// summed it up, so that no other does it again, and whoever watches knows the end.
public struct Settlement: Sendable, Codable, Hashable {
  /// What was done.
  public enum Kind: String, Sendable, Codable, Hashable {
    /// Every start was confirmed: nothing is left to do.
    case confirmed
    /// Not every start was, and everything is held as it is.
    case held
    /// The files of before are being rolled out, by ``Settlement/rollback``.
    case rollingBack
  }

  /// The id of the rollout that it is about.
  public var rollout: String
  /// What was done.
  public var kind: Kind
  /// Why it is held; empty otherwise.
  public var reason: String
  /// The id of the rollout that goes back.
  public var rollback: String?
  /// Who summed it up: the name in a certificate.
  public var by: String

  /// A settlement; see the properties.
  public init(rollout: String, kind: Kind, reason: String = "", rollback: String? = nil, by: String)
  {
    self.rollout = rollout
    self.kind = kind
    self.reason = reason
    self.rollback = rollback
    self.by = by
  }
}
