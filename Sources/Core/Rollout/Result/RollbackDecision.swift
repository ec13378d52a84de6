// SPDX-License-Identifier: Apache-2.0
package import Model

extension RollbackPolicy {
  /// What is to be done when every outcome is in, or no more will come. Pure.
  ///
  /// - Parameters:
  ///   - rollout: the one that has ended.
  ///   - outcomes: one for each member.
  ///   - key: the key that the servers were started with; nil for none.
  ///   - previousKey: the key of the generation before; nil for none.
  package func decide(
    _ rollout: Rollout, _ outcomes: [MemberOutcome], key: KeyIdentity?, previousKey: KeyIdentity?
  ) -> RollbackDecision {
    if outcomes.count == rollout.contents.count,
      outcomes.allSatisfy({ $0.outcome.kind == .confirmed })
    {
      return .nothing
    }
    // A committed rollout is aborted nowhere. Who says so has another record than the others.
    if let other = outcomes.first(where: { $0.outcome.kind == .aborted }) {
      return .hold(
        "\(other.member) says that it was aborted, and its server runs with the file from before; others committed it"
      )
    }
    if !rollout.restartsServers {
      return .hold(
        "no server was restarted: there is nothing to take back"
      )
    }
    switch rollout.kind {
    case .members: return .hold("a change of members has changed no file")
    case .restart: return .hold("a restart has changed no file: there is nothing to go back to")
    case .rollback:
      return .hold("this was the rollback itself; look at why the servers do not start")
    case .apply: break
    }
    if let wrong = outcomes.first(where: {
      $0.outcome.failure.map { $0.kind == .keyNotProven } ?? false
    }) {
      return .hold(
        "\(wrong.member): its Key Manager has another key than the one that was encrypted with, and no server must be restarted before it is right"
      )
    }
    if self == .never { return .hold("the rollback policy of this rollout is \"never\"") }
    if rollout.contents.contains(where: { $0.before == nil }) {
      return .hold("a node had no environment file before: there is nothing to go back to")
    }
    if let unknown = outcomes.first(where: { $0.outcome.kind == .unknown }) {
      return .hold("\(unknown.member): how its start ended is not known")
    }
    guard outcomes.count == rollout.contents.count else {
      return .hold("the outcomes of some nodes are not known")
    }
    guard let key, key != previousKey else { return .rollBack }
    // A confirmed start has encrypted; what is not known may have.
    let suspect = outcomes.first {
      $0.outcome.kind == .confirmed || ($0.outcome.passedKeyManager ?? true)
    }
    if let suspect {
      return .hold(
        "\(suspect.member) may have encrypted with the key \"\(key.name)\", and would not be able to read it without"
      )
    }
    return .rollBack
  }
}

extension RollbackPolicy {
  /// Why the previous files come back, whatever the starts that are not known yet come to; nil if that is not certain.
  /// Not where a key is sealed by the rollout: whether it may be taken away depends on every start. What is certain here
  /// may be held all the same, by a node that votes no on the rollback.
  package func certainCause(_ rollout: Rollout, _ known: [MemberOutcome]) -> String? {
    guard self == .whenSafe, rollout.kind == .apply, rollout.restartsServers, rollout.seal == nil,
      rollout.contents.allSatisfy({ $0.before != nil }),
      rollout.contents.contains(where: { $0.before != $0.after })
    else { return nil }
    for member in known {
      switch member.outcome.kind {
      case .aborted, .unknown: return nil
      case .confirmed: break
      case .failed, .timedOut:
        if member.outcome.failure.map({ $0.kind == .keyNotProven }) ?? false { return nil }
      }
    }
    let bad = known.first {
      [.failed, .timedOut].contains($0.outcome.kind) && !$0.outcome.isBrokenOff
    }
    return bad.map { member in
      let why = member.outcome.failure?.reason ?? member.outcome.reason
      return "\(member.member) was not confirmed (\(why)), and the previous files come back"
    }
  }
}

/// What is to be done about starts that were not confirmed.
package enum RollbackDecision: Sendable, Hashable {
  /// All were confirmed.
  case nothing
  /// Roll the previous generation out, with votes of its own.
  case rollBack
  /// Leave everything as it is, and say why.
  case hold(String)
}
