// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// `keyturn resolve`: makes the members end a rollout whose coordinator is gone, and shows what
/// happened on each node. A majority of the members decides (Core/Rollout/Commit/Recovery.swift).
struct ResolveCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "ID", as: .text) var id: String
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "resolve",
    summary: "finish a rollout whose command line died, and show how it ended",
    details: """
      If keyturn is killed between the votes and the decision, nodes are in doubt: they are untouched, refuse other
      rollouts, and end this one as soon as a majority of them is connected. This makes them try now, follows the
      rollout to its end, and shows what happened on each node. A rollout that was or may have been committed is
      finished: the servers restart at once, without a question. Any other is aborted. Where nodes have not voted yet, it
      waits until their checks are over: 0 if none has voted yes, since no node is in doubt then, and 3 if that is not
      known.
      """,
    examples: [("keyturn resolve 0d07a7a0593ac303", "the id is in keyturn status")],
    exitCodes: [.done, .failed, .unknown, .unreachable, .validationRefused, .notConfirmed]
      + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  private static let pollMilliseconds = 250
  /// A node that no longer answers must not delay the others.
  private static let answerMilliseconds = 2_000
  /// Members are asked one after the other, so that their ballots do not compete.
  private static let nextMemberMilliseconds = 2_000
  /// How long the members may try.
  private static let doubtMilliseconds = 30_000

  /// The last answer of each node, in the order of the inventory.
  private struct Nodes {
    let id: String
    var rows: [NodeAnswer<NodeStatus>]

    /// A node that does not answer keeps its last answer.
    mutating func update(_ new: [NodeAnswer<NodeStatus>]) {
      rows = zip(rows, new).map { $1.answer == nil && $0.answer != nil ? $0 : $1 }
    }

    /// In the rollout.
    var active: [NodeAnswer<NodeStatus>] { rows.filter { $0.answer?.activeRollout == id } }
    /// In doubt.
    var doubtful: [NodeAnswer<NodeStatus>] {
      active.filter { [.known(.prepared), .known(.accepted)].contains($0.answer?.activeStage) }
    }
    /// In doubt, or waiting for an instant that is out of reach.
    var toAsk: [NodeAnswer<NodeStatus>] {
      doubtful
        + active.filter { row in
          row.answer?.findings.contains { $0.rule == "rollout-instant-unreachable" } ?? false
        }
    }
    /// Whether a node knows that it is committed.
    var isCommitted: Bool {
      active.count > doubtful.count
        || rows.contains {
          $0.answer?.lastRollout == id && $0.answer?.lastOutcome?.kind != .aborted
        }
    }
  }

  /// Blocks until the rollout has ended on every node that answers, or the time for that is over.
  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.clusterRefusingRevoked(options.cluster)
    let id = try context.rolloutID(options.id, cluster)
    var nodes = Nodes(id: id, rows: context.ask(cluster, .status))
    if let failure = nodes.rows[0].failure, nodes.rows.allSatisfy({ $0.failure != nil }) {
      throw Refusal(
        failure.code,
        "no node answers; \(nodes.rows[0].name): \(failure.message)")
    }
    let interruption = context.interruption
    let lastWords: @Sendable () -> String? = {
      "rollout \(id) goes on as the nodes decide it: keyturn watch \(id), keyturn resolve \(id)"
    }
    if nodes.active.isEmpty {
      interruption.handled(by: nil, lastWords: lastWords) { awaitVotes(&nodes, cluster) }
    }
    if nodes.active.isEmpty {
      context.console.progress("no node that answers is in rollout \(id)")
      let others = Set(nodes.rows.compactMap { $0.answer?.activeRollout }).sorted()
      if !others.isEmpty {
        context.console.message(
          .warning, "the nodes are in another: keyturn resolve \(others.joined(separator: ", "))")
      }
    } else {
      interruption.handled(by: nil, lastWords: lastWords) { follow(&nodes, cluster) }
    }
    return report(nodes, cluster)
  }

  /// Nobody has voted yes. Blocks while the checks of a vote run somewhere, as long as a vote may take: it may be a yes,
  /// which is then to be resolved.
  private func awaitVotes(_ nodes: inout Nodes, _ cluster: Cluster) {
    let deadline = Instant.inMilliseconds(
      cluster.inventory.timeouts.prepareSeconds * 1_000 + Self.answerMilliseconds)
    var isTold = false
    while nodes.active.isEmpty, Clock.now() < deadline {
      let checking = known(nodes, cluster).filter(\.isChecking).map(\.name)
      // After that: a vote that has come meanwhile is seen.
      nodes.update(context.ask(cluster, .status, milliseconds: Self.answerMilliseconds))
      if checking.isEmpty { return }
      if !isTold {
        isTold = true
        context.console.progress(
          "\(NodeNames.folded(checking)): not voted yet on rollout \(nodes.id), the checks run")
      }
      Clock.sleep(until: .inMilliseconds(Self.pollMilliseconds))
    }
  }

  private func follow(_ nodes: inout Nodes, _ cluster: Cluster) {
    let timeouts = cluster.inventory.timeouts
    var deadline = Instant.inMilliseconds(Self.doubtMilliseconds)
    var wasCommitted = false
    var (asked, next) = (0, Clock.now())
    while !nodes.active.isEmpty, Clock.now() < deadline {
      if nodes.isCommitted, !wasCommitted {
        wasCommitted = true
        context.console.progress("rollout \(nodes.id): commit")
        deadline = .inMilliseconds(
          (timeouts.stopSeconds + timeouts.startSeconds + timeouts.settleSeconds) * 1000
            + CommandContext.answerMilliseconds)
      }
      let waiting = nodes.toAsk
      if !waiting.isEmpty, Clock.now() >= next {
        ask(waiting[asked % waiting.count], nodes.id, cluster)
        asked += 1
        next = .inMilliseconds(Self.nextMemberMilliseconds)
      }
      Clock.sleep(until: .inMilliseconds(Self.pollMilliseconds))
      nodes.update(context.ask(cluster, .status, milliseconds: Self.answerMilliseconds))
    }
  }

  /// Makes one member try now; its status shows the result.
  private func ask(_ row: NodeAnswer<NodeStatus>, _ id: String, _ cluster: Cluster) {
    let name = row.name
    guard let index = cluster.names.firstIndex(of: name) else { return }
    context.console.progress(
      row.answer?.activeStage == .known(.committed)
        ? "\(name) restarts now: the instant of rollout \(id) is out of its reach"
        : "\(name) asks the others how rollout \(id) was decided")
    do throws(LinkFailure) {
      _ = try cluster.connections.links[index].call(
        .resolve(id: id), lane: .control, deadline: .inMilliseconds(Self.answerMilliseconds))
    } catch {
      context.console.message(.warning, "\(name): \(error.refusal.message)")
    }
  }

  // MARK: what happened

  private func report(_ nodes: Nodes, _ cluster: Cluster) -> CommandResult {
    let known = known(nodes, cluster)
    let words = known.map(\.word)
    if known.allSatisfy({ $0.word == .untouched && $0.isStranger }) {
      let results = nodes.rows.map { NodeResult(name: $0.name, outcome: .untouched) }
      return context.ended(
        .validationRefused,
        "\(ShowCommand.unknown(nodes.id)): nothing was resolved; keyturn rollouts lists them",
        nodes: results)
    }
    let isCommitted = nodes.isCommitted || words.contains(where: Self.ofCommit.contains)
    let isDecided = isCommitted || words.contains(.aborted) || !words.contains(.inDoubt)
    let results = zip(nodes.rows, known).map { row, known in
      let later =
        known.word == .unknown && isDecided
        ? "; it learns from the others how the rollout ended, as soon as they are connected" : ""
      return NodeResult(
        name: row.name, outcome: known.word, reason: known.reason + later)
    }
    let summary: String
    if isCommitted {
      let count = words.count { $0 == .confirmed }
      summary =
        "rollout \(nodes.id) was committed; \(count) of \(words.count) starts confirmed"
    } else if words.contains(.aborted) {
      summary = "rollout \(nodes.id) was aborted: no file was replaced, no server restarted"
    } else if known.contains(where: \.isChecking) {
      summary =
        "rollout \(nodes.id) is not voted on yet: the checks of \(NodeNames.folded(known.filter(\.isChecking).map(\.name))) run still, and nothing was touched"
    } else if words.allSatisfy(Self.ofNoVote.contains) {
      summary =
        "rollout \(nodes.id) has no vote: no node is in doubt, no file was replaced, no server restarted"
    } else if isDecided {
      summary = "rollout \(nodes.id): there is nothing to resolve on the nodes that answer"
    } else {
      summary =
        "rollout \(nodes.id) is not decided: \(words.count / 2 + 1) of the \(words.count) nodes must be connected; until then those in doubt change nothing and keep asking"
    }
    let texts = results.map { node in
      (
        name: node.name,
        value: node.outcome.rawValue + (node.reason.isEmpty ? "" : ": \(node.reason)")
      )
    }
    let code: ExitCode = known.contains(where: \.isChecking) ? .unknown : Self.exitCode(words)
    let names = NodeNames.folded(cluster.names)
    let inForce =
      isCommitted
      ? "what the rollout brings, on \(names), unless a start failed and a rollback follows"
      : words.contains(.aborted)
        ? "the previous files, on \(names)"
        : isDecided && !words.contains(.unknown)
          ? "this rollout changes nothing any more; keyturn status shows what runs"
          : "not known: the previous files or the new ones"
    var ending = Ending(
      headline: summary, inForce: [inForce], why: NodeNames.lines(texts),
      next: Self.next(code, nodes.id))
    ending.isGood = code == .done
    context.console.end(ending)
    return CommandResult(code, ending, nodes: results, isChanged: isCommitted)
  }

  private static func next(_ code: ExitCode, _ id: String) -> [Ending.Step] {
    switch code {
    case .notConfirmed:
      [
        Ending.Step(command: "keyturn watch \(id)", purpose: "its end; a rollback may follow"),
        Ending.logs(id),
      ]
    case .unknown:
      [
        Ending.Step(command: "keyturn status", purpose: "which nodes answer"),
        Ending.Step(command: "keyturn resolve \(id)", purpose: "again, when more of them do"),
      ]
    default: []
    }
  }

  private static let ofNoVote: Set<NodeOutcome> = [.untouched, .refused]
  private static let ofCommit: Set<NodeOutcome> = [.committed, .confirmed, .failed, .timedOut]

  private static func exitCode(_ words: [NodeOutcome]) -> ExitCode {
    if words.contains(where: { $0 == .failed || $0 == .timedOut }) { return .notConfirmed }
    return words.contains { [.unknown, .inDoubt, .committed].contains($0) } ? .unknown : .done
  }

  /// How the rollout ended on one node, and why.
  private struct Resolution: Sendable {
    let name: String
    let word: NodeOutcome
    let reason: String
    /// Whether it was asked for its vote, and its checks run still.
    var isChecking = false
    /// Whether it knows nothing of the rollout.
    var isStranger = false
  }

  /// Blocks while all are asked.
  private func known(_ nodes: Nodes, _ cluster: Cluster) -> [Resolution] {
    Parallel.map(Array(zip(nodes.rows, cluster.connections.links))) { row, link in
      Self.resolution(row, nodes.id, link)
    }
  }

  private static func resolution(
    _ row: NodeAnswer<NodeStatus>, _ id: String, _ link: any AgentLink
  ) -> Resolution {
    func told(_ word: NodeOutcome, _ reason: String) -> Resolution {
      Resolution(name: row.name, word: word, reason: reason)
    }
    guard let status = row.answer else {
      return told(.unknown, row.failure?.message ?? "no answer")
    }
    if status.activeRollout == id {
      switch status.activeStage?.known {
      case .prepared, .accepted:
        let missing = (status.doubt?.missing ?? []).filter { $0 != row.name }
        return told(
          .inDoubt,
          "it has voted yes and does not know the decision"
            + (missing.isEmpty ? "" : ", no answer from \(missing.joined(separator: ", "))")
        )
      default:
        return told(.committed, "it is committed, and has not come to its end here")
      }
    }
    if status.lastRollout == id, let outcome = status.lastOutcome {
      return told(NodeOutcome(outcome), outcome.reason)
    }
    let view = try? link.call(
      .follow(id: id, after: 0, waitMilliseconds: 0), lane: .control,
      deadline: .inMilliseconds(answerMilliseconds))
    if let outcome = view?.outcome { return told(NodeOutcome(outcome), outcome.reason) }
    if let last = view?.events.last {
      switch last.phase.known {
      case .preparing, .checked:
        var checking = told(.untouched, "it has not voted yet: its checks run")
        checking.isChecking = true
        return checking
      case .refused: return told(.refused, "it voted no: \(last.detail)")
      default:
        // It may have voted since its status was asked for.
        let now = try? link.call(
          .status, lane: .control, deadline: .inMilliseconds(answerMilliseconds))
        if now?.activeRollout == id {
          return told(.unknown, "it is \(last.phase.text), and was asked before its end")
        }
      }
    }
    // It had no such rollout, or has aborted and forgotten it.
    var stranger = told(.untouched, "not part of this rollout")
    stranger.isStranger = view == nil
    return stranger
  }
}
