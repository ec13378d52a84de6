// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
internal import Model
internal import Threads

/// `keyturn logs`: the journals of all nodes, merged by time.
///
/// Memory does not grow with the journals: kept are lines that wait for older ones of other nodes,
/// and the newest lines where a number was given.
struct LogsCommand: Command {
  struct Options: OptionGroup {
    @Option("follow", short: "f", help: "go on with new lines until interrupted") var follows: Bool
    @Option("since", takes: "TIME", help: "all lines from then on", as: .time)
    var sinceMicroseconds: Int64?
    @Option("rollout", takes: "ID", help: "from that rollout's instant to its outcome", as: .text)
    var rollout: String?
    @Option(
      "lines", short: "n", takes: "LINES",
      help: "the last so many lines; without --since and --rollout 1000, with --follow 10",
      as: .number(of: "lines", in: 0...Limits.journalLinesBack))
    var lines: Int?
    @Option("node", takes: "SET", help: "only these nodes; may be repeated", as: .nodeSet)
    var sets: [NodeSet]
    @Option(
      "grep", short: "g", takes: "PATTERN",
      help: "only lines that match (extended regular expression, as grep -E)", as: .pattern)
    var pattern: TextPattern?
    @Option(
      "errors",
      help: "only errors; what Keyturn knows is explained once for each kind, others are marked")
    var errorsOnly: Bool
    var cluster = ClusterOptions()

    var problem: String? {
      guard rollout != nil, sinceMicroseconds != nil else { return nil }
      return "--rollout says since when already; leave --since out"
    }

    /// Only the newest so many of what is there already; nil: all.
    var newestLines: Int? {
      if lines != nil || sinceMicroseconds != nil || rollout != nil { return lines }
      return follows ? 10 : 1_000
    }
  }

  static let rule = CommandRule(
    name: "logs",
    summary: "the unit's journal of all nodes, merged by time, secrets redacted",
    details: """
      TIME is a duration back from now (90s, 15m, 2h, 1d) or a time in UTC (2026-01-31 or
      2026-01-31T12:00:00Z). SET is a list like minio-[1-3,5],minio-8. What several nodes log alike within a second
      is one line. Without --since or --rollout the newest lines are printed; with --grep or --errors those of the
      last hour.
      """,
    examples: [
      ("keyturn logs -f", "follow all nodes"),
      ("keyturn logs --since 15m -n 200", "the newest 200 lines of 15 minutes"),
      (
        "keyturn logs --rollout 0d07a7a0593ac303 --errors",
        "what went wrong in that rollout, and what to do"
      ),
      ("keyturn logs -f --node minio-[1-3] --grep 'KMS|IAM'", "of three nodes"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  /// Lines that wait in all, bytes; and the newest ones that are kept.
  private static let heldBytes = 12 << 20
  private static let newestBytes = 16 << 20
  /// Lines that are asked for at once, of all nodes together.
  private static let pageLines = 8_000
  private static let pageLinesRange = 100...Limits.journalLinesInAnswer

  /// One node and what is wanted of it.
  private struct Node: Sendable {
    var name: String
    var link: any AgentLink
    /// From when to when, by the node's own clock, where a rollout was asked for.
    var span: ClosedRange<Int64>?
    var failure: Refusal?
  }

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    var nodes = cluster.members.map { Node(name: $0, link: $1) }
    for set in options.sets where !nodes.contains(where: { set.contains($0.name) }) {
      return context.ended(
        .usage,
        "no node of the inventory is in \"\(set.text)\"; they are \(NodeNames.folded(nodes.map(\.name)))"
      )
    }
    if !options.sets.isEmpty {
      nodes.removeAll { node in !options.sets.contains { $0.contains(node.name) } }
    }
    if let given = options.rollout {
      let id = try context.rolloutID(given, cluster)
      nodes = spans(of: id, nodes)
      if nodes.allSatisfy({ $0.failure?.code == .validation }) {
        throw Refusal(.validation, ShowCommand.unknown(id))
      }
    }
    var session = LogSession(
      context.console, nodes.map { (name: $0.name, link: $0.link) }, pattern: options.pattern,
      newest: options.newestLines.map { LogSession.Newest($0, bytes: Self.newestBytes) })
    try start(nodes, &session)
    if options.follows {
      context.interruption.handled(by: session.stopper) { session.run() }
    } else {
      session.run()
    }
    return result(nodes, session)
  }

  private func result(_ nodes: [Node], _ session: LogSession) -> CommandResult {
    let failures = zip(nodes, session.failures).map { $1?.refusal ?? $0.failure }
    context.console.errors(zip(nodes, failures).map { (name: $0.name, message: $1?.message) })
    let results = zip(nodes, failures).map { node, failure in
      NodeResult(
        name: node.name, outcome: failure == nil ? .reachable : .unknown,
        reason: failure?.message ?? "")
    }
    return .asked(results, failures: failures.compactMap { $0?.code })
  }

  /// The rollout's time on each node: from its instant, or else its first step, to its outcome.
  private func spans(of id: String, _ nodes: [Node]) -> [Node] {
    let rows = Parallel.ask(
      .follow(id: id, after: 0, waitMilliseconds: 0), of: nodes.map { ($0.name, $0.link) },
      milliseconds: CommandContext.answerMilliseconds)
    return zip(nodes, rows).map { node, row in
      var node = node
      node.failure = row.failure
      guard let view = row.answer else { return node }
      let axis = TimelineAxis.Member(view)
      if let from = axis.instantMicroseconds ?? view.events.first?.realtimeMicroseconds {
        let end = view.outcome == nil ? nil : view.events.last?.realtimeMicroseconds
        node.span = from...max(from, end ?? .max)
      } else {
        node.failure = Refusal(.failed, "it has kept no steps of rollout \(id)")
      }
      return node
    }
  }

  private func start(_ nodes: [Node], _ session: inout LogSession) throws(Refusal) {
    let lines = Self.pageLines / max(1, nodes.count)
    var wanted = LogSource.Wanted(
      start: .last(options.newestLines ?? 0), until: nil, errorsOnly: options.errorsOnly,
      follows: options.follows,
      pageLines: min(max(lines, Self.pageLinesRange.lowerBound), Self.pageLinesRange.upperBound),
      heldBytes: Self.heldBytes / max(1, nodes.count))
    var since = options.sinceMicroseconds
    // A match may be far back: a time bounds the search, not a number.
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

extension ArgumentType<Int64> {
  /// A time in microseconds since 1970.
  fileprivate static var time: Self {
    Self("is not a time; keyturn help logs says what is") {
      CalendarTime.microseconds($0, now: Clock.realtimeMicroseconds())
    }
  }
}

extension ArgumentType<NodeSet> {
  fileprivate static var nodeSet: Self {
    Self("is not a set of nodes; write minio-3, minio-[1-3,5] or both with a comma") { NodeSet($0) }
  }
}

extension ArgumentType<TextPattern> {
  fileprivate static var pattern: Self {
    Self { (text, rule) throws(UsageProblem) in
      do throws(TextPattern.Malformed) { return try TextPattern(text) } catch {
        throw UsageProblem(
          message: "--\(rule.name) \(text) is not an extended regular expression: \(error.reason)")
      }
    }
  }
}
