// SPDX-License-Identifier: Apache-2.0
package import Model

/// How a rollout ended on one member.
package enum OutcomeKind: String, Sendable, Codable, Hashable, CaseIterable {
  /// Aborted before anything was touched.
  case aborted
  /// Restarted, the start was confirmed.
  case confirmed
  /// Restarted, the start failed; the reason says why.
  case failed
  /// Restarted, neither confirmed nor failed by the deadline.
  case timedOut
  /// The coordinator could not find out.
  case unknown

  fileprivate var phase: RolloutPhase {
    switch self {
    case .aborted: .aborted
    case .confirmed: .confirmed
    case .failed: .failed
    case .timedOut: .timedOut
    case .unknown: .unknown
    }
  }
}

/// How a rollout ended on one member, with the reason.
package struct Outcome: Sendable, Codable, Hashable {
  package var kind: OutcomeKind
  /// Why, for a person: the journal line, the deadline, the refusal. Redacted.
  package var reason: String

  /// Whether the server got past the Key Manager, so that it may have encrypted with its key; nil
  /// where that is not known.
  package var passedKeyManager: Bool?

  /// What someone should look at although it is confirmed: a drive that was lost in this very start.
  package var warning: String?

  /// Why the start was not confirmed; nil for any other outcome, and from an older agent.
  package var failure: StartFailure?

  /// What a peer or a record tells; its texts are cut at ``Limits/reasonBytes``.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    kind = try container.decode(OutcomeKind.self, forKey: .kind)
    reason = try container.decode(String.self, forKey: .reason)
    passedKeyManager = try container.decodeIfPresent(Bool.self, forKey: .passedKeyManager)
    warning = try container.decodeIfPresent(String.self, forKey: .warning)
    failure = try container.decodeIfPresent(StartFailure.self, forKey: .failure)
    self = mapTexts { $0.cut(toBytes: Limits.reasonBytes) }
  }

  /// Whether it was not awaited, since the previous files came back whatever it came to.
  package var isBrokenOff: Bool { failure.map { $0.kind == .brokenOff } ?? false }

  package var phase: RolloutPhase { isBrokenOff ? .brokenOff : kind.phase }

  /// In one word.
  package var word: String { isBrokenOff ? RolloutPhase.brokenOff.rawValue : kind.rawValue }

  package func mapTexts(_ transform: (String) -> String) -> Outcome {
    var outcome = self
    outcome.reason = transform(reason)
    outcome.warning = warning.map(transform)
    outcome.failure = failure?.mapTexts(transform)
    return outcome
  }

  package init(_ kind: OutcomeKind, _ failure: StartFailure) {
    self.init(kind, failure.description, passedKeyManager: failure.passedKeyManager)
    self.failure = failure
  }

  /// How it ended and why.
  package init(_ kind: OutcomeKind, _ reason: String, passedKeyManager: Bool? = nil) {
    self.kind = kind
    self.reason = reason
    self.passedKeyManager = passedKeyManager
  }
}

/// What happened on a member at the instant, in its own CLOCK_BOOTTIME.
package struct RestartReport: Sendable, Codable, Hashable {
  /// The instant that was agreed.
  package var planned: Instant
  package var issued: Instant
  /// The unit's invocation before the restart; empty if it was not running.
  package var previousInvocation: String
  /// The main process before the restart; nil if none ran, or if that is not known. Its last words
  /// may bear the new invocation: journald looks that up when it reads them.
  package var previousPID: Int32?
  /// The journal's cursor before the restart, if the unit had another invocation by then than at the
  /// vote: that invocation is ignored.
  package var journalCursor: String?
  /// When systemd began to stop the old process; nil until that is known, and if none ran.
  package var stopping: Instant?
  /// When the unit was stopped.
  package var stopped: Instant?
  /// When systemd started the new main process; nil until that is known.
  package var started: Instant?
  /// Since when the new server takes writes; nil until it does, and where it does not tell.
  package var writable: Instant?

  package init(
    planned: Instant, issued: Instant, previousInvocation: String, previousPID: Int32? = nil,
    journalCursor: String? = nil, stopping: Instant? = nil, stopped: Instant? = nil,
    started: Instant? = nil, writable: Instant? = nil
  ) {
    self.writable = writable
    self.stopping = stopping
    self.stopped = stopped
    self.started = started
    self.planned = planned
    self.issued = issued
    self.previousInvocation = previousInvocation
    self.previousPID = previousPID
    self.journalCursor = journalCursor
  }
}

/// A member's answer to prepare.
package enum Vote: Sendable, Hashable {
  /// Everything is checked and staged, durable.
  case yes
  /// Not possible here, and why. Nothing is left behind.
  case no(Refusal)
}
