// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// What is known of the proposals.
extension ProposalKeeper {
  /// What is proposed here.
  var own: MemberProposal { state.withLock { $0.proposals.own } }

  /// For how long what is proposed here has been so, or this agent has run; nil if nothing is proposed.
  var ageMilliseconds: Int? {
    state.withLock { state in
      state.proposals.own.digest.map { _ in
        max(0, Clock.now().milliseconds(since: state.changed))
      }
    }
  }

  /// The proposals as this member knows them.
  func view() -> ProposalsView {
    let (now, all) = (rollouts.now, results.all)
    return state.withLock { state in
      let own = state.proposals.own
      var refusal = state.refusal.flatMap { $0.digest == own.digest ? $0.refusal : nil }
      if refusal == nil, let first = state.firstView, first.own.digest == own.digest {
        refusal = first.refusal
      }
      let (phase, rollout) = phase(now, state, refusal)
      let obstacle = own.digest.flatMap { gate(state).obstacle(to: $0, at: Clock.now()) }
      var notBefore: Int64?
      if phase == .deferred, case .interval(let until) = obstacle { notBefore = Self.wall(until) }
      return ProposalsView(
        node: site.node, own: own, phase: phase,
        rows: site.inventory.memberNames.map {
          ProposalRow(member: $0, statement: state.proposals[$0])
        },
        rollout: rollout, refusal: phase == .refused ? refusal : nil,
        failure: state.record.failed, results: all, approval: state.record.approval,
        notBeforeMicroseconds: notBefore)
    }
  }

  private func phase(
    _ now: RolloutStanding, _ state: State, _ refusal: Refusal?
  ) -> (ProposalPhase, String?) {
    let own = state.proposals.own
    if let active = now.record.active?.rollout ?? now.assessing,
      let settings = active.proposal,
      settings == own.digest
    {
      return (.rollingOut, active.id)
    }
    guard own.digest != nil else {
      guard let failed = state.record.failed, failed.rollout != state.record.givenUp else {
        return (.none, nil)
      }
      return (.notConfirmed, failed.rollout)
    }
    if own.isInForce {
      let last = now.record.lastCommitted?.rollout
      guard let last, last.proposal == own.digest else { return (.inForce, nil) }
      // Confirmed here, and not known yet whether everywhere.
      let isOpen = results.isOpen(last.id) && results.kept(last.id)?.rolloutResult == nil
      return (isOpen ? .rollingOut : .inForce, last.id)
    }
    switch own.digest.flatMap({ gate(state).obstacle(to: $0, at: Clock.now()) }) {
    case .approval: return (.unapproved, nil)
    case .interval: return (.deferred, nil)
    case nil: return (refusal == nil ? .waiting : .refused, nil)
    }
  }

  /// The same with what the first member knows of the others. Blocks until it has answered, at most 2 s;
  /// without it the others are simply not heard of.
  func wholeView(isChanged: Bool = false) -> ProposalsView {
    if let first = site.inventory.memberNames.first, first != site.node {
      let statement = own
      do throws(LinkFailure) {
        let view: ProposalsView = try site.peers.ask(
          .tell(statement), of: first, .now, deadline: .inMilliseconds(Self.tellMilliseconds))
        state.update { $0.firstView = view }
      } catch { site.log(.notice, "ask \(first) who has proposed what: \(error.refusal.message)") }
    }
    var view = view()
    if let first = state.withLock({ $0.firstView }) {
      view.rows = view.rows.map { row in
        row.member == site.node
          ? row : first.rows.first { $0.member == row.member } ?? row
      }
    }
    view.isChanged = isChanged
    return view
  }
}
