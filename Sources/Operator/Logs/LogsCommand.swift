// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
internal import Model
internal import Threads

/// `keyturn logs`: the journals of all nodes, merged by time.
///
/// Nothing is kept but what waits for older lines of other nodes, and the newest lines where only so
/// many are wanted: how much there is to read makes no difference to the memory.
struct LogsCommand: Sendable {
  let context: CommandContext

  private static let linesRange = 0...Limits.journalLinesBack
  /// Lines that wait in all, bytes; and the newest ones that are kept.
  private static let heldBytes = 12 << 20
  private static let newestBytes = 16 << 20
  /// Lines that are asked for at once, of all nodes together.
  private static let pageLines = 8_000
  private static let pageLinesRange = 100...Limits.journalLinesInAnswer

  /// What was asked for.
  private struct Options {
    var follows: Bool
    /// Microseconds since 1970; nil: not said.
    var since: Int64?
    /// Only the newest so many of what is there already; nil: all.
    var lines: Int?
    var errorsOnly: Bool
    var pattern: TextPattern?
    var sets: [NodeSet]
    var rollout: String?
  }

  /// One node and what is wanted of it.
  private struct Node: Sendable {
    var name: String
    var link: any AgentLink
    /// From when to when, by the node's own clock, where a rollout was asked for.
    var span: ClosedRange<Int64>?
    var failure: Refusal?
  }

  /// Blocks until the past is printed, and with `--follow` until it is interrupted.
  func run() throws(Refusal) -> CommandResult {
    let options: Options
    do throws(UsageProblem) { options = try self.options() } catch {
      context.console.message(.error, error.message)
      return CommandResult(.usage)
    }
    let configuration = try context.configuration()
    var nodes = zip(configuration.names, configuration.connections.links).map {
      Node(name: $0, link: $1)
    }
    for set in options.sets where !nodes.contains(where: { set.contains($0.name) }) {
      context.console.message(
        .error,
        "no node of the inventory is in \"\(set.text)\"; they are \(NodeNames.folded(nodes.map(\.name)))"
      )
      return CommandResult(.usage)
    }
    if !options.sets.isEmpty {
      nodes.removeAll { node in !options.sets.contains { $0.contains(node.name) } }
    }
    if let id = options.rollout {
      nodes = try spans(of: id, nodes)
      if nodes.allSatisfy({ $0.failure?.code == .validation }) {
        throw Refusal(.validation, ShowCommand.unknown(id))
      }
    }
    var session = LogSession(
      context.console, nodes.map { (name: $0.name, link: $0.link) }, pattern: options.pattern,
      newest: options.lines.map { LogSession.Newest($0, bytes: Self.newestBytes) })
    try start(nodes, options, &session)
    if options.follows {
      context.interruption.handled(by: session.stopper) { session.run() }
    } else {
      session.run()
    }
    return result(nodes, session)
  }

  private func result(_ nodes: [Node], _ session: LogSession) -> CommandResult {
    let failures = zip(nodes, session.failures).map { $1?.refusal ?? $0.failure }
    context.console.errors(
      zip(nodes, failures).map { (name: $0.name, message: $1?.message) })
    let results = zip(nodes, failures).map { node, failure in
      NodeResult(
        name: node.name, outcome: failure == nil ? "reachable" : "unknown",
        reason: failure?.message ?? "")
    }
    return .asked(results, failures: failures.compactMap { $0?.code })
  }

  // MARK: what is wanted

  private func options() throws(UsageProblem) -> Options {
    let invocation = context.invocation
    let follows = invocation.has("follow")
    var options = Options(
      follows: follows, errorsOnly: invocation.has("errors"), sets: [],
      rollout: invocation.value("rollout"))
    if let since = invocation.value("since") {
      guard let start = CalendarTime.microseconds(since, now: Clock.realtimeMicroseconds()) else {
        throw UsageProblem(message: "--since \(since) is no time; keyturn help logs says what is")
      }
      options.since = start
    }
    if options.rollout != nil, options.since != nil {
      throw UsageProblem(message: "--rollout says since when already; leave --since out")
    }
    if let text = invocation.value("lines") {
      guard let lines = Int(text), Self.linesRange.contains(lines) else {
        throw UsageProblem(message: "--lines \(text) is not in \(Self.linesRange)")
      }
      options.lines = lines
    } else if options.since == nil, options.rollout == nil {
      options.lines = follows ? 10 : 1_000
    }
    if let pattern = invocation.value("grep") {
      do throws(TextPattern.Malformed) { options.pattern = try TextPattern(pattern) } catch {
        throw UsageProblem(
          message: "--grep \(pattern) is no extended regular expression: \(error.reason)")
      }
    }
    for text in invocation.values("node") {
      guard let set = NodeSet(text) else {
        throw UsageProblem(
          message:
            "--node \(text) is no set of nodes; write minio-3, minio-[1-3,5] or both with a comma"
        )
      }
      options.sets.append(set)
    }
    return options
  }

  /// From when to when the rollout went on on each node: from its instant (where there was none,
  /// from its first step) to its outcome.
  private func spans(of id: String, _ nodes: [Node]) throws(Refusal) -> [Node] {
    let views = Parallel.map(nodes) { node -> Result<RolloutView, LinkFailure> in
      do throws(LinkFailure) {
        return .success(
          try node.link.call(
            .follow(id: id, after: 0, waitMilliseconds: 0), lane: .control,
            deadline: .inMilliseconds(CommandContext.answerMilliseconds)))
      } catch { return .failure(error) }
    }
    return zip(nodes, views).map { node, answer in
      var node = node
      switch answer {
      case .success(let view):
        let axis = TimelineAxis.Member(view)
        if let from = axis.instantMicroseconds ?? view.events.first?.realtimeMicroseconds {
          let end = view.outcome == nil ? nil : view.events.last?.realtimeMicroseconds
          node.span = from...max(from, end ?? .max)
        } else {
          node.failure = Refusal(.failed, "it has kept no steps of rollout \(id)")
        }
      case .failure(let failure): node.failure = failure.refusal
      }
      return node
    }
  }

  private func start(
    _ nodes: [Node], _ options: Options, _ session: inout LogSession
  ) throws(Refusal) {
    let lines = Self.pageLines / max(1, nodes.count)
    var wanted = LogSource.Wanted(
      start: .last(options.lines ?? 0), until: nil, errorsOnly: options.errorsOnly,
      follows: options.follows,
      pageLines: min(max(lines, Self.pageLinesRange.lowerBound), Self.pageLinesRange.upperBound),
      heldBytes: Self.heldBytes / max(1, nodes.count))
    var since = options.since
    // What matches may be far back: then a time bounds the search, not a number.
    if since == nil, options.errorsOnly || options.pattern != nil {
      since = Clock.realtimeMicroseconds() - 3_600 * 1_000_000
    }
    for (number, node) in nodes.enumerated() {
      if node.failure != nil {
        session.skip(number)
        continue
      }
      if let span = node.span {
        wanted.start = .since(span.lowerBound)
        wanted.until = span.upperBound == .max ? nil : span.upperBound
      }
      do throws(Errno) {
        try session.start(number) { [wanted, since] correction in
          var wanted = wanted
          if node.span == nil, let since { wanted.start = .since(since &- correction) }
          return wanted
        }
      } catch {
        session.stopper()
        throw Refusal(.failed, "\(error); raise the limit on threads and try again")
      }
    }
  }
}
