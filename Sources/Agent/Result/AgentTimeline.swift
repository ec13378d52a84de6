// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

/// What the agent tells of rollouts, during and after them.
extension Agent {
  /// The timeline to go on with after the agent's start. One that cannot be read is told, and begun
  /// anew.
  static func resumed(
    _ record: ParticipantRecord, _ timelines: Timelines, _ ports: Ports
  ) -> Timeline? {
    var kept: Timeline?
    if let id = record.active?.rollout.id ?? record.last?.rollout.id {
      do throws(Refusal) { kept = try timelines.load(id) } catch { ports.log(4, error.message) }
    }
    return Timeline(kept, record, at: time(ports))
  }

  /// Now, by both clocks.
  func time() -> Timeline.Time { Self.time(ports) }

  private static func time(_ ports: Ports) -> Timeline.Time {
    Timeline.Time(
      realtimeMicroseconds: Clock.realtimeMicroseconds(), instant: Clock.now(),
      bootID: ports.process.bootID())
  }

  /// Adds a step to the timeline and wakes those who wait for one.
  func note(_ id: String, _ phase: String, _ detail: String) {
    let now = time()
    state.update { state in
      if state.timeline?.id == id { state.timeline?.append(phase, detail, at: now) }
    }
  }

  /// Has the timeline written down as it is by then. Does not block: nobody waits for the disk.
  func keepTimeline() {
    let write: @Sendable () -> Void = { [self] in
      do throws(Refusal) { try timelines.save { state.withLock { $0.timeline } } } catch {
        ports.log(4, "a timeline is not kept: \(error.message)")
      }
    }
    do throws(Refusal) { try startThread("timeline", write) } catch {
      ports.log(4, "a timeline is not kept: \(error.message)")
    }
  }

  // MARK: answers

  /// The rollouts that are known here, the newest first. Blocks on the disk.
  func rollouts() throws(Refusal) -> RolloutsAnswer {
    let current = state.withLock { $0.timeline }
    var all = try timelines.all { ports.log(4, $0) }
    if let current {
      // What is in memory is newer than what is kept.
      all.removeAll { $0.id == current.id }
      let place = all.firstIndex { $0.rollout.epoch <= current.rollout.epoch } ?? all.endIndex
      all.insert(current, at: place)
    }
    return RolloutsAnswer(node: node, rollouts: all.map(\.entry))
  }

  /// A rollout as this member sees it: the steps after one of them, of the one that runs as soon as
  /// there is one. Blocks up to `wait` milliseconds, and on the disk.
  func view(_ id: String, after: Int, wait: Int) throws(Refusal) -> RolloutView {
    var view = try steps(id, after: after, wait: wait)
    view.rolloutResult = settled(id)?.rolloutResult
    return view
  }

  private func steps(_ id: String, after: Int, wait: Int) throws(Refusal) -> RolloutView {
    // Wakes for a step, for the end, and when another rollout takes this one's place.
    _ = state.wait(until: .inMilliseconds(wait)) { state -> Bool? in
      guard let timeline = state.timeline, timeline.id == id else { return true }
      let view = timeline.view(after: after)
      return view.events.isEmpty && view.outcome == nil ? nil : true
    }
    let (timeline, record) = state.withLock { ($0.timeline, $0.participant.record) }
    if let timeline, timeline.id == id { return timeline.view(after: after) }
    // Another rollout has come since.
    let finished = [record.last, record.lastCommitted].compactMap(\.self)
      .first { $0.rollout.id == id }
    if var kept = try timelines.load(id) {
      // It may have been kept before the end.
      if let finished { kept.end(finished.outcome, at: time()) }
      return kept.view(after: after)
    }
    // Kept by an agent that had no timelines: how it ended is in the record.
    if let finished {
      return RolloutView(
        id: id, events: [], report: finished.report, outcome: finished.outcome,
        rollout: RolloutHead(finished.rollout))
    }
    // Its timeline may have made room for others.
    if let settled = settled(id), settled.outcome != nil {
      return RolloutView(id: id, events: [], report: nil, outcome: settled.outcome)
    }
    throw Refusal(.validation, "\(node) knows no rollout \(id.prefix(16))")
  }
}
