// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

// A server that got well after its start was not confirmed, or that somebody has started by hand since
// (`keyturn confirm`).
extension Member {
  /// Looks at the running server for the settle time, and confirms it if it is good and runs with what the last
  /// committed rollout brought. Nothing is voted on, no file changes, nothing is started. Blocks, at the longest for
  /// ``Limits/confirmMilliseconds`` and the settle time.
  ///
  /// - Throws: why it cannot be looked at, or is not what was rolled out.
  func confirm(by person: Principal) throws(Refusal) -> ConfirmAnswer {
    if let refusal = damage.refusal { throw refusal }
    let standing = rollouts.now
    if let busy = standing.record.active?.rollout ?? standing.assessing {
      throw Refusal(
        .busy, "\(site.node) is in rollout \(busy.id): `keyturn watch \(busy.id)` follows it")
    }
    guard let last = standing.record.lastCommitted else {
      throw Refusal(
        .validation, "no rollout was committed on \(site.node): there is no start to confirm")
    }
    let head = RolloutHead(last.rollout)
    if last.outcome.kind == .confirmed {
      return ConfirmAnswer(
        node: site.node, rollout: head, outcome: last.outcome, wasConfirmed: true)
    }
    if summary.isOpen(head.id) {
      throw Refusal(
        .busy,
        "the result of rollout \(head.id) is still being worked out, and a rollback may follow: `keyturn watch \(head.id)` shows it; then try again"
      )
    }
    var outcome = try look(at: last)
    if outcome.kind == .confirmed {
      outcome.reason += ", asked by \(person.author)"
      try verifyFile(of: last.rollout)
      site.log(
        .notice,
        "rollout \(head.id): the running server is to be confirmed, asked by \(person.author)")
      switch perform(.confirmed(id: head.id, outcome)) {
      case .failure(let refusal)?: throw refusal
      case .success, nil: break
      }
      guard rollouts.now.finished(head.id)?.outcome == outcome else {
        throw Refusal(
          .busy, "\(site.node) was asked for its vote on another rollout meanwhile; try again")
      }
      summary.amended(head.id, outcome)
      timelines.amend(head.id, outcome)
      site.ports.watch.wake()
    }
    return ConfirmAnswer(node: site.node, rollout: head, outcome: outcome, wasConfirmed: false)
  }

  private func look(at last: FinishedRollout) throws(Refusal) -> Outcome {
    let rollout = last.rollout
    try verifyFile(of: rollout)
    if rollout.restartsServers {
      let unit = try site.ports.unit.state(deadline: .inMilliseconds(5_000))
      // A restart that could not be ordered has left the server from before the rollout running.
      guard let restart = last.report, unit.invocationID != restart.previousInvocation else {
        throw Refusal(
          .unit,
          "the server of \(site.node) was not started since rollout \(rollout.id): it is the one from before; `keyturn restart` starts all servers with what the files say"
        )
      }
    }
    let server = try ServerView(site).wholeServer()
    let now = Clock.now()
    let report = RestartReport(planned: now, issued: now, previousInvocation: "")
    let facts = PreparedFacts(
      invocation: "", journalCursor: nil, staged: false,
      environment: last.environment ?? RunningEnvironment.digests(of: server.variables))
    return try watchToTheEnd(
      rollout, facts, report,
      ServerLook(
        settleMilliseconds: rollout.settleMilliseconds,
        startMilliseconds: Limits.confirmMilliseconds, cursor: last.report?.journalCursor))
  }

  /// Only the file that the rollout has put in place becomes a generation.
  private func verifyFile(of rollout: Rollout) throws(Refusal) {
    if let content = rollout.content(of: site.node),
      try site.ports.file.read(content.path).map(Digest.sha256) == content.after
    {
      return
    }
    let remedy =
      switch rollout.kind {
      case .apply: "`keyturn apply` with the same settings puts it right"
      case .rollback: "`keyturn rollback` to the same generation puts it right"
      case .restart, .members:
        "take that change back, or `keyturn restart` starts all servers with it"
      }
    throw Refusal(
      .file,
      "the environment file of \(site.node) is not the one of rollout \(rollout.id), its last committed one, and would be no generation: it was changed since, or could not be put in place; \(remedy)"
    )
  }
}
