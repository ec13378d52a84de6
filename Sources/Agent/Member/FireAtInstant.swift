// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import FaultPoints
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

extension Member {
  /// At the instant: rename the staged file over the target, ask systemd to restart the unit, then
  /// make the rename durable. Each step is left out if it was done before a crash. Blocks; runs on
  /// a thread of its own.
  ///
  /// The order keeps the window small in which a new file lies beside an old process: a host that
  /// crashed in it would come up alone with the new environment and wait for its peers.
  func fire(_ active: ActiveRollout, _ instant: Instant, bootID: String) {
    let id = active.rollout.id
    let (isSameBoot, isLate) = time(of: instant, bootID, id)
    do throws(Refusal) {
      let content = try ownContent(of: active.rollout)
      // The unit may have been started again since the vote: what counts is what runs just before
      // the instant, and what the journal says from then on.
      let (unit, isDone) =
        isLate
        ? try unitAfterJobs(active, content, since: isSameBoot ? instant : nil)
        : (try? site.ports.unit.state(deadline: instant), false)
      var (previous, cursor) = (active.facts.invocation, String?.none)
      if !isDone, let unit, unit.invocationID != previous {
        previous = unit.invocationID
        cursor = try? site.ports.journal.cursor()
        // Durable before the file is in place: after a crash it tells the restart that is to come
        // from a start that the old file had.
        let firing = ParticipantInput.firing(
          id: id, invocation: previous, journalCursor: cursor)
        insist(id, .waiting) { () throws(Refusal) in
          if case .failure(let refusal)? = perform(firing) { throw refusal }
        }
      }
      try holds.release(before: id)
      if !isDone { forgetFailedStarts(until: isLate ? .inMilliseconds(10_000) : instant) }
      if !isLate { Clock.sleep(until: instant) }
      Fault.reach("agent.fire.install")
      try putInPlace(active, content, isDone: isDone)
      // Not before the file is there: a start with the old one may be what is held. Without it the restart is refused.
      if !isDone { insist(id, .waiting) { () throws(Refusal) in try holds.open(exceptOf: id) } }
      let issued = Clock.now()
      Fault.reach("agent.fire.restart")
      if !isDone { try site.ports.unit.restart(deadline: .inMilliseconds(30_000)) }
      let report = RestartReport(
        planned: isSameBoot ? min(instant, issued) : issued, issued: issued,
        previousInvocation: previous,
        previousPID: isDone ? nil : unit.flatMap { $0.mainPID > 0 ? $0.mainPID : nil },
        journalCursor: cursor)
      holdIsPaid(by: id)
      makeDurable(active, content)
      perform(.restarted(id: id, report))
    } catch { fail(id, error) }
  }

  /// At the instant of a rollout that restarts nothing: rename the staged file over the target, and make that durable.
  /// Blocks; runs on a thread of its own.
  func replaceFile(_ active: ActiveRollout, _ instant: Instant, bootID: String) {
    let id = active.rollout.id
    let (isSameBoot, isLate) = time(of: instant, bootID, id)
    do throws(Refusal) {
      let content = try ownContent(of: active.rollout)
      if !isLate { Clock.sleep(until: instant) }
      Fault.reach("agent.fire.install")
      try putInPlace(active, content, isDone: false)
      let issued = Clock.now()
      makeDurable(active, content)
      perform(
        .restarted(
          id: id,
          RestartReport(
            planned: isSameBoot ? min(instant, issued) : issued, issued: issued,
            previousInvocation: active.facts.invocation)))
    } catch { fail(id, error) }
  }

  /// Whether the instant is of this boot, and whether there is nothing to wait for: an instant of another boot means
  /// nothing any more, it is past. Blocks while the instant is out of reach.
  private func time(
    of instant: Instant, _ bootID: String, _ id: String
  ) -> (isSameBoot: Bool, isLate: Bool) {
    let isSameBoot = bootID == site.ports.process.bootID()
    return (isSameBoot, !isSameBoot || instant <= Clock.now() || isHurried(to: instant, of: id))
  }

  private func ownContent(of rollout: Rollout) throws(Refusal) -> MemberContent {
    if let content = rollout.content(of: site.node) { return content }
    throw Refusal(
      .configuration,
      "the rollout has no node \(site.node): this one had another name when it voted; nothing was restarted here"
    )
  }

  /// Renames the staged file over the target, unless that was done before a crash.
  ///
  /// - Throws: also where nothing is staged and the file is not the one that was voted on; if that was restarted with
  ///   already, what has been made of it since does not count.
  private func putInPlace(
    _ active: ActiveRollout, _ content: MemberContent, isDone: Bool
  ) throws(Refusal) {
    if active.facts.staged, let after = content.after {
      try site.ports.file.install(
        at: content.path, tag: active.rollout.id, before: content.before, after: after)
    } else if !isDone, try site.ports.file.read(content.path).map(Digest.sha256) != content.after {
      // The vote, the key guard's with it, was on another file.
      throw Refusal(
        .file,
        "\(content.path) on \(site.node) was changed after the vote, \(active.rollout.restartsServers ? "the server was not restarted with it" : "so it is not what the server runs with"); look at it and plan again"
      )
    }
  }

  /// A record that says "restarted" must not outlive the rename. Without a rename nothing is made beside the file: its
  /// directory may be read-only.
  private func makeDurable(_ active: ActiveRollout, _ content: MemberContent) {
    Fault.reach("agent.fire.sync")
    guard active.facts.staged else { return }
    insist(active.rollout.id, .syncing) { () throws(Refusal) in
      try site.ports.file.syncDirectory(of: content.path)
    }
  }

  /// Nothing could be done at the instant. Told to nobody until it is durable: after a crash it would be tried again.
  private func fail(_ id: String, _ error: Refusal) {
    insist(id, .failing) { () throws(Refusal) in
      if case .failure(let refusal)? = perform(.fireFailed(id: id, error)) { throw refusal }
    }
    // A start that was owed before is owed still.
    holds.releaseIfAborted()
  }

  /// What a committed rollout cannot go on without: again and again until it is done. Blocks.
  func insist(_ id: String, _ phase: RolloutPhase, _ body: () throws(Refusal) -> Void) {
    while true {
      do throws(Refusal) { return try body() } catch { timelines.note(id, phase, error.message) }
      Clock.sleep(until: .inMilliseconds(Self.recordAgainMilliseconds))
    }
  }

  /// systemd has taken the restart: no start is owed any more.
  private func holdIsPaid(by id: String) {
    do throws(Refusal) { try holds.end(exceptOf: id) } catch {
      site.log(.warning, error.message)
      // It finds a server that runs, and removes it.
      holds.releaseIfAborted()
    }
  }

  /// Earlier starts, an operator's or systemd's own after failures, must not make the start
  /// limit refuse this one: then a node would have the new file and no server.
  private func forgetFailedStarts(until deadline: Instant) {
    do throws(Refusal) { try site.ports.unit.resetFailed(deadline: deadline) } catch {
      site.log(.warning, error.message)
    }
  }

  /// The unit, and whether it was restarted for this rollout already. A restart that was ordered before a crash may
  /// still be stopping the server: one more order would stop the server that the first one starts. So the unit's job is
  /// waited for, at most as long as a stop may take, and as long as systemd can be asked.
  private func unitAfterJobs(
    _ active: ActiveRollout, _ content: MemberContent, since instant: Instant?
  ) throws(Refusal) -> (UnitState?, Bool) {
    var unit = try site.ports.unit.state(deadline: .inMilliseconds(10_000))
    let patience = Instant.inMilliseconds(active.rollout.stopMilliseconds)
    while instant != nil, unit.job != nil,
      try !wasRestarted(unit, active, content, since: instant),
      try site.ports.file.read(content.path).map(Digest.sha256) == content.after,
      let next = try? site.ports.unit.change(after: unit, deadline: patience)
    {
      unit = next
    }
    return (unit, try wasRestarted(unit, active, content, since: instant))
  }

  /// Whether the restart was done before a crash of this agent: the new file is in place, and the
  /// unit has another invocation than at the vote, begun at the instant or later (on another boot,
  /// where the instant is nil, at any time). A unit that only crashed in between runs with the old
  /// file.
  private func wasRestarted(
    _ unit: UnitState?, _ active: ActiveRollout, _ content: MemberContent, since instant: Instant?
  ) throws(Refusal) -> Bool {
    // Also one that has ended since: systemd has had it started once.
    guard let unit, !unit.invocationID.isEmpty,
      unit.invocationID != active.facts.invocation,
      try site.ports.file.read(content.path).map(Digest.sha256) == content.after
    else { return false }
    // The boot's own start may have failed before there was a process.
    guard let instant else { return unit.mainPID > 0 }
    let (now, start) = (Clock.monotonicMicroseconds(), unit.execMainStartMonotonicMicroseconds)
    let age = now > start ? Int64(clamping: now - start) : 0
    let began = Clock.now().nanoseconds.subtractingClamped(age.multipliedClamped(by: 1_000))
    return began >= instant.nanoseconds
  }

  // MARK: an instant that no decision may name

  /// Blocks while the instant is further ahead than a decision may name it: an earlier version has
  /// written it down. True once an operator has had it fired (`keyturn resolve`).
  private func isHurried(to instant: Instant, of id: String) -> Bool {
    let near = instant.advanced(byMilliseconds: -Limits.decisionAheadMilliseconds)
    return state.wait(until: near) { $0.hurried == id ? true : nil } ?? false
  }

  /// Fires a committed rollout whose instant is out of reach.
  func hurry(_ id: String) {
    guard unreachable?.id == id else { return }
    state.update { $0.hurried = id }
    site.log(
      .notice, "rollout \(id): its instant is out of reach, an operator has had it fired now")
  }

  /// The committed rollout whose instant is out of reach.
  private var unreachable: (id: String, instant: Instant)? {
    let active = rollouts.now.record.active
    guard let active, case .committed(let instant, let bootID) = active.stage,
      bootID == site.ports.process.bootID(), instant > Clock.now(),
      !instant.isNearEnoughForDecision(at: Clock.now())
    else { return nil }
    return (active.rollout.id, instant)
  }

  func instantFindings() -> [Finding] {
    guard let (id, instant) = unreachable else { return [] }
    let hours = instant.milliseconds(since: Clock.now()) / 3_600_000
    return [
      Finding(
        .error, rule: "rollout-instant-unreachable", refusal: .busy,
        message:
          "rollout \(id) is committed, and its instant is \(hours) hours ahead, which no decision may be: \(site.node) neither restarts nor votes until then; keyturn resolve \(id) has it restart now"
      )
    ]
  }
}
