// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model

/// Lines of several journals in one order, identical ones of several nodes together. Pure.
///
/// Each node's lines stay in their journal's order. A line goes out as soon as no older one can
/// come: each other node has a later one waiting here, has ended, or is known to have nothing for a
/// moment, ``windowMilliseconds``, since an older one may still be on its way.
struct LogMerge: Sendable {
  struct Line: Sendable {
    /// When it was logged, microseconds since 1970-01-01 UTC of this host, as far as the node's
    /// clock is known.
    var order: Int64
    var line: LogLine
    var arrived: Instant
  }

  /// A line of one node, or the same of several.
  struct Folded: Sendable {
    /// The nodes' numbers, that of the first one first.
    var sources: [Int]
    var first: Line
  }

  private struct Waiting: Sendable {
    var line: Line
    /// Tells most lines that differ apart, without a look at their text.
    var hash: Int
    /// Went out with another node's.
    var isGone = false
  }

  private struct Source: Sendable {
    var waiting: [Waiting] = []
    /// What stands before it has gone out.
    var head = 0
    /// It has sent all that it has: nothing older can come.
    var isCaughtUp = false
    var hasEnded = false

    var first: Line? { head < waiting.count ? waiting[head].line : nil }

    mutating func removeGone() {
      while head < waiting.count, waiting[head].isGone { head += 1 }
      // In large steps, so that each line is moved once at the most.
      if head > 1_024, head * 2 > waiting.count {
        waiting.removeFirst(head)
        head = 0
      }
    }
  }

  /// How long a line waits for older ones of nodes that have nothing at present, milliseconds.
  static let windowMilliseconds = 200
  /// How far apart identical lines of several nodes may be logged to be one, microseconds.
  static let foldMicroseconds: Int64 = 1_000_000
  /// Among how many of each other node's lines an identical one is looked for.
  private static let foldDepth = 64

  private var sources: [Source]
  private let folds: Bool

  /// Without `folds` identical lines of several nodes stay apart.
  init(count: Int, folds: Bool) {
    sources = (0..<count).map { _ in Source() }
    self.folds = folds
  }

  /// Takes lines of a node in. Until it is caught up nothing goes out that is later than its last.
  mutating func add(_ lines: [Line], from source: Int, isCaughtUp: Bool) {
    sources[source].waiting += lines.map { line in
      var hasher = Hasher()
      hasher.combine(line.line.message)
      hasher.combine(line.line.identifier)
      return Waiting(line: line, hash: hasher.finalize())
    }
    sources[source].isCaughtUp = isCaughtUp
  }

  mutating func end(_ source: Int) { sources[source].hasEnded = true }

  var hasEnded: Bool { sources.allSatisfy { $0.hasEnded && $0.first == nil } }

  /// When the next line may go out if nothing comes until then; nil if none waits.
  var due: Instant? {
    sources.compactMap(\.first).min { $0.order < $1.order }
      .map { $0.arrived.advanced(byMilliseconds: Self.windowMilliseconds) }
  }

  /// The next line that may go out; nil if there is none.
  mutating func next(at now: Instant) -> Folded? {
    var oldest: (source: Int, line: Line)?
    var isComplete = true
    var mayBeOlder = false
    for (index, source) in sources.enumerated() {
      if let first = source.first {
        if oldest.map({ first.order < $0.line.order }) ?? true { oldest = (index, first) }
      } else if !source.hasEnded {
        if source.isCaughtUp { mayBeOlder = true } else { isComplete = false }
      }
    }
    guard isComplete, let (index, line) = oldest else { return nil }
    if mayBeOlder, now < line.arrived.advanced(byMilliseconds: Self.windowMilliseconds) {
      return nil
    }
    let hash = sources[index].waiting[sources[index].head].hash
    sources[index].head += 1
    sources[index].removeGone()
    var folded = Folded(sources: [index], first: line)
    if folds { fold(&folded, hash) }
    return folded
  }

  private mutating func fold(_ folded: inout Folded, _ hash: Int) {
    let (line, latest) = (folded.first.line, folded.first.order &+ Self.foldMicroseconds)
    for index in sources.indices where index != folded.sources[0] {
      let head = sources[index].head
      let end = min(head + Self.foldDepth, sources[index].waiting.count)
      for position in head..<end {
        let waiting = sources[index].waiting[position]
        if waiting.line.order > latest { break }
        guard waiting.hash == hash, !waiting.isGone, waiting.line.line.message == line.message,
          waiting.line.line.identifier == line.identifier
        else { continue }
        sources[index].waiting[position].isGone = true
        sources[index].removeGone()
        folded.sources.append(index)
        break
      }
    }
  }
}
