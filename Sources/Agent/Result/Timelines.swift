// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

/// What is told of rollouts, during and after them: the timeline of the one that runs or ran last, and the records of
/// those before it.
final class Timelines: Sendable {
  private let site: Site
  private let records: TimelineRecords
  private let current = Lock<Timeline?>(nil)
  /// Those that another rollout has taken the place of and that may not be written down as they ended.
  private let replaced = Lock([Timeline]())

  /// Goes on with the timeline of the rollout that the record says; blocks on the disk.
  init(_ site: Site, resuming record: ParticipantRecord) {
    self.site = site
    records = TimelineRecords(port: site.ports.records)
    var kept: Timeline?
    if let id = record.active?.rollout.id ?? record.last?.rollout.id {
      site.attempt(.warning) { () throws(Refusal) in kept = try records.load(id) }
    }
    let resumed = Timeline(kept, record, at: time)
    current.update { $0 = resumed }
    // The agent before may have died between the record that ends it and this one: who follows it waits for the end.
    if resumed?.outcome != kept?.outcome {
      site.attempt(.warning) { () throws(Refusal) in try records.save { resumed } }
    }
  }

  /// Now, by both clocks.
  private var time: Timeline.Time {
    Timeline.Time(
      realtimeMicroseconds: Clock.realtimeMicroseconds(), instant: Clock.now(),
      bootID: site.ports.process.bootID())
  }

  /// The end of the last rollout here; nil if there was none, or one is under way.
  var end: (tookMilliseconds: Int, atMicroseconds: Int64)? { current.withLock { $0?.end } }

  // MARK: the rollout that runs

  func begin(_ rollout: Rollout) {
    let now = time
    let before = current.update { timeline in
      defer { timeline = Timeline(rollout, at: now) }
      return timeline
    }
    if let before, before.id != rollout.id { replaced.update { $0.append(before) } }
    note(rollout.id, .preparing, "")
  }

  /// Changes the timeline if it is of this rollout, and wakes those who wait for a step.
  func change(_ id: String, _ body: (inout Timeline, Timeline.Time) -> Void) {
    let now = time
    current.update { timeline in
      guard var changed = timeline, changed.id == id else { return }
      body(&changed, now)
      timeline = changed
    }
  }

  /// Adds a step.
  func note(_ id: String, _ phase: RolloutPhase, _ detail: String) {
    change(id) { $0.append(phase, detail, at: $1) }
  }

  /// Has the timeline written down as it is by then, and before it the one whose place it took. Does not block: nobody
  /// waits for the disk.
  func keep() {
    let write: @Sendable () -> Void = { [self] in
      do throws(Refusal) {
        while let before = replaced.update({ $0.isEmpty ? nil : $0.removeFirst() }) {
          try records.save { before }
        }
        try records.save { current.withLock { $0 } }
      } catch {
        site.log(.warning, "a timeline is not kept: \(error.message)")
      }
    }
    do throws(Refusal) { try site.startThread("timeline", write) } catch {
      site.log(.warning, "a timeline is not kept: \(error.message)")
    }
  }

  /// A start is confirmed after all: the timeline says so, also where another rollout has come since. Does not wait for
  /// the disk, but in that case.
  func amend(_ id: String, _ outcome: Outcome) {
    if current.withLock({ $0?.id == id }) {
      change(id) { $0.end(outcome, at: $1) }
      keep()
      return
    }
    site.attempt(.warning) { () throws(Refusal) in
      guard var kept = try records.load(id) else { return }
      kept.end(outcome, at: time)
      try records.save { kept }
    }
  }

  /// When this node was asked for its vote on the rollout, microseconds since 1970-01-01 UTC; nil if that is not known
  /// any more.
  func preparingSince(_ id: String) -> Int64? {
    current.withLock { timeline in
      guard let timeline, timeline.id == id else { return nil }
      return timeline.events.first.flatMap {
        $0.phase == .preparing ? $0.realtimeMicroseconds : nil
      }
    }
  }

  /// Why the rollout does not go on here: the step that fails again and again; nil if none does.
  func obstacle(to id: String) -> String? {
    current.withLock { timeline in
      guard let timeline, timeline.id == id, let last = timeline.events.last else { return nil }
      return last.phase.known?.isObstacle == true ? last.detail : nil
    }
  }

  // MARK: answers

  /// The rollouts that are known here, the newest first. Blocks on the disk.
  func rollouts() throws(Refusal) -> RolloutsAnswer {
    let current = current.withLock { $0 }
    var all = try records.all { site.log(.warning, $0) }
    if let current {
      // What is in memory is newer than what is kept.
      all.removeAll { $0.id == current.id }
      let place = all.firstIndex { $0.rollout.epoch <= current.rollout.epoch } ?? all.endIndex
      all.insert(current, at: place)
    }
    return RolloutsAnswer(node: site.node, rollouts: all.map(\.entry))
  }

  /// The steps of a rollout after one of them, of the rollout that runs as soon as there is one. Blocks up to `wait`
  /// milliseconds, and on the disk. Nil if nothing is known of the rollout.
  ///
  /// - Parameter ended: how the rollout ended, without its steps; nil if that is not known. Asked after the wait.
  func view(
    _ id: String, after: Int, wait: Int, ended: () -> RolloutView?
  ) throws(Refusal) -> RolloutView? {
    // Wakes for a step, for the end, and when another rollout takes this one's place.
    _ = current.wait(until: .inMilliseconds(wait)) { timeline -> Bool? in
      guard let timeline, timeline.id == id else { return true }
      let view = timeline.view(after: after)
      return view.events.isEmpty && view.outcome == nil ? nil : true
    }
    if let timeline = current.withLock({ $0 }), timeline.id == id {
      return timeline.view(after: after)
    }
    // Another rollout has come since.
    let ended = ended()
    do throws(Refusal) {
      guard var kept = try records.load(id) else { return ended }
      // It may have been kept before the end.
      if let outcome = ended?.outcome { kept.end(outcome, at: time) }
      return kept.view(after: after)
    } catch {
      // Who asks how it ended, and not for its steps, needs no timeline.
      guard var ended else { throw error }
      if after == 0 { site.log(.warning, error.message) }
      ended.problem = error.message
      return ended
    }
  }
}
