internal import Model
internal import Rollout
internal import Wire

/// The steps of the rollout that the node is in or was in last, for those who watch. Not durable:
/// after a restart of the agent it begins anew with what the record says.
struct Timeline {
  let id: String
  private(set) var events: [RolloutEvent] = []
  var report: RestartReport?
  var outcome: Outcome?

  init(id: String) { self.id = id }

  /// The timeline that a record implies: nothing but where things stand.
  init?(_ record: ParticipantRecord, at realtimeMicroseconds: Int64) {
    if let active = record.active {
      id = active.rollout.id
      append(active.stage.name, "the agent was restarted", at: realtimeMicroseconds)
      if case .watching(let report) = active.stage { self.report = report }
    } else if let last = record.last {
      id = last.rollout.id
      report = last.report
      outcome = last.outcome
      append(last.outcome.kind.rawValue, last.outcome.reason, at: realtimeMicroseconds)
    } else {
      return nil
    }
  }

  mutating func append(_ phase: String, _ detail: String, at realtimeMicroseconds: Int64) {
    if let last = events.last, last.phase == phase, last.detail == detail { return }
    let sequence = (events.last?.sequence ?? 0) + 1
    if events.count >= Limits.rolloutEvents { events.removeFirst() }
    events.append(
      RolloutEvent(
        sequence: sequence, realtimeMicroseconds: realtimeMicroseconds, phase: phase,
        detail: detail))
  }

  func view(after sequence: Int) -> RolloutView {
    RolloutView(
      id: id, events: events.filter { $0.sequence > sequence }, report: report, outcome: outcome)
  }
}

extension ParticipantStage {
  /// The stage in one word, as status shows it.
  var name: String {
    switch self {
    case .prepared: "prepared"
    case .accepted: "accepted"
    case .committed: "committed"
    case .watching: "watching"
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
