// SPDX-License-Identifier: Apache-2.0
package import Model

/// The result of a committed rollout when its outcomes were in: told to every member by whoever
/// summed it up, so that no other does it again, and whoever watches knows the end.
package struct RolloutResult: Sendable, Codable, Hashable {
  /// What was done.
  package enum Kind: String, Sendable, Codable, Hashable {
    /// Every start was confirmed: nothing is left to do.
    case confirmed
    /// Not every start was, and everything is held as it is.
    case held
    /// The previous files are being rolled out, by ``RolloutResult/rollback``.
    case rollingBack
  }

  /// The id of the rollout that it is about.
  package var rollout: String
  package var kind: Kind
  /// Why it is held; empty otherwise.
  package var reason: String
  /// The id of the rollout that goes back.
  package var rollback: String?
  /// Who summed it up: the name in a certificate.
  package var by: String

  /// What a peer or a record tells; the reason is cut at ``Limits/reasonBytes``.
  ///
  /// - Throws: if a name is longer than ``Limits/nameInMessageBytes``.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func name(_ key: CodingKeys) throws -> String? {
      let name = try container.decodeIfPresent(String.self, forKey: key)
      if name?.utf8.count ?? 0 <= Limits.nameInMessageBytes { return name }
      throw DecodingError.dataCorruptedError(
        forKey: key, in: container,
        debugDescription: "has more than \(Limits.nameInMessageBytes) bytes")
    }
    rollout = try name(.rollout) ?? ""
    kind = try container.decode(Kind.self, forKey: .kind)
    reason = try container.decode(String.self, forKey: .reason).cut(toBytes: Limits.reasonBytes)
    rollback = try name(.rollback)
    by = try name(.by) ?? ""
  }

  package init(
    rollout: String, kind: Kind, reason: String = "", rollback: String? = nil, by: String
  ) {
    self.rollout = rollout
    self.kind = kind
    self.reason = reason
    self.rollback = rollback
    self.by = by
  }
}

extension RolloutResult {
  /// Why a member does not take this for the result of a rollout; nil if it does. What was told first stays: who tells
  /// another thing is mistaken, or lies. A member knows by itself how its own start ended, and by its own record that
  /// a rollout was taken back, whoever says what.
  ///
  /// - Parameters:
  ///   - known: what it was told before; nil for nothing.
  ///   - own: how its own part has ended; nil if it has not, or that was too long ago.
  package func refusal(after known: RolloutResult?, own: Outcome?) -> String? {
    if let known, known != self {
      return "the rollout was said to be \(known.kind.rawValue) before, by \(known.by)"
    }
    if kind == .confirmed, let own, own.kind != .confirmed {
      return "the start here was not confirmed: \(own.kind.rawValue)"
    }
    return nil
  }
}

extension Rollout {
  /// Whether this one may report its result: who created it, and any member.
  package func mayReportResult(by principal: Principal) -> Bool {
    if createdBy == principal.author { return true }
    return principal.role == .node && content(of: principal.name) != nil
  }
}
