// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import ServerUnit
internal import StartWatch
internal import Threads

// The vote on a rollback that takes a key away
// (docs/decisions/0013-rollback-stops-before-its-vote.md). A server that failed is started again,
// by systemd or at a reboot, and may get past the Key Manager between the vote and the instant: so
// the start guard refuses every start with another key than the one that is gone back to, the journal
// is looked at since the rollout that brought the key, and the unit is stopped.
extension Member {
  private static let journalPage = 1_000
  private static let journalPages = 100
  private static let stopMilliseconds = 20_000
  /// For a start that is under way to come to the Key Manager's answer.
  private static let silentMilliseconds = 8_000
  private static let againMilliseconds = 200

  /// Holds the server before the vote, if the rollback takes its key away. Blocks while the unit
  /// stops.
  ///
  /// - Throws: the no, if any start may have got past the Key Manager with that key; the server is
  ///   as before then.
  func holdStarts(before vote: VoteUnderWay, _ assessment: Assessment) throws(Refusal) {
    let (rollout, answer) = (vote.rollout, assessment.answer)
    guard rollout.kind == .rollback, let key = answer.currentKey, key != answer.key else { return }
    if let sealed = answer.seal?.key, sealed == answer.key, runsWith(sealed) { return }
    guard let last = rollouts.now.record.lastCommitted,
      let content = last.rollout.content(of: site.node), content.before == answer.after,
      content.after == answer.before, let report = last.report, let cursor = report.journalCursor
    else {
      throw Refusal(
        .guarded,
        "the rollback would take the key \"\(key.name)\" away on \(site.node), and since when it is there is not known; only the last rollout can be taken back then (keyturn apply --unset removes a key that was never used)"
      )
    }
    guard let unit = assessment.unit, unit.startPre.contains(where: \.isStartGuard) else {
      throw Refusal(
        .unit,
        "the rollback would take the key \"\(key.name)\" away on \(site.node), and without the start guard no start with it can be kept from happening meanwhile; install systemd/minio.service.d/10-keyturn.conf"
      )
    }
    let hold = try vote.act { () throws(Refusal) in try holds.begin(for: rollout, key: answer.key) }
    do throws(Refusal) {
      // From here on no other start gets to the server; one that has begun comes to its end.
      let held = Clock.monotonicMicroseconds()
      let end = Instant.inMilliseconds(Self.silentMilliseconds)
      var passage = try starts(since: cursor, report, held)
      while case .unknown = passage, Clock.now() < end {
        Clock.sleep(until: .inMilliseconds(Self.againMilliseconds))
        try vote.require()
        passage = try starts(since: cursor, report, held)
      }
      try judge(passage, key)
      try vote.act { () throws(Refusal) in try stop(with: hold) }
      try judge(starts(since: cursor, report, held), key)
    } catch {
      holds.release(of: rollout.id)
      throw error
    }
  }

  /// Whether the running server is known to use this key: then the one that the file has was mistyped since its start, and
  /// is taken away before anything was encrypted with it.
  private func runsWith(_ key: KeyIdentity) -> Bool {
    let view = ServerView(site)
    guard let unit = view.unit, unit.mainPID > 0, let running = view.running,
      unit.isStarted(running),
      let environment = try? ServerEnvironment.inForce(running, of: unit.mainPID, site.ports.file)
    else { return false }
    return KeyIdentity(environment) == key
  }

  /// Stops the unit, if the hold is in force: it is what lets nobody else start it, and what has it started again.
  private func stop(with hold: StartHold) throws(Refusal) {
    guard try holds.current() == hold else {
      throw Refusal(
        .guarded,
        "\(site.node): what held the server's starts for rollback \(hold.rollout) is gone, so the server was not stopped; try again"
      )
    }
    try site.ports.unit.stop(deadline: .inMilliseconds(Self.stopMilliseconds))
  }

  private func judge(_ answer: KeyManagerPassage.Answer, _ key: KeyIdentity) throws(Refusal) {
    let why: String
    switch answer {
    case .refused: return
    case .passed(let line): why = "it said: \(line)"
    case .unknown(let reason): why = reason
    }
    throw Refusal(
      .guarded,
      "the server of \(site.node) may have encrypted with the key \"\(key.name)\", and would not be able to read it without: \(why)"
    )
  }

  /// Every start of the unit since the rollout's restart, until the door was closed. Blocks on the
  /// journal.
  private func starts(
    since cursor: String, _ report: RestartReport, _ held: UInt64
  ) throws(Refusal) -> KeyManagerPassage.Answer {
    var passage = KeyManagerPassage(
      previousInvocation: report.previousInvocation, previousPID: report.previousPID,
      held: (site.ports.process.bootID().filter { $0 != "-" }, held))
    var after = cursor
    for _ in 0..<Self.journalPages {
      let page = try site.ports.journal.page(
        JournalRequest(
          start: .after(cursor: after), limit: Self.journalPage, deadline: Clock.now()))
      if page.isLossy {
        return .unknown("journald has lost lines since")
      }
      for entry in page.entries { passage.take(entry) }
      guard page.isFull, let cursor = page.cursor else { return passage.answer }
      after = cursor
    }
    return .unknown("there are too many lines in the journal since")
  }
}
