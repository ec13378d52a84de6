// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Secrets

/// The steps of one rollout on this member, for those who watch it and for those who look at it
/// afterwards (``Timelines`` keeps it).
///
/// Bounded: of many steps the first and the last are kept, and long details are cut. Whoever adds a
/// step has redacted it; what looks like a secret is taken out here once more.
struct Timeline: Codable, Hashable {
  /// A moment by both of the node's clocks.
  struct Time {
    var realtimeMicroseconds: Int64
    var instant: Instant
    /// The boot that the instant belongs to.
    var bootID: String
  }

  let rollout: RolloutHead
  @Bounded<Bounds.WallMicroseconds> private(set) var beganMicroseconds: Int64
  /// The boot on which it began, and that every instant in it belongs to.
  let bootID: String
  /// The instant that was agreed on; nil where there was none, or on another boot.
  private(set) var instant: Instant?
  private(set) var events: [RolloutEvent] = []
  private(set) var report: RestartReport?
  private(set) var outcome: Outcome?
  /// What it changes in the file here; nil before the vote, and of an older agent.
  private(set) var changes: [String]?

  var id: String { rollout.id }

  init(_ rollout: Rollout, at time: Time) {
    self.rollout = RolloutHead(rollout)
    beganMicroseconds = time.realtimeMicroseconds
    bootID = time.bootID
  }

  /// The timeline that an agent goes on with after its start: the one that it kept, or, where that
  /// is of another rollout, one of nothing but where the record says that things stand.
  init?(_ kept: Timeline?, _ record: ParticipantRecord, at time: Time) {
    guard let rollout = record.active?.rollout ?? record.last?.rollout else { return nil }
    if let kept, kept.id == rollout.id {
      self = kept
    } else {
      self.init(rollout, at: time)
    }
    if let active = record.active {
      append(active.stage.phase, "the agent was restarted", at: time)
      if case .watching(let report) = active.stage { note(report) }
    } else if let last = record.last {
      if let report = last.report { note(report) }
      end(last.outcome, at: time)
    }
  }

  /// Adds a step, unless it repeats the last one.
  mutating func append(_ phase: RolloutPhase, _ detail: String, at time: Time) {
    let detail = Redactor().redact(detail).cut(toBytes: Limits.rolloutDetailBytes)
    if let last = events.last, last.phase == .known(phase), last.detail == detail { return }
    let sequence = (events.last?.sequence ?? 0) + 1
    if events.count >= Limits.rolloutEvents { events.remove(at: Limits.firstRolloutEvents) }
    events.append(
      RolloutEvent(
        sequence: sequence, realtimeMicroseconds: time.realtimeMicroseconds,
        instant: time.bootID == bootID ? time.instant : nil, phase: .known(phase), detail: detail))
  }

  /// What it changes in the file, as plans tell it: secrets as identities, which the redactor would take for secrets.
  mutating func note(changes lines: [String]) {
    let rest = lines.count - Limits.rolloutChangeLines
    changes =
      lines.prefix(Limits.rolloutChangeLines).map { $0.cut(toBytes: Limits.rolloutChangeBytes) }
      + (rest > 0 ? ["and \(rest) more lines"] : [])
  }

  /// The instant is known. One that is past was agreed on by nobody: the commit was learnt late, or
  /// is acted on at once.
  mutating func arm(_ instant: Instant, bootID: String, at time: Time) {
    if bootID == self.bootID, time.bootID == bootID, instant > time.instant {
      self.instant = instant
    }
  }

  /// What happened at the instant. Keeps what is known of the stop and the start already.
  mutating func note(_ report: RestartReport) {
    var report = report
    report.stopping = report.stopping ?? self.report?.stopping
    report.stopped = report.stopped ?? self.report?.stopped
    report.started = report.started ?? self.report?.started
    report.writable = report.writable ?? self.report?.writable
    // A stop after the start is the new process's end; the old one had ended before, or none ran.
    if let started = report.started {
      report.stopping = report.stopping.flatMap { $0 <= started ? $0 : nil }
      report.stopped = report.stopped.flatMap { $0 <= started ? $0 : nil }
    }
    self.report = report
  }

  /// How it ended; the last step says it, too.
  mutating func end(_ outcome: Outcome, at time: Time) {
    var outcome = outcome.mapTexts(Redactor().redact)
    outcome.warning = outcome.warning?.cut(toBytes: Limits.rolloutDetailBytes)
    if self.outcome == outcome { return }
    self.outcome = outcome
    append(outcome.phase, outcome.reason, at: time)
  }

  /// The steps after one of them, and how things stand.
  func view(after sequence: Int) -> RolloutView {
    var view = RolloutView(
      id: id, events: events.filter { $0.sequence > sequence }, report: report, outcome: outcome,
      rollout: rollout, bootID: bootID, instant: instant)
    // Who follows it step by step has it.
    if sequence == 0 { view.changes = changes }
    return view
  }

  /// How long it took here from its first step to its last, and when that was, milliseconds and microseconds since
  /// 1970-01-01 UTC; nil while it has not ended.
  var end: (tookMilliseconds: Int, atMicroseconds: Int64)? {
    guard outcome != nil, let first = events.first, let last = events.last else { return nil }
    let took =
      if let begun = first.instant, let ended = last.instant {
        ended.milliseconds(since: begun)
      } else {
        // Its steps are on two boots.
        Int(
          clamping: last.realtimeMicroseconds.subtractingClamped(first.realtimeMicroseconds) / 1_000
        )
      }
    return (max(0, took), last.realtimeMicroseconds)
  }

  var entry: RolloutEntry {
    RolloutEntry(rollout: rollout, beganMicroseconds: beganMicroseconds, outcome: outcome)
  }
}

extension ParticipantStage {
  var phase: RolloutPhase {
    switch self {
    case .prepared: .prepared
    case .accepted: .accepted
    case .committed: .committed
    case .watching: .watching
    }
  }

  /// Whether the member has voted yes and does not know the decision.
  var isInDoubt: Bool {
    switch self {
    case .prepared, .accepted: true
    case .committed, .watching: false
    }
  }
}
