// SPDX-License-Identifier: Apache-2.0
internal import API
internal import HTTP
internal import Model
internal import Rollout

// What a caller may ask beyond its role, which Route knows: coordinators, members, proposers of a ballot.
extension Agent {
  /// A node must be a member of the rollout that it asks about, if this member is in it.
  func permitMember(of id: String, _ principal: Principal) throws(Refusal) {
    let now = rollouts.now
    let known = [now.record.active?.rollout, now.assessing].compactMap(\.self)
    guard principal.role == .node, let rollout = known.first(where: { $0.id == id }),
      rollout.content(of: principal.name) == nil
    else { return }
    throw Refusal(.notPermitted, "\(principal.name) is no member of rollout \(id)")
  }

  /// How far above this member's epoch one may be that a node tells which is no member.
  private static let strangersEpochs: UInt64 = 16

  /// A node that is no member asks about a rollout that lists it. Of one that is not known here it may ask for the word
  /// that no yes was given, and will not move this member's epoch far by it.
  func permitStranger(
    of id: String, _ route: Route, _ request: HTTPRequest, _ principal: Principal
  ) throws(Refusal) {
    guard principal.role == .node, !doorkeeper.isMember(principal) else { return }
    let now = rollouts.now
    if let known = now.finished(id)?.rollout ?? now.record.active?.rollout ?? now.assessing,
      known.id == id
    {
      if known.content(of: principal.name) != nil { return }
    } else if route != .follow {
      let asked: EpochOfRequest = try decode(request)
      if asked.epoch <= now.record.highestEpoch + Self.strangersEpochs { return }
    }
    throw Refusal(.notPermitted, "\(principal.name) is no member of rollout \(id)")
  }

  /// POST /v1/rollouts/ID/break-off: who coordinates the rollout knows that nothing depends on this start. So does a
  /// member where a start of its own that has failed is enough to bring the previous files back: it could have told the
  /// coordinator the same.
  func breakOff(
    _ request: BreakOff, of id: String, from principal: Principal
  ) throws(Refusal) -> BreakOffAnswer {
    if let active = rollouts.now.record.active?.rollout, active.id == id,
      active.createdBy != principal.author, !mayBreakOff(active, principal)
    {
      throw Refusal(
        .notPermitted,
        "rollout \(id) is \(active.createdBy)'s, the certificate \(principal.author)'s")
    }
    return BreakOffAnswer(isBrokenOff: member.breakOff(id, request.reason))
  }

  private func mayBreakOff(_ rollout: Rollout, _ principal: Principal) -> Bool {
    guard principal.role == .node, rollout.content(of: principal.name) != nil else { return false }
    let claim = MemberOutcome(member: principal.name, outcome: Outcome(.failed, ""))
    return (rollout.rollback ?? .never).certainCause(rollout, [claim]) != nil
  }

  /// Whether the caller may propose with this ballot.
  func permit(
    _ ballot: Ballot, of id: String, from principal: Principal
  ) throws(Refusal) {
    if ballot == .coordinator {
      let active = rollouts.now.record.active?.rollout
      guard let active, active.id == id, active.createdBy != principal.author else { return }
      throw Refusal(
        .notPermitted,
        "rollout \(id) is \(active.createdBy)'s, the certificate \(principal.author)'s; if its coordinator is gone: keyturn resolve \(id)"
      )
    }
    if !ballot.isPlausible {
      throw Refusal(
        .validation,
        "\(principal.name) proposes round \(ballot.round) of rollout \(id), which no proposer can have got to"
      )
    }
    if principal.role != .node || ballot.proposer != principal.name || ballot.round == 0 {
      throw Refusal(
        .notPermitted,
        "\(principal.name) may not propose with ballot (\(ballot.round), \(ballot.proposer.prefix(Limits.nameCharacters))): above round 0 each member proposes in its own name"
      )
    }
  }
}

extension Agent {
  /// Whether a caller may have this agent plan, or vote on, a rollout. An operator may. A node may only
  /// carry out what was decided before: take back the last rollout, as its own policy says, or bring
  /// what this node's own root has proposed.
  func permitCoordination(
    _ principal: Principal, _ request: RolloutRequest
  ) throws(Refusal) {
    if principal.role == .operator { return }
    switch request.kind {
    case .rollback:
      let last = rollouts.now.record.lastCommitted
      if request.generation == nil, request.changes.isEmpty, let last,
        last.rollout.id == request.undoes,
        last.rollout.kind == .apply, last.rollout.rollback == .whenSafe, isOpen(last)
      {
        return
      }
    case .apply:
      let proposal = request.proposal(cluster: inventory.cluster)
      if proposals.own.digest == proposal, request.changesPools != true { return }
    case .restart, .members: break
    }
    throw Refusal(
      .notPermitted,
      "the node \(principal.name) may ask \(node) only for what was proposed on \(node) itself, or for the rollback of its last rollout where that is \"when-safe\" and was not confirmed"
    )
  }

  /// Whether the result of a committed rollout is still open, as far as this member alone can know. What was confirmed
  /// on all members, and what somebody decided to hold, is an operator's to take back.
  private func isOpen(_ finished: FinishedRollout) -> Bool {
    switch results.kept(finished.rollout.id)?.rolloutResult?.kind {
    case .confirmed, .held: return false
    case .rollingBack: return true
    // Its own start is good, and nobody asks any more how the others' were.
    case nil:
      return results.isOpen(finished.rollout.id) || finished.outcome.kind != .confirmed
    }
  }
}

/// What every message of a proposer has.
private struct EpochOfRequest: Decodable {
  @Bounded<Bounds.Epoch> var epoch: UInt64
}
