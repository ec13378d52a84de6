// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

// What the inventory's "proposals" asks for. The first member waits for it, and each member looks again at its vote, by
// its own record: a first member that was replaced, or goes by another inventory, brings nothing through.
extension ProposalKeeper {
  /// By how much two members may differ in when the last rollout was, milliseconds.
  private static let toleranceMilliseconds = 2_000

  func gate(_ state: State) -> ProposalGate {
    let approval = state.record.approval.flatMap { approval in
      let age = Clock.realtimeMicroseconds().subtractingClamped(approval.atMicroseconds)
      return age < Int64(Limits.proposalApprovalSeconds) * 1_000_000 ? approval : nil
    }
    return ProposalGate(
      site.inventory.proposals, approved: approval?.digest, lastRollout: state.lastRollout)
  }

  /// When the last rollout was by this boot's clock. A clock that was set back makes it the first start of the agent
  /// since: the next one waits for one interval more, and not until the clock has come there again.
  static func lastRollout(_ record: ProposalRecord) -> Instant? {
    let now = Clock.realtimeMicroseconds()
    return record.lastRolloutMicroseconds.map { last in
      let from = record.countedFromMicroseconds.flatMap { $0 <= now ? $0 : nil }
      let at = last > now ? from ?? now : last
      let elapsed = (now - at) / 1_000
      let longest = Int64(Limits.proposalIntervalSeconds) * 1_000
      return Clock.now().advanced(byMilliseconds: -Int(min(max(0, elapsed), longest)))
    }
  }

  /// The agent has started, and by its clock the last rollout is to come: the interval is counted from now on, and not
  /// from each start again. What is known of that rollout stays, since the clock may be put right.
  func countInterval() {
    let now = Clock.realtimeMicroseconds()
    site.attempt(.warning) { () throws(Refusal) in
      try keep { record in
        guard let last = record.lastRolloutMicroseconds, last > now else { return }
        if let from = record.countedFromMicroseconds, from <= now { return }
        record.countedFromMicroseconds = now
      }
    }
  }

  /// Why this member does not vote for a rollout of what it proposes; nil if it does.
  func obstacle(to request: RolloutRequest) -> Refusal? {
    obstacle(toSettings: request.proposal(cluster: site.inventory.cluster))
  }

  func obstacle(toSettings digest: Digest) -> Refusal? {
    let obstacle = state.withLock {
      gate($0).obstacle(to: digest, at: Clock.now(), tolerance: Self.toleranceMilliseconds)
    }
    switch obstacle {
    case .approval:
      return Refusal(
        .vote,
        "no operator has approved settings \(digest.hex.prefix(12)) on \(site.node): `keyturn proposals approve \(digest.hex.prefix(12))`"
      )
    case .interval(let until):
      return Refusal(
        .vote,
        "the last rollout of proposed settings was less than \(site.inventory.proposals?.minimumIntervalSeconds ?? 0) s ago on \(site.node): not before \(CalendarTime.text(microseconds: Self.wall(until)))"
      )
    case nil: return nil
    }
  }

  /// The same by the wall clock, microseconds since 1970-01-01 UTC.
  static func wall(_ instant: Instant) -> Int64 {
    Clock.realtimeMicroseconds() + Int64(instant.milliseconds(since: Clock.now())) * 1_000
  }

  /// POST /v1/proposals/approve, `keyturn proposals approve`: this member takes part in one rollout of these settings.
  func approve(
    _ request: ApprovalRequest, by principal: Principal
  ) throws(Refusal) -> ProposalsView {
    guard site.inventory.proposals?.approval == .operator else {
      throw Refusal(
        .validation,
        "this node's inventory asks for no approval of proposals: nothing was changed")
    }
    var isChanged = false
    try keep { record in
      if record.approval?.digest == request.digest { return }
      record.approval = ProposalApproval(
        digest: request.digest, by: principal.author,
        atMicroseconds: Clock.realtimeMicroseconds())
      isChanged = true
    }
    if isChanged {
      site.log(
        .notice,
        "\(principal.author) has approved proposed settings \(request.digest.hex.prefix(12))")
      intend(.woke)
    }
    var view = view()
    view.isChanged = isChanged
    return view
  }

  /// What stands in `status` about a proposal that nobody has approved.
  func findings() -> [Finding] {
    let view = view()
    guard view.phase == .unapproved, let digest = view.own.digest else { return [] }
    return [
      Finding(
        .warning, rule: "proposal-unapproved", refusal: .vote,
        message: "proposed settings \(digest.hex.prefix(12)) wait for an operator's approval",
        remedy: "`keyturn proposals approve \(digest.hex.prefix(12))`")
    ]
  }
}
