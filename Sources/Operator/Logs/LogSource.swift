// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
internal import Model
internal import Threads

/// From the thread of a ``LogSource``.
enum LogArrival: Sendable {
  /// Lines, and whether these are all at present.
  case lines(source: Int, [LogMerge.Line], isCaughtUp: Bool)
  /// Nothing more comes; why, if it should.
  case ended(source: Int, LinkFailure?)
  /// Lines may be missing.
  case lost(source: Int)
  /// It does not answer (and is asked again), or answers again (nil).
  case away(source: Int, LinkFailure?)
}

/// Reads one node's journal on its own thread.
///
/// Bounded: no more is asked for while too much waits to go out. The node's journal keeps it.
final class LogSource: Sendable {
  struct Wanted: Sendable {
    var start: LogsQuery.Start
    /// No line that is later, microseconds since 1970 of the node; nil for no end.
    var until: Int64?
    var errorsOnly = false
    var follows = false
    /// How many lines are asked for at once, and how many bytes may wait here.
    var pageLines: Int
    var heldBytes: Int
  }

  private let name: String
  private let number: Int
  private let link: any AgentLink
  private let arrivals: Mailbox<LogArrival>
  private let isStopped = Lock(false)
  /// Bytes that were read and have not gone out.
  private let held = Lock(0)

  private static let pageMilliseconds = 10_000
  private static let pollMilliseconds = 20_000
  /// Between two questions while lines come, so that an answer has more of them.
  private static let restMilliseconds = 100
  private static let longestPauseMilliseconds = 2_000

  init(_ number: Int, _ name: String, _ link: any AgentLink, _ arrivals: Mailbox<LogArrival>) {
    self.number = number
    self.name = name
    self.link = link
    self.arrivals = arrivals
  }

  /// Starts to read. Blocks for a moment while the node's clock is asked for.
  func start(_ wanted: @escaping @Sendable (_ correction: Int64) -> Wanted) throws(Errno) {
    try Thread.start("logs") { [self] in
      let correction = NodeClock.correction(link)
      run(wanted(correction), correction)
    }
  }

  /// Ends the thread soon. Does not block.
  func stop() { isStopped.update { $0 = true } }

  func release(_ line: LogMerge.Line) { held.update { $0 -= Self.size(line) } }

  /// What a line takes here, bytes, roughly.
  static func size(_ line: LogMerge.Line) -> Int { line.line.message.utf8.count + 256 }

  private func run(_ wanted: Wanted, _ correction: Int64) {
    var start = wanted.start
    var isCaughtUp = false
    var isAway = false
    var pause = Self.restMilliseconds
    while !isStopped.withLock({ $0 }) {
      _ = held.wait(until: .inMilliseconds(Self.restMilliseconds)) {
        $0 < wanted.heldBytes ? true : nil
      }
      if held.withLock({ $0 >= wanted.heldBytes }) { continue }
      let wait = isCaughtUp ? Self.pollMilliseconds : 0
      let query = LogsQuery(
        start: start, limit: wanted.pageLines, waitMilliseconds: wait,
        errorsOnly: wanted.errorsOnly)
      let rest = Instant.inMilliseconds(Self.restMilliseconds)
      do throws(LinkFailure) {
        let answer = try link.call(
          .logs(query), lane: isCaughtUp ? .following : .control,
          deadline: .inMilliseconds(wait + Self.pageMilliseconds))
        if isAway { post(.away(source: number, nil)) }
        (isAway, pause) = (false, Self.restMilliseconds)
        if let cursor = answer.cursor { start = .after(cursor: cursor) }
        if answer.lossy == true { post(.lost(source: number)) }
        isCaughtUp = !answer.more || answer.cursor == nil
        let isOver = hand(answer, wanted, correction, isCaughtUp)
        if isOver || isCaughtUp && !wanted.follows {
          post(.ended(source: number, nil))
          return
        }
        if isCaughtUp, !answer.lines.isEmpty { sleep(until: rest) }
      } catch {
        if !wanted.follows {
          post(.ended(source: number, error))
          return
        }
        if !isAway { post(.away(source: number, error)) }
        isAway = true
        sleep(until: .inMilliseconds(pause))
        pause = min(2 * pause, Self.longestPauseMilliseconds)
      }
    }
  }

  /// Hands an answer's lines over; true if the last that is wanted was among them.
  private func hand(
    _ answer: LogsAnswer, _ wanted: Wanted, _ correction: Int64, _ isCaughtUp: Bool
  ) -> Bool {
    let now = Clock.now()
    let lines = answer.lines.prefix { line in
      wanted.until.map { line.realtimeMicroseconds <= $0 } ?? true
    }.map {
      LogMerge.Line(order: $0.realtimeMicroseconds &+ correction, line: $0, arrived: now)
    }
    held.update { $0 += lines.reduce(0) { $0 + Self.size($1) } }
    post(.lines(source: number, lines, isCaughtUp: isCaughtUp))
    return lines.count < answer.lines.count
  }

  /// Blocks while the printing thread is behind.
  private func post(_ arrival: LogArrival) {
    while !arrivals.post(arrival), !isStopped.withLock({ $0 }) {
      sleep(until: .inMilliseconds(10))
    }
  }

  private func sleep(until instant: Instant) {
    _ = isStopped.wait(until: instant) { $0 ? true : nil }
  }
}
