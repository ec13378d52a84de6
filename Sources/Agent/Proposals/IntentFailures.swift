// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

// Proposals whose rollout was not confirmed. Each run of configuration management would hand them in again, and
// each would be two restarts of the whole cluster: the rollout and its rollback. So every member keeps which
// settings failed last, and does not take them again until they are others, a person has put them in force with a
// rollout of their own, or a person says so (docs/operations.md, "Driven by configuration management").
//
// A rollout of proposals needs all members to hold them: one that remembers is enough to prevent it, whoever
// coordinates, and also when the first member was replaced and has forgotten.

extension Agent {
  /// A committed rollout is about to end here. Durable before the end itself is, so that no crash
  /// leaves a wish to be begun again whose start was not confirmed. Repeating it changes nothing.
  func intentEnded(_ finished: FinishedRollout) throws(Refusal) {
    let rollout = finished.rollout
    if let undone = rollout.undoes {
      try intentFailed(
        undone, IntentNews(reason: "not every start was confirmed", rollback: rollout.id))
    }
    guard let wish = rollout.wish else {
      if finished.outcome.kind == .confirmed { try take(.committed(nil)) }
      return
    }
    let isProposed = state.withLock { $0.intents.own.digest } == wish
    try keepIntent { record in
      record.rolledOut = .init(digest: wish, rollout: rollout.id)
      // Others were proposed since, and serve.
      if isProposed, finished.outcome.kind == .confirmed { record.failed = nil }
    }
    if finished.outcome.kind == .confirmed {
      try take(.committed(wish))
    } else {
      let reason = "\(node): \(finished.outcome.kind.rawValue): \(finished.outcome.reason)"
      try intentFailed(rollout.id, IntentNews(reason: reason))
    }
  }

  /// Somebody who may has said what became of a rollout. Repeating it changes nothing.
  func intentSettled(_ settlement: Settlement) {
    do throws(Refusal) {
      let failed = state.withLock { $0.intent.failed }
      if let failed, failed.rollback == settlement.rollout {
        let code: ExitCode = settlement.kind == .confirmed ? .rolledBack : .rolledBackUnhealthy
        return try keepIntent { $0.failed?.code = code }
      }
      switch settlement.kind {
      case .confirmed:
        try keepIntent { record in
          guard let rolledOut = record.rolledOut, rolledOut.rollout == settlement.rollout,
            record.failed?.digest == rolledOut.digest
          else { return }
          record.failed = nil
        }
      case .held:
        try intentFailed(settlement.rollout, IntentNews(reason: settlement.reason))
      case .rollingBack:
        try intentFailed(
          settlement.rollout,
          IntentNews(reason: "not every start was confirmed", rollback: settlement.rollback))
      }
    } catch { ports.log(3, error.message) }
  }

  /// What became known of a rollout that was not confirmed.
  private struct IntentNews {
    var reason: String
    var rollback: String?
  }

  /// The rollout was not confirmed on every node: if it was of a wish, that is not wished any more.
  private func intentFailed(_ rollout: String, _ news: IntentNews) throws(Refusal) {
    guard let rolledOut = state.withLock({ $0.intent.rolledOut }), rolledOut.rollout == rollout
    else { return }
    func note(_ record: inout IntentRecord) {
      var failed =
        record.failed.flatMap { $0.rollout == rollout ? $0 : nil }
        ?? IntentFailure(
          digest: rolledOut.digest, rollout: rollout, code: .notConfirmed, reason: news.reason)
      if failed.reason.isEmpty { failed.reason = news.reason }
      failed.rollback = failed.rollback ?? news.rollback
      record.failed = failed
    }
    if state.withLock({ $0.intents.own.digest }) == rolledOut.digest {
      try take(.proposed(nil, isInForce: false), note)
    } else {
      try keepIntent(note)
    }
  }

  /// Changes the record and nothing that is told to others. Nothing is written if nothing changes.
  ///
  /// - Throws: a refusal if it could not be made durable; nothing has changed then.
  private func keepIntent(_ change: (inout IntentRecord) -> Void) throws(Refusal) {
    try intentTurn.withLock { _ throws(Refusal) in
      let before = state.withLock { $0.intent }
      var record = before
      change(&record)
      if record.failed == before.failed, record.rolledOut == before.rolledOut { return }
      try records.save(record)
      state.update { $0.intent = record }
    }
  }

  /// Whether these settings failed last, and nobody has put them in force since with a rollout of their own.
  func isRefusedAsFailed(_ digest: Digest, _ answer: PlanAnswer) -> Bool {
    let (failed, last) = state.withLock {
      ($0.intent.failed, $0.participant.record.lastCommitted)
    }
    guard let failed, failed.digest == digest else { return false }
    let isByPerson =
      last.map {
        $0.rollout.id != failed.rollout && $0.rollout.undoes == nil
          && $0.outcome.kind == .confirmed
      } ?? false
    return !(isByPerson && Self.isInForce(answer))
  }

  /// POST /v1/intents/retry, `keyturn proposals --retry`: what failed is taken again when it is proposed.
  func retryIntent(_ retry: IntentRetry) throws(Refusal) -> IntentsView {
    guard retry.isWellFormed else {
      throw Refusal(
        .validation,
        "the digest must be \(IntentRetry.digits.lowerBound) to \(IntentRetry.digits.upperBound) lower-case hexadecimal digits"
      )
    }
    let isChanged = state.withLock { $0.intent.failed?.digest.hex.hasPrefix(retry.digest) ?? false }
    if isChanged {
      try keepIntent { record in
        record.failed = nil
        // Whoever says once more how it ended says nothing new.
        record.rolledOut = nil
      }
    }
    var view = intentsView()
    view.isChanged = isChanged
    return view
  }
}
