// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
internal import Model
internal import Rollout
internal import Threads

/// Follows a rollout that others coordinate, and its rollback, to the end. Changes nothing; Ctrl-C
/// ends the watching only.
struct RolloutFollower: Sendable {
  let context: CommandContext
  let cluster: Cluster

  private static let pollMilliseconds = 5_000
  private static let pauseMilliseconds = 1_000
  private static let tickMilliseconds = 500
  /// Given to nodes that do not answer when all others have ended.
  private static let silenceMilliseconds = 30_000
  /// The same where the rollout was over when this began to watch.
  private static let overMilliseconds = 3_000
  /// Given for the result of a rollout that was not confirmed, beyond the time that a member takes to
  /// collect the outcomes.
  private static let judgeMilliseconds = 60_000

  /// Blocks until the rollout and its rollback have ended.
  func follow(_ id: String) throws(Refusal) -> CommandResult {
    try context.interruption.handled(
      by: nil, lastWords: { "rollout \(id) goes on, if it has not ended: keyturn watch \(id)" }
    ) { () throws(Refusal) in try followToEnd(id) }
  }

  private func followToEnd(_ id: String) throws(Refusal) -> CommandResult {
    let console = context.console
    console.event("rollout", ["id": id])
    console.progress("rollout \(id)")
    let first = try watch(id)
    if first.isInterrupted { return left(id, first) }
    let seen = first.committed(id, cluster.names)
    let kinds = seen.outcomes.map(\.outcome.kind)
    if kinds.allSatisfy({ $0 == .confirmed }) { return report(.done, seen, held: nil) }
    if kinds.allSatisfy({ $0 == .aborted }) {
      let reasons = seen.outcomes.map { (name: $0.member, value: $0.outcome.reason) }
      return tell(
        .voteRefused,
        .untouched(
          "nothing was touched: rollout \(id) was aborted", .vote, members: seen.members,
          reasons: reasons),
        seen.outcomes, isChanged: false)
    }
    switch first.rolloutResult?.kind {
    case .rollingBack:
      guard let back = first.rolloutResult?.rollback else { break }
      console.event("rollback", ["id": back, "undoes": id])
      console.message(.warning, "not every start was confirmed: rolled back by rollout \(back)")
      let second = try watch(back)
      if second.isInterrupted { return left(back, second) }
      let taken = second.committed(back, cluster.names)
      let isHealthy = taken.outcomes.allSatisfy { $0.outcome.kind == .confirmed }
      return tell(
        isHealthy ? .rolledBack : .rolledBackUnhealthy, .rolledBack(seen, by: taken),
        taken.outcomes)
    case .held, .confirmed, nil: break
    }
    let isKnown = kinds.contains { $0 == .failed || $0 == .timedOut }
    return report(isKnown ? .notConfirmed : .unknown, seen, held: first.rolloutResult?.reason)
  }

  private func left(_ id: String, _ seen: Seen) -> CommandResult {
    let rollout = seen.committed(id, cluster.names)
    if rollout.placed.isEmpty {
      return tell(
        .unknown, .notFollowed(id, members: cluster.names), rollout.outcomes, isChanged: false)
    }
    context.console.message(.note, "the rollout goes on; only the watching has ended")
    return report(.unknown, rollout, held: nil)
  }

  private func report(
    _ code: ExitCode, _ rollout: Ending.Committed, held: String?
  ) -> CommandResult {
    tell(code, .committed(rollout, held: held), rollout.outcomes)
  }

  private func tell(
    _ code: ExitCode, _ ending: Ending, _ outcomes: [MemberOutcome], isChanged: Bool = true
  ) -> CommandResult {
    context.console.end(ending)
    return CommandResult(
      code, ending, nodes: outcomes.map { NodeResult($0) }, isChanged: isChanged)
  }

  // MARK: one rollout

  private struct Seen {
    var outcomes: [String: Outcome] = [:]
    /// Of nodes that do not know it, or did not answer.
    var troubles: [String: LinkFailure] = [:]
    var rolloutResult: RolloutResult?
    /// What rollout it is; nil until a node tells.
    var head: RolloutHead?
    var isInterrupted = false
    /// Whether a node has told a step of it before its end.
    var wasUnderWay = false

    /// Whether a node has voted no, or knows of the abort: then it restarts no server.
    var isAborted: Bool { outcomes.values.contains { $0.kind == .aborted } }

    /// Whether the node answers and does not know it.
    func isStranger(_ name: String) -> Bool {
      guard case .answered(let refusal)? = troubles[name] else { return false }
      return refusal.code == .validation
    }

    func committed(_ id: String, _ names: [String]) -> Ending.Committed {
      // Why the new files stay no node tells.
      Ending.Committed(
        id: id, kind: head?.kind, generation: head?.generation, outcomes: memberOutcomes(names),
        restarts: head?.withoutRestart != true)
    }

    private func memberOutcomes(_ names: [String]) -> [MemberOutcome] {
      names.map { name in
        if isAborted, outcomes[name] == nil, isStranger(name) {
          return MemberOutcome(
            member: name,
            outcome: Outcome(.aborted, "it was aborted before this node was asked for its vote"))
        }
        let trouble = troubles[name]?.refusal.message ?? "no outcome was heard"
        return MemberOutcome(member: name, outcome: outcomes[name] ?? Outcome(.unknown, trouble))
      }
    }
  }

  private enum Heard: Sendable {
    case view(String, RolloutView)
    case trouble(String, LinkFailure)
    case interrupted
  }

  private func watch(_ id: String) throws(Refusal) -> Seen {
    let heard = Mailbox<Heard>(capacity: 1 << 16)
    defer { heard.close() }
    for (name, link) in cluster.members {
      do throws(Errno) {
        try Thread.start("watch") { Self.poll(id, name, link, heard) }
      } catch { throw Refusal(.failed, "\(error); raise the limit on threads and try again") }
    }
    var seen = Seen()
    var display = RolloutDisplay(
      context.console, cluster.names, settleSeconds: cluster.inventory.timeouts.settleSeconds)
    context.interruption.handled(by: { heard.post(.interrupted) }) {
      gather(&seen, heard, &display)
    }
    display.end()
    if seen.outcomes.isEmpty, seen.troubles.count == cluster.names.count,
      let stranger = seen.troubles.first(where: { seen.isStranger($0.key) })
    {
      throw Refusal(stranger.value.refusal.code, ShowCommand.unknown(id))
    }
    return seen
  }

  private func gather(
    _ seen: inout Seen, _ heard: Mailbox<Heard>, _ display: inout RolloutDisplay
  ) {
    let timeouts = cluster.inventory.timeouts
    var deadline: Instant?
    while true {
      switch heard.take(until: .inMilliseconds(Self.tickMilliseconds)) {
      case .interrupted:
        seen.isInterrupted = true
        return
      case .trouble(let name, let failure):
        if case .unreachable = failure, seen.outcomes[name] == nil {
          display.silent(member: name)
        }
        seen.troubles[name] = failure
      case .view(let name, let view):
        if seen.troubles[name] != nil { display.heard(member: name) }
        seen.troubles[name] = nil
        seen.head = seen.head ?? view.rollout
        if view.outcome == nil { seen.wasUnderWay = true }
        for event in view.events {
          display.changed(member: name, phase: event.phase, detail: event.detail)
          // A node that voted no is not in the rollout and reports no outcome.
          if event.phase == .refused, seen.outcomes[name] == nil {
            seen.outcomes[name] = Outcome(.aborted, event.detail)
          }
        }
        if let outcome = view.outcome, seen.outcomes[name] != outcome {
          seen.outcomes[name] = outcome
          display.changed(member: name, phase: .known(outcome.phase), detail: outcome.reason)
        }
        if let rolloutResult = view.rolloutResult { seen.rolloutResult = rolloutResult }
      case nil: display.tick()
      }
      let kinds = seen.outcomes.values.map(\.kind)
      let isComplete = seen.outcomes.count == cluster.names.count
      if isComplete {
        if kinds.allSatisfy({ $0 == .confirmed }) || kinds.allSatisfy({ $0 == .aborted }) { return }
        if seen.rolloutResult != nil { return }
      }
      if seen.isAborted,
        cluster.names.allSatisfy({ seen.outcomes[$0] != nil || seen.isStranger($0) })
      {
        return
      }
      // Missing are nodes that do not answer, or the result.
      let isWaiting = cluster.names.contains {
        seen.outcomes[$0] == nil && seen.troubles[$0] == nil
      }
      guard !isWaiting else {
        deadline = nil
        continue
      }
      let wait =
        isComplete
        ? (timeouts.stopSeconds + timeouts.startSeconds + timeouts.settleSeconds) * 1_000
          + Self.judgeMilliseconds
        : seen.wasUnderWay ? Self.silenceMilliseconds : Self.overMilliseconds
      let end = deadline ?? .inMilliseconds(wait)
      deadline = end
      if Clock.now() >= end { return }
      // All nodes answer and none knows it.
      let isStrange = seen.troubles.values.allSatisfy {
        if case .answered = $0 { true } else { false }
      }
      if seen.outcomes.isEmpty, isStrange { return }
    }
  }

  /// Long polls of one node until the mailbox is closed. Blocks; runs on its own thread.
  private static func poll(
    _ id: String, _ name: String, _ link: any AgentLink, _ heard: Mailbox<Heard>
  ) {
    var after = 0
    // What is there already comes at once.
    var wait = 0
    while !heard.isClosed {
      var isEnded = false
      do throws(LinkFailure) {
        let view = try link.call(
          .follow(id: id, after: after, waitMilliseconds: wait), lane: .following,
          deadline: .inMilliseconds(wait + CommandContext.answerMilliseconds))
        wait = pollMilliseconds
        let isNews = view.events.last.map { $0.sequence > after } ?? false
        after = view.events.last?.sequence ?? after
        isEnded = view.outcome != nil
        heard.post(.view(name, view))
        if !isEnded, isNews { continue }
      } catch { heard.post(.trouble(name, error)) }
      // Its outcome is known, but perhaps not yet the rollout's result; or it had nothing to tell, and may not have
      // waited with that.
      Clock.sleep(until: .inMilliseconds(pauseMilliseconds))
    }
  }
}
