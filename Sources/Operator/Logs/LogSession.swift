// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
internal import Model
internal import Threads

/// One run of `keyturn logs`: prints what the nodes' threads read, in order.
struct LogSession: Sendable {
  /// The newest lines of what is there already, until all of that is known.
  struct Newest: Sendable {
    private var lines: [LogMerge.Folded] = []
    /// What stands before it is dropped.
    private var head = 0
    private var bytes = 0
    private let count: Int
    private let limitBytes: Int
    /// Lines that were wanted and found no place.
    private(set) var dropped = 0

    init(_ count: Int, bytes: Int) {
      self.count = count
      limitBytes = bytes
    }

    mutating func add(_ line: LogMerge.Folded) {
      lines.append(line)
      bytes += LogSource.size(line.first)
      while lines.count - head > count { drop() }
      while bytes > limitBytes {
        drop()
        dropped += 1
      }
      if head > 1_024, head * 2 > lines.count {
        lines.removeFirst(head)
        head = 0
      }
    }

    private mutating func drop() {
      bytes -= LogSource.size(lines[head].first)
      head += 1
    }

    var all: ArraySlice<LogMerge.Folded> { lines[head...] }
  }

  private let console: Console
  private let names: [String]
  private let pattern: TextPattern?
  private var newest: Newest?
  private let arrivals = Mailbox<LogArrival>(capacity: 64)
  private let sources: [LogSource]
  private var merge: LogMerge
  /// Who has not told all of the past yet.
  private var behind: Set<Int>
  private let isStopped = Lock(false)
  /// Errors whose meaning, cause and remedy are on the screen already.
  private var explained: Set<LogError> = []
  /// Why a node's lines are not all there.
  private(set) var failures: [LinkFailure?]

  /// Kinds of errors that are explained once only; the table of lines has far fewer.
  private static let explainedLimit = 1_000

  /// - Parameter newest: what of the past is to be printed; nil for all.
  init(
    _ console: Console, _ nodes: [(name: String, link: any AgentLink)], pattern: TextPattern?,
    newest: Newest?
  ) {
    self.console = console
    names = nodes.map(\.name)
    self.pattern = pattern
    self.newest = newest
    let arrivals = arrivals
    sources = nodes.enumerated().map { LogSource($0, $1.name, $1.link, arrivals) }
    // Programs get each line.
    merge = LogMerge(count: nodes.count, folds: console.format == .text)
    behind = Set(nodes.indices)
    failures = nodes.map { _ in nil }
  }

  /// Starts to read a node's journal; what is wanted may depend on its clock.
  func start(
    _ number: Int, _ wanted: @escaping @Sendable (_ correction: Int64) -> LogSource.Wanted
  ) throws(Errno) {
    try sources[number].start(wanted)
  }

  mutating func skip(_ number: Int) {
    behind.remove(number)
    merge.end(number)
  }

  /// Lets ``run()`` and the threads end soon, from any thread.
  var stopper: @Sendable () -> Void {
    { [arrivals, sources, isStopped] in
      isStopped.update { $0 = true }
      arrivals.close()
      for source in sources { source.stop() }
    }
  }

  /// Prints until nothing more comes, nobody reads any more, or it is stopped. Blocks.
  mutating func run() {
    defer { stopper() }
    while !isStopped.withLock({ $0 }) {
      while let line = merge.next(at: Clock.now()) {
        for source in line.sources { sources[source].release(line.first) }
        guard isWanted(line) else { continue }
        if newest != nil {
          newest?.add(line)
        } else if !show(line) {
          return
        }
      }
      if behind.isEmpty, !showNewest() { return }
      if merge.hasEnded { return }
      if let arrival = arrivals.take(until: merge.due) { take(arrival) }
    }
  }

  private mutating func take(_ arrival: LogArrival) {
    switch arrival {
    case .lines(let source, let lines, let isCaughtUp):
      merge.add(lines, from: source, isCaughtUp: isCaughtUp)
      if isCaughtUp { behind.remove(source) }
    case .ended(let source, let failure):
      merge.end(source)
      behind.remove(source)
      failures[source] = failure
    case .lost(let source):
      console.message(
        .warning,
        "\(names[source]): lines may be missing here: journald had removed them before they were read, or they are damaged; its journal is too small for what is logged (SystemMaxUse=, RuntimeMaxUse= in journald.conf)"
      )
    case .away(let source, let failure?):
      console.message(.warning, "\(names[source]): \(failure.refusal.message); asking again")
      // The others' lines do not wait for it.
      merge.add([], from: source, isCaughtUp: true)
      behind.remove(source)
    case .away(let source, nil):
      console.message(.note, "\(names[source]): it answers again")
    }
  }

  private func isWanted(_ line: LogMerge.Folded) -> Bool {
    pattern?.matches(line.first.line.message) ?? true
  }

  // MARK: output

  /// Prints what was kept, once; false when nobody reads any more.
  private mutating func showNewest() -> Bool {
    // Lines that still wait are of the past too.
    guard let kept = newest, merge.due == nil || merge.hasEnded else { return true }
    newest = nil
    if kept.dropped > 0 {
      console.message(
        .warning,
        "\(kept.dropped) older lines are left out: together the lines are too long; ask for a shorter time"
      )
    }
    for line in kept.all where !show(line) { return false }
    return true
  }

  /// False when nobody reads any more.
  private mutating func show(_ folded: LogMerge.Folded) -> Bool {
    let (entry, order) = (folded.first.line, folded.first.order)
    if console.format == .json { return event(folded, entry, order) }
    let nodes = NodeNames.folded(folded.sources.map { names[$0] })
    // Of several nodes the process has several numbers.
    let process =
      entry.pid > 0 && folded.sources.count == 1
      ? "\(entry.identifier)[\(entry.pid)]" : entry.identifier
    let isUnknown = entry.error?.kind == .known(.unknown)
    var isRead = console.line(
      "\(CalendarTime.text(microseconds: order)) \(nodes) \(process): \(entry.message)"
        + (isUnknown ? Self.unknownMark : ""))
    guard let error = entry.error,
      explained.count >= Self.explainedLimit || explained.insert(error).inserted
    else { return isRead }
    for (head, text) in [("meaning", error.meaning), ("cause", error.cause), ("do", error.remedy)] {
      if let text { isRead = console.line("  \(head): \(text)") && isRead }
    }
    return isRead
  }

  /// Behind an error that no row of the table of lines knows.
  static let unknownMark = " (an error that Keyturn does not know)"

  private func event(_ folded: LogMerge.Folded, _ entry: LogLine, _ order: Int64) -> Bool {
    var fields: JSONObject = [
      "time": CalendarTime.text(microseconds: entry.realtimeMicroseconds),
      "priority": entry.priority, "identifier": entry.identifier, "pid": entry.pid,
      "message": entry.message,
    ]
    if order != entry.realtimeMicroseconds {
      fields["correctedTime"] = CalendarTime.text(microseconds: order)
    }
    if let error = entry.error {
      fields["error"] =
        [
          "kind": error.kind, "meaning": error.meaning, "cause": error.cause,
          "remedy": error.remedy,
        ] as JSONObject
    }
    return console.event("log", node: names[folded.sources[0]], fields)
  }
}
