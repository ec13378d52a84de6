// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout

/// The steps of one rollout on all members, on one axis. Pure.
///
/// Zero is the agreed instant. Each member has it in its own CLOCK_BOOTTIME, so its steps are placed
/// by their distance from it, whatever its wall clock says. A member without it (it learnt the
/// commit late, or its host booted since) is placed by its wall clock. If no member has it, nothing
/// was restarted at one instant, and zero is the first step by the wall clocks.
struct TimelineAxis: Sendable {
  struct Mark: Sendable, Hashable {
    /// Nanoseconds after zero.
    var at: Int64
    var phase: Word<RolloutPhase>
    var detail: String
  }

  struct Row: Sendable {
    var node: String
    /// In the order of time.
    var marks: [Mark]
    var outcome: Outcome?
    /// Whether it is placed by its wall clock while others are placed by the instant.
    var isByWallClock: Bool
    /// Why there are no steps.
    var problem: String?

    /// When it got to a step, nanoseconds after zero.
    func time(of step: Step) -> Int64? {
      marks.first { $0.phase.known.map(step.phases.contains) ?? false }?.at
    }
  }

  enum Step: String, CaseIterable, Sendable {
    case checked, voted, issued, installed, stop, stopped, start, ready, writes, confirmed

    /// The phases that begin it.
    var phases: [RolloutPhase] {
      switch self {
      case .checked: [.checked]
      case .voted: [.prepared]
      case .issued: [.restarting]
      case .installed: [.installed]
      case .stop: [.stopping]
      case .stopped: [.stopped]
      case .start: [.starting]
      case .ready: [.ready, .serving]
      case .writes: [.takesWrites]
      case .confirmed: [.confirmed]
      }
    }
  }

  /// The first and the last member to get to a step.
  struct Spread: Sendable {
    var step: Step
    var first: Int64
    var last: Int64
    var lastNode: String
    var count: Int
  }

  let id: String
  /// What rollout it is; nil if no member tells.
  let head: RolloutHead?
  /// How it ended as a whole, as far as a member was told.
  let result: RolloutResult?
  let rows: [Row]
  let hasInstant: Bool
  /// Zero by the wall clocks (the median of the members'), microseconds since 1970-01-01 UTC; nil
  /// without a step.
  let zeroMicroseconds: Int64?

  /// The members' views, or why there is none; `corrections` are added to their wall clocks,
  /// microseconds.
  init(
    id: String, _ views: [(node: String, view: Result<RolloutView, Refusal>)],
    corrections: [Int64] = []
  ) {
    self.id = id
    let members = views.map { row in (try? row.view.get()).map(Member.init) }
    head = members.compactMap { $0?.view.rollout }.first
    result = members.compactMap { $0?.view.rolloutResult }.first
    func corrected(_ microseconds: Int64, _ index: Int) -> Int64 {
      microseconds &+ (corrections.indices.contains(index) ? corrections[index] : 0)
    }
    let instants = members.enumerated().compactMap { index, member in
      member?.instantMicroseconds.map { corrected($0, index) }
    }.sorted()
    hasInstant = !instants.isEmpty
    let firsts = members.enumerated().compactMap { index, member in
      member?.view.events.map(\.realtimeMicroseconds).min().map { corrected($0, index) }
    }
    zeroMicroseconds = instants.isEmpty ? firsts.min() : instants[instants.count / 2]
    let (zero, hasInstant) = (zeroMicroseconds ?? 0, hasInstant)
    rows = zip(views, members).enumerated().map { index, pair in
      let (row, member) = pair
      guard let member else {
        var problem = "no answer"
        if case .failure(let failure) = row.view { problem = failure.message }
        return Row(node: row.node, marks: [], outcome: nil, isByWallClock: false, problem: problem)
      }
      let marks = member.marks { corrected($0, index) &- zero }
      return Row(
        node: row.node, marks: marks, outcome: member.view.outcome,
        isByWallClock: hasInstant && member.instantMicroseconds == nil,
        problem: marks.isEmpty ? "it has kept no steps of it" : nil)
    }
  }

  /// From the first to the last mark of all; zero is in it.
  var range: ClosedRange<Int64> {
    let times: [Int64] = [0] + rows.flatMap(\.marks).map(\.at)
    return (times.min() ?? 0)...(times.max() ?? 0)
  }

  /// Those steps that a member got to.
  var spreads: [Spread] {
    Step.allCases.compactMap { step in
      let times = rows.compactMap { row in row.time(of: step).map { (at: $0, node: row.node) } }
      guard let first = times.min(by: { $0.at < $1.at }),
        let last = times.max(by: { $0.at < $1.at })
      else { return nil }
      return Spread(
        step: step, first: first.at, last: last.at, lastNode: last.node, count: times.count)
    }
  }

  /// From the first order to restart until the last member took writes, nanoseconds; nil unless that
  /// is known of all.
  var writeOutage: Int64? {
    guard let issued = spreads.first(where: { $0.step == .issued }),
      let writes = spreads.first(where: { $0.step == .writes }), issued.count == rows.count,
      writes.count == rows.count
    else { return nil }
    return writes.last - issued.first
  }

  /// From the first to the last member to get to a step, nanoseconds; nil unless all did.
  func skew(of step: Step) -> Int64? {
    guard let spread = spreads.first(where: { $0.step == step }), spread.count == rows.count else {
      return nil
    }
    return spread.last - spread.first
  }

  /// One member's view, and what follows from it.
  struct Member: Sendable {
    let view: RolloutView
    /// The instant by the member's wall clock, microseconds since 1970; nil without one.
    let instantMicroseconds: Int64?

    init(_ view: RolloutView) {
      self.view = view
      // The step that is nearest to it tells best what the wall clock was then.
      var nearest: (distance: Int64, microseconds: Int64)?
      for event in view.events {
        guard let zero = view.instant, let instant = event.instant else { continue }
        let distance = zero.nanoseconds - instant.nanoseconds
        if nearest.map({ distance.magnitude < $0.distance.magnitude }) ?? true {
          nearest = (distance, event.realtimeMicroseconds + distance / 1_000)
        }
      }
      instantMicroseconds = nearest?.microseconds
    }

    /// Its steps; `place` gives how far a wall clock's time is from zero, microseconds.
    func marks(_ place: (Int64) -> Int64) -> [Mark] {
      func at(_ event: RolloutEvent) -> Int64 {
        if let zero = view.instant, let instant = event.instant {
          return Self.onAxis(instant.nanoseconds - zero.nanoseconds)
        }
        return Self.onAxis(place(event.realtimeMicroseconds).multipliedClamped(by: 1_000))
      }
      var marks = view.events.map { Mark(at: at($0), phase: $0.phase, detail: $0.detail) }
      // What systemd says of the stop and the start is more exact than when it was heard of.
      guard let report = view.report, let base = base(of: report, at) else {
        return marks.sorted { $0.at < $1.at }
      }
      for (phase, instant) in [
        (
          view.rollout?.withoutRestart == true ? RolloutPhase.installed : .restarting, report.issued
        ), (.stopping, report.stopping),
        (.stopped, report.stopped), (.starting, report.started), (.takesWrites, report.writable),
      ] {
        guard let instant else { continue }
        let exact = Self.onAxis(instant.nanoseconds - base)
        if let index = marks.firstIndex(where: { $0.phase == .known(phase) }) {
          marks[index].at = exact
        } else {
          marks.append(Mark(at: exact, phase: .known(phase), detail: ""))
        }
      }
      // A node that had nothing to stop has only waited for that to be seen.
      if let started = report.started, report.stopping == nil {
        marks.removeAll { $0.phase == .known(.stopping) && $0.at > started.nanoseconds - base }
      }
      return marks.sorted { $0.at < $1.at }
    }

    /// Bounds what a node says, so that any two can be compared.
    private static func onAxis(_ nanoseconds: Int64) -> Int64 {
      min(max(nanoseconds, -Limits.instantNanoseconds), Limits.instantNanoseconds)
    }

    /// What to take from an instant of the report to have its place; nil if that is not known.
    private func base(of report: RestartReport, _ at: (RolloutEvent) -> Int64) -> Int64? {
      if let zero = view.instant { return zero.nanoseconds }
      // By a step of the same boot that is known by both clocks.
      guard let event = view.events.last(where: { $0.instant != nil }), let instant = event.instant
      else { return nil }
      return instant.nanoseconds - at(event)
    }
  }
}

/// What a member does between two steps, for colours and letters.
enum TimelineActivity: String, CaseIterable, Sendable {
  case checking, waiting, armed, stopping, starting, verifying

  /// What a phase is part of; nil for one that ends it, or that goes on with what was before it.
  init?(_ phase: RolloutPhase) {
    switch phase {
    case .preparing, .checked: self = .checking
    case .prepared, .accepted: self = .waiting
    case .armed, .committed: self = .armed
    case .restarting, .stopping: self = .stopping
    // From here on it is the start's first commands that take the time.
    case .stopped, .starting, .watching, .waitingForPeers, .waitingForDrives, .waitingForQuorum,
      .initialising:
      self = .starting
    case .installed, .ready, .serving, .takesWrites, .settling, .sealing: self = .verifying
    case .asked, .waiting, .syncing, .failing: return nil
    case .refused, .unreachable, .confirmed, .failed, .timedOut, .brokenOff, .aborted, .unknown:
      return nil
    }
  }

  var title: String {
    switch self {
    case .checking: "checks and probes"
    case .waiting: "voted, waits for the others"
    case .armed: "waits for the instant"
    case .stopping: "stopping"
    case .starting: "starting"
    case .verifying: "ready, being verified"
    }
  }
}

extension TimelineAxis.Row {
  struct Stretch: Sendable, Hashable {
    var activity: TimelineActivity
    var from: Int64
    var to: Int64
  }

  /// What it did when. A phase that is not known goes on with what was before it.
  var stretches: [Stretch] {
    var stretches: [Stretch] = []
    var activity: TimelineActivity?
    for (mark, next) in zip(marks, marks.dropFirst()) {
      let phase = mark.phase.known
      activity = phase?.isEnd == true ? nil : phase.flatMap(TimelineActivity.init) ?? activity
      guard let activity else { continue }
      if stretches.last?.activity == activity, stretches.last?.to == mark.at {
        stretches[stretches.count - 1].to = next.at
      } else {
        stretches.append(Stretch(activity: activity, from: mark.at, to: next.at))
      }
    }
    return stretches
  }

  /// How it ended, in one word.
  var word: String { outcome?.word ?? end?.phase.text ?? "unknown" }
  var reason: String { outcome?.reason ?? end?.detail ?? problem ?? "" }

  /// The step that ended it; nil if it has not ended.
  var end: TimelineAxis.Mark? { marks.last { $0.phase.known?.isEnd == true } }
}
