// SPDX-License-Identifier: Apache-2.0
internal import Linux
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// How a hold of the server's starts begins and ends (Core/Rollout/Result/StartHold.swift). What ends it runs on the
/// thread of its own timer: a start may take seconds to be taken, and meanwhile the agent answers.
final class StartHolds: Sendable {
  private static let startMilliseconds = 5_000
  private static let firstPauseMilliseconds = 500
  private static let longestPauseMilliseconds = 30_000

  private let site: Site
  private var record: Record<StartHold> { site.records.hold }
  private let rollouts: any RolloutState
  /// One at a time changes the record.
  private let turn = Lock(Turn())
  /// Ends a hold, however often that must be tried.
  private let alarm = Alarm()
  /// How often the start that ends a hold was tried in vain, and why it was last; nil if there is nothing to try.
  private let failure = Lock<(attempts: Int, refusal: Refusal)?>(nil)

  init(_ site: Site, rollouts: any RolloutState) {
    self.site = site
    self.rollouts = rollouts
  }

  /// The hold; nil if there is none. Blocks on the disk.
  func current() throws(Refusal) -> StartHold? { try record.load() }

  /// Begins a hold, durably. One that is still being released is taken over: its start is owed by this one then.
  func begin(for rollout: Rollout, key: KeyIdentity?) throws(Refusal) -> StartHold {
    try turn.withLock { _ throws(Refusal) in
      // In this order: a start is owed until systemd has taken it, and from then on the unit is not down.
      let isOwed = try record.load()?.wasUp ?? false
      let unit = try site.ports.unit.state(deadline: .inMilliseconds(Self.startMilliseconds))
      let hold = StartHold(rollout: rollout.id, key: key, wasUp: isOwed || !unit.isDown)
      try record.save(hold)
      return hold
    }
  }

  /// Another rollout is about to be put in place here: a hold of an earlier one that an abort has ended, and that could
  /// not be released yet, is released.
  func release(before rollout: String) throws(Refusal) {
    try release { $0.rollout != rollout && !$0.isReleasing && !isStanding($0) }
  }

  /// Another rollout has put its file in place: the start with it is let through, and is owed until it was taken.
  func open(exceptOf rollout: String) throws(Refusal) {
    try release { $0.rollout != rollout && !$0.isReleasing }
  }

  /// Another rollout has restarted the server: what was held for an earlier one, and was owed, is over.
  func end(exceptOf rollout: String) throws(Refusal) { try end { $0.rollout != rollout } }

  /// The rollback's start is confirmed: nothing is left to be kept from starting.
  func end(of rollout: String) throws(Refusal) { try end { $0.rollout == rollout } }

  /// The vote on this rollback has become a no: lets the server start again. Blocks on the disk.
  func release(of rollout: String) {
    site.attempt(.error) { () throws(Refusal) in try release { $0.rollout == rollout } }
    release(after: 0)
  }

  private func end(_ isMeant: (StartHold) -> Bool) throws(Refusal) {
    try turn.withLock { _ throws(Refusal) in
      if let hold = try record.load(), isMeant(hold) { try record.remove() }
    }
  }

  private func release(_ isMeant: (StartHold) -> Bool) throws(Refusal) {
    try turn.withLock { _ throws(Refusal) in
      if let hold = try record.load(), isMeant(hold) { try record.save(hold.released) }
    }
  }

  /// Whether a hold stays whatever comes to nothing: its rollback was committed, and neither that nor a rollout after it
  /// got as far as a restart here. Where nothing was restarted no vote begins a hold, so it is no later one's.
  private func isStanding(_ hold: StartHold) -> Bool {
    guard let last = rollouts.now.record.lastCommitted else { return false }
    return last.rollout.id == hold.rollout || last.report == nil
  }

  /// A rollback may have come to nothing here: then the server is let start again. Not if it was committed, and only
  /// could not be put in place here. Also for one of which the record knows nothing any more. Does not block.
  func releaseIfAborted() { release(after: 0) }

  private func release(after milliseconds: Int) {
    do throws(Errno) {
      try alarm.set(.inMilliseconds(milliseconds)) { [self] _ in
        guard let pause = releaseStep() else { return }
        release(after: pause)
      }
    } catch {
      site.log(.error, "\(site.node): \(error)")
      // Its own thread ends then, and what is owed is in the record.
      site.carryOn("release", isLong: true) { self.release(after: Self.firstPauseMilliseconds) }
    }
  }

  /// One attempt to end the hold.
  ///
  /// - Returns: after how many milliseconds it is to be tried again; nil if there is nothing more to do.
  private func releaseStep() -> Int? {
    do throws(Refusal) {
      guard let hold = try releasedHold() else {
        failure.update { $0 = nil }
        return nil
      }
      try startServer(owedBy: hold)
      try turn.withLock { _ throws(Refusal) in
        // A rollback that is voted on meanwhile has taken it over.
        if try record.load() == hold { try record.remove() }
      }
      failure.update { $0 = nil }
      return nil
    } catch {
      let attempts = failure.update { failure in
        let attempts = (failure?.attempts ?? 0) + 1
        failure = (attempts, error)
        return attempts
      }
      if attempts == 1 { site.log(.error, error.message) }
      let doublings = min(attempts - 1, 16)
      return min(Self.firstPauseMilliseconds << doublings, Self.longestPauseMilliseconds)
    }
  }

  /// The hold, durably being released; nil if there is none, or if it is needed.
  private func releasedHold() throws(Refusal) -> StartHold? {
    try turn.withLock { _ throws(Refusal) in
      guard let hold = try record.load() else { return nil }
      if hold.isReleasing { return hold }
      let now = rollouts.now
      let last = now.record.lastCommitted
      if last?.rollout.id == hold.rollout, last?.outcome.kind == .confirmed {
        // Left by an agent that died before it was removed, and that removed it last.
        try record.remove()
        return nil
      }
      // Also the checks of a vote that has ended: they may be about to stop the server. Their end releases it.
      let needing = [now.record.active?.rollout.id, now.assessing?.id, now.checking]
      if needing.contains(hold.rollout) || isStanding(hold) { return nil }
      try record.save(hold.released)
      return hold.released
    }
  }

  /// Starts the unit, unless it runs or did not when it was held. One that is being stopped, by a stop that was not
  /// waited for to its end, is started too: systemd does it when the old process has ended. Blocks until systemd has
  /// taken the start.
  private func startServer(owedBy hold: StartHold) throws(Refusal) {
    guard hold.wasUp else { return }
    let deadline = Instant.inMilliseconds(Self.startMilliseconds)
    if try site.ports.unit.state(deadline: deadline).isUp { return }
    try site.ports.unit.start(deadline: deadline)
  }

  // MARK: status

  /// For status: a hold, and a server that nobody has started again.
  func findings(_ unit: UnitState?) -> [Finding] {
    let hold: StartHold?
    do throws(Refusal) { hold = try record.load() } catch {
      return [
        Finding(
          .error, rule: "damaged-record", refusal: error.code,
          message: "\(error.message); until it is removed no start is let through")
      ]
    }
    let isDown = unit?.isDown ?? false
    guard let hold else { return isDown ? stoppedFindings() : [] }
    if hold.isReleasing {
      if !isDown { return [] }
      let why = failure.withLock { $0.map { ": \($0.refusal.message)" } ?? "" }
      return [
        Finding(
          .error, rule: "server-down", refusal: .unit,
          message:
            "the server was stopped for the vote on rollback \(hold.rollout), which came to nothing, and could not be started again\(why); it is tried again",
          remedy: "look at systemctl status \(site.inventory.unit), and start it")
      ]
    }
    return [
      Finding(
        .warning, rule: "starts-held", refusal: .guarded, variable: "MINIO_KMS_SSE_KEY",
        message:
          "rollback \(hold.rollout) \(hold.key.map { "goes back to the key \"\($0.name)\"" } ?? "takes the SSE key away"): no start with another key is let through until it has ended; the next committed rollout ends it too"
      )
    ]
  }

  /// An aborted rollout has touched nothing: a server that is down after it was stopped by somebody else, or was
  /// not started again.
  private func stoppedFindings() -> [Finding] {
    let record = rollouts.now.record
    guard record.active == nil, let last = record.last, last.outcome.kind == .aborted else {
      return []
    }
    return [
      Finding(
        .warning, rule: "server-down", refusal: .unit,
        message:
          "the server is not running; the last rollout here, \(last.rollout.id), was aborted and has restarted nothing",
        remedy:
          "look at systemctl status \(site.inventory.unit); keyturn logs shows what the server said last"
      )
    ]
  }
}

extension UnitState {
  /// Nothing of the unit runs.
  fileprivate var isDown: Bool { ["inactive", "failed"].contains(activeState) }
  /// The unit runs, or comes to run by itself.
  fileprivate var isUp: Bool {
    ["active", "activating", "reloading", "refreshing"].contains(activeState)
  }
}
