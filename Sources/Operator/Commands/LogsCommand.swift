internal import Coordination
internal import LinuxIO
internal import Model
internal import Wire

/// `keyturn logs`: the journals of all nodes, merged by time.
struct LogsCommand: Sendable {
  let context: CommandContext

  private static let linesRange = 0...100_000
  private static let pageMilliseconds = 10_000
  private static let pollMilliseconds = 20_000
  private static let longestPauseMilliseconds = 2_000

  /// What comes from the threads that follow.
  private enum Arrival: Sendable {
    case lines([LogMerge.Line])
    case message(Severity, String)
  }

  /// What is known of a node after the past was read.
  private struct Past: Sendable {
    var lines: [LogMerge.Line] = []
    var start: LogsQuery.Start
    /// Added to the node's times, microseconds.
    var correction: Int64 = 0
    var failure: LinkFailure?
  }

  /// Blocks until the past is printed, and with `--follow` until it is interrupted.
  func run() throws(Refusal) -> CommandResult {
    let follows = context.invocation.has("follow")
    let since = context.invocation.value("since") ?? "1h"
    let lines = context.invocation.value("lines") ?? (follows ? "10" : "1000")
    guard let start = Timestamp.microseconds(since, now: Clock.realtimeMicroseconds()) else {
      context.console.message(.error, "--since \(since) is no time; keyturn help logs says what is")
      return CommandResult(.usage)
    }
    guard let limit = Int(lines), Self.linesRange.contains(limit) else {
      context.console.message(.error, "--lines \(lines) is not in \(Self.linesRange)")
      return CommandResult(.usage)
    }
    let configuration = try context.configuration()
    let nodes = Array(zip(configuration.names, configuration.connections.links))
    let pasts = FanOut.map(nodes) { name, link in
      Self.readPast(name, link, since: start, limit: limit)
    }
    for line in LogMerge.sorted(pasts.flatMap(\.lines)).suffix(limit) { show(line) }
    context.console.errors(
      zip(nodes, pasts).map { (name: $0.0, message: $1.failure?.refusal.message) })
    if follows { try follow(nodes, pasts) }
    let results = zip(nodes, pasts).map { node, past in
      NodeResult(
        name: node.0, outcome: past.failure == nil ? "reachable" : "unknown",
        reason: past.failure?.refusal.message ?? "")
    }
    let codes = pasts.compactMap { $0.failure?.refusal.code }
    if codes.contains(.notPermitted) { return CommandResult(.notPermitted, nodes: results) }
    return CommandResult(codes.isEmpty ? .done : .unknown, nodes: results)
  }

  private static func readPast(
    _ name: String, _ link: any AgentLink, since: Int64, limit: Int
  ) -> Past {
    var past = Past(start: .since(since))
    let asked = Clock.realtimeMicroseconds()
    if let reading = try? link.call(
      .clock(rollout: nil), lane: .control,
      deadline: .inMilliseconds(CommandContext.answerMilliseconds))
    {
      // Who may only look is not told the clock; the lines are then merged by the nodes' own times.
      past.correction = correction(
        asked: asked, answered: Clock.realtimeMicroseconds(), reading.realtimeMicroseconds)
    }
    var more = true
    while more {
      let query = LogsQuery(
        start: past.start, limit: Limits.journalLinesInAnswer, waitMilliseconds: 0)
      do throws(LinkFailure) {
        let answer = try link.call(
          .logs(query), lane: .control, deadline: .inMilliseconds(pageMilliseconds))
        past.lines += arrived(answer, name, past.correction)
        if past.lines.count > limit { past.lines.removeFirst(past.lines.count - limit) }
        more = answer.more && answer.cursor != nil
        if let cursor = answer.cursor { past.start = .after(cursor: cursor) }
      } catch {
        past.failure = error
        more = false
      }
    }
    return past
  }

  /// What to add to a node's times to have ours, microseconds. A difference within what the way
  /// there and back took may be none: then the clocks, kept by NTP, are better than the estimate.
  static func correction(asked: Int64, answered: Int64, _ reading: Int64) -> Int64 {
    let difference = (asked + answered) / 2 &- reading
    return difference.magnitude <= UInt64(max(0, answered - asked) / 2) ? 0 : difference
  }

  private static func arrived(
    _ answer: LogsAnswer, _ name: String, _ correction: Int64
  ) -> [LogMerge.Line] {
    let now = Clock.now()
    return answer.lines.map {
      LogMerge.Line(
        node: name, order: $0.realtimeMicroseconds &+ correction, line: $0, arrived: now)
    }
  }

  private func follow(
    _ nodes: [(String, any AgentLink)], _ pasts: [Past]
  ) throws(Refusal) {
    let arrivals = Mailbox<Arrival>(capacity: 4096)
    let isStopped = Lock(false)
    defer { isStopped.update { $0 = true } }
    for ((name, link), past) in zip(nodes, pasts) {
      do throws(Errno) {
        try Thread.start("logs") { Self.poll(name, link, past, arrivals, isStopped) }
      } catch {
        throw Refusal(.failed, "\(error); raise the limit on threads and try again")
      }
    }
    context.interruption.handled(by: {
      arrivals.close()
      isStopped.update { $0 = true }
    }) {
      var merge = LogMerge()
      while !isStopped.withLock({ $0 }) {
        switch arrivals.take(until: merge.due) {
        case .lines(let lines): merge.add(lines)
        case .message(let severity, let text): context.console.message(severity, text)
        case nil: break
        }
        for line in merge.ready(at: Clock.now()) where !show(line) { return }
      }
    }
  }

  /// Long polls of one node, until stopped; away or slow, it is asked again.
  private static func poll(
    _ name: String, _ link: any AgentLink, _ past: Past, _ arrivals: Mailbox<Arrival>,
    _ isStopped: Lock<Bool>
  ) {
    var start = past.start
    var isAway = past.failure != nil
    var pause = 100
    /// Blocks while whoever prints is behind.
    func post(_ arrival: Arrival) {
      while !arrivals.post(arrival), !isStopped.withLock({ $0 }) {
        _ = isStopped.wait(until: .inMilliseconds(10)) { $0 ? true : nil }
      }
    }
    while !isStopped.withLock({ $0 }) {
      let query = LogsQuery(
        start: start, limit: Limits.journalLinesInAnswer, waitMilliseconds: pollMilliseconds)
      do throws(LinkFailure) {
        let answer = try link.call(
          .logs(query), lane: .following,
          deadline: .inMilliseconds(pollMilliseconds + CommandContext.answerMilliseconds))
        if isAway { post(.message(.note, "\(name): it answers again")) }
        isAway = false
        pause = 100
        if let cursor = answer.cursor { start = .after(cursor: cursor) }
        if !answer.lines.isEmpty { post(.lines(arrived(answer, name, past.correction))) }
      } catch {
        if !isAway { post(.message(.warning, "\(name): \(error.refusal.message); asking again")) }
        isAway = true
        _ = isStopped.wait(until: .inMilliseconds(pause)) { $0 ? true : nil }
        pause = min(2 * pause, longestPauseMilliseconds)
      }
    }
  }

  /// False when nobody reads it any more.
  @discardableResult
  private func show(_ line: LogMerge.Line) -> Bool {
    let entry = line.line
    let time = Timestamp.text(microseconds: entry.realtimeMicroseconds)
    let isRead = context.console.event(
      "log", node: line.node,
      [
        "time": .string(time), "priority": JSONValue(entry.priority),
        "identifier": .string(entry.identifier), "pid": .integer(Int64(entry.pid)),
        "message": .string(entry.message),
      ])
    let process = entry.pid > 0 ? "\(entry.identifier)[\(entry.pid)]" : entry.identifier
    return context.console.line("\(time) \(line.node) \(process): \(entry.message)") && isRead
  }
}
