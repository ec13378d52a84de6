internal import Model
internal import Wire

/// Lines of several journals in one order. Pure.
///
/// Lines are held back for a moment, since one that is older may still be on its way from another
/// node.
struct LogMerge: Sendable {
  /// A line and where it is from.
  struct Line: Sendable, Hashable {
    var node: String
    /// When it was logged, microseconds since 1970-01-01 UTC of this host, as far as the node's
    /// clock is known.
    var order: Int64
    var line: LogLine
    /// When it came here.
    var arrived: Instant
  }

  /// How long a line is held back, milliseconds.
  static let windowMilliseconds = 200
  private var held: [Line] = []

  /// When the next lines are due; nil if none is held.
  var due: Instant? {
    held.map(\.arrived).min()?.advanced(byMilliseconds: Self.windowMilliseconds)
  }

  /// Takes lines in.
  mutating func add(_ lines: [Line]) { held += lines }

  /// The lines that have waited long enough, and all that are older than one of them, in their
  /// order.
  mutating func ready(at now: Instant) -> [Line] {
    let sorted = Self.sorted(held)
    let last = sorted.lastIndex {
      now >= $0.arrived.advanced(byMilliseconds: Self.windowMilliseconds)
    }
    guard let last else { return [] }
    held = Array(sorted[(last + 1)...])
    return Array(sorted[...last])
  }

  /// By time; lines of the same microsecond in the order in which they are given (Swift's sort is
  /// stable).
  static func sorted(_ lines: [Line]) -> [Line] { lines.sorted { $0.order < $1.order } }
}
