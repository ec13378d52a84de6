// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

// Proposals whose rollout was not confirmed. Each run of configuration management would hand them in again, and each
// would be two restarts of the whole cluster: the rollout and its rollback. So every member keeps which settings failed,
// the last eight of them, and does not take them again until a rollout of other proposals is confirmed everywhere, a
// person has put them in force with a rollout of their own, or a person says so (docs/use/trouble.md, "Proposed settings
// that were not confirmed").
//
// A rollout of proposals needs all members to hold them: one that remembers is enough to prevent it, whoever
// coordinates, and also when the first member was replaced and has forgotten.

extension ProposalKeeper {
  /// A committed rollout is about to end here. Durable before the end itself is, so that no crash
  /// leaves a proposal to be begun again whose start was not confirmed. Repeating it changes nothing.
  func ended(_ finished: FinishedRollout) throws(Refusal) {
    let rollout = finished.rollout
    if let undone = rollout.undoes {
      try fail(
        undone, News(reason: "not every start was confirmed", rollback: rollout.id))
    }
    guard let settings = rollout.proposal else {
      try keep { $0.approval = nil }
      if finished.outcome.kind == .confirmed { try take(.committed(nil)) }
      return
    }
    // A member's, of what all propose; an operator's has settings too, and waits for nothing.
    let isByMember = rollout.createdBy.hasPrefix("node/")
    try keep { record in
      if isByMember, record.rolledOut?.rollout != rollout.id {
        let ago = finished.report.map { Clock.now().milliseconds(since: $0.planned) } ?? 0
        let at = Clock.realtimeMicroseconds() - Int64(max(0, ago)) * 1_000
        record.lastRolloutMicroseconds = max(0, at)
        record.countedFromMicroseconds = nil
      }
      // What was approved was approved of the settings that were in force then.
      record.approval = nil
      record.rolledOut = .init(digest: settings, rollout: rollout.id, isByMember: isByMember)
    }
    if finished.outcome.kind == .confirmed {
      try take(.committed(settings))
    } else {
      let reason = "\(site.node): \(finished.outcome.kind.rawValue): \(finished.outcome.reason)"
      try fail(rollout.id, News(reason: reason))
    }
  }

  /// The result of a rollout was reported. Repeating it changes nothing.
  func ended(_ rolloutResult: RolloutResult) {
    do throws(Refusal) {
      let undone = state.withLock { $0.record.failure(takenBackBy: rolloutResult.rollout) }
      if let undone {
        return try keep { record in
          record.amend(undone.rollout) {
            $0.ending = rolloutResult.kind == .confirmed ? .rolledBack : .rolledBackUnhealthy
          }
        }
      }
      switch rolloutResult.kind {
      case .confirmed:
        try keep { record in
          guard let rolledOut = record.rolledOut, rolledOut.rollout == rolloutResult.rollout
          else { return }
          // Everywhere, not only here: another generation serves, on which what failed before was not tried. What an
          // operator applies beside it says nothing of that.
          record.forget { (rolledOut.isByMember ?? true) || $0.digest == rolledOut.digest }
        }
      case .held:
        try fail(rolloutResult.rollout, News(reason: rolloutResult.reason))
      case .rollingBack:
        try fail(
          rolloutResult.rollout,
          News(reason: "not every start was confirmed", rollback: rolloutResult.rollback))
      }
    } catch { site.log(.error, error.message) }
  }

  /// What became known of a rollout that was not confirmed.
  private struct News {
    var reason: String
    var rollback: String?
  }

  /// The rollout was not confirmed on every node: if it was of a proposal, that is not proposed any more.
  private func fail(_ rollout: String, _ news: News) throws(Refusal) {
    let rolledOut = state.withLock { $0.record.rolledOut }
      .flatMap { $0.rollout == rollout ? $0 : nil }
    func note(_ record: inout ProposalRecord) {
      if let rolledOut, record.failure(ofRollout: rollout) == nil {
        record.remember(
          ProposalFailure(
            digest: rolledOut.digest, rollout: rollout, ending: .notConfirmed,
            reason: news.reason))
      }
      // Of one that others have followed too: it keeps its place.
      record.amend(rollout) { failed in
        if failed.reason.isEmpty { failed.reason = news.reason }
        failed.rollback = failed.rollback ?? news.rollback
      }
    }
    guard let rolledOut else { return try keep(note) }
    if own.digest == rolledOut.digest {
      try take(.proposed(nil, isInForce: false), note)
    } else {
      try keep(note)
    }
  }

  /// Changes the record and nothing that is told to others. Nothing is written if nothing changes.
  ///
  /// - Throws: a refusal if it could not be made durable; nothing has changed then.
  func keep(_ change: (inout ProposalRecord) -> Void) throws(Refusal) {
    try turn.withLock { _ throws(Refusal) in
      let before = state.withLock { $0.record }
      var record = before
      change(&record)
      if record.isLike(before) { return }
      try site.records.proposal.save(record)
      state.update { state in
        if record.lastRolloutMicroseconds != before.lastRolloutMicroseconds
          || record.countedFromMicroseconds != before.countedFromMicroseconds
        {
          state.lastRollout = Self.lastRollout(record)
        }
        state.record = record
      }
    }
  }

  /// Whether these settings failed last, and nobody has put them in force since with a rollout of their own.
  func isRefusedAsFailed(_ digest: Digest, _ answer: PlanAnswer) -> Bool {
    let last = rollouts.now.record.lastCommitted
    guard let failed = state.withLock({ $0.record.failure(of: digest) }) else { return false }
    let isByPerson =
      last.map {
        $0.rollout.id != failed.rollout && $0.rollout.undoes == nil
          && $0.outcome.kind == .confirmed
      } ?? false
    return !(isByPerson && Self.isInForce(answer))
  }

  /// POST /v1/proposals/retry, `keyturn proposals --retry`: what failed is taken again when it is proposed.
  func retry(_ retry: ProposalRetry) throws(Refusal) -> ProposalsView {
    guard retry.isWellFormed else {
      throw Refusal(
        .validation,
        "the digest must be \(ProposalRetry.digits.lowerBound) to \(ProposalRetry.digits.upperBound) lower-case hexadecimal digits"
      )
    }
    var isChanged = false
    try keep { record in
      let before = record
      record.forget { $0.digest.hex.hasPrefix(retry.digest) }
      isChanged = !record.isLike(before)
      // Whoever says once more how it ended says nothing new.
      if isChanged, record.rolledOut?.digest.hex.hasPrefix(retry.digest) ?? false {
        record.rolledOut = nil
      }
    }
    var view = view()
    view.isChanged = isChanged
    return view
  }
}
