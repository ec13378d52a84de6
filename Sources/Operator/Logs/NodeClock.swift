// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Threads

/// How far a node's wall clock is from this host's.
enum NodeClock {
  private static let readings = 3

  /// What to add to the node's times to have this host's, microseconds: of some readings the one
  /// that took the shortest. 0 from an agent that does not tell, or does not answer. Blocks.
  static func correction(_ link: any AgentLink) -> Int64 {
    // Asks for no line: an answer with logs has the clock.
    let query = LogsQuery(start: .last(0), limit: 0, waitMilliseconds: 0)
    var best: (took: Int64, correction: Int64)?
    for _ in 0..<readings {
      let asked = Clock.realtimeMicroseconds()
      guard
        let answer = try? link.call(
          .logs(query), lane: .control,
          deadline: .inMilliseconds(CommandContext.answerMilliseconds)),
        let reading = answer.realtimeMicroseconds
      else { break }
      let answered = Clock.realtimeMicroseconds()
      if best.map({ answered - asked < $0.took }) ?? true {
        best = (answered - asked, correction(asked: asked, answered: answered, reading))
      }
    }
    return best?.correction ?? 0
  }

  /// A difference within what the way there and back took may be none: then the clocks, kept by NTP,
  /// are better than the estimate.
  static func correction(asked: Int64, answered: Int64, _ reading: Int64) -> Int64 {
    let difference = (asked &+ answered) / 2 &- reading
    // Rounded up, since the middle was rounded down.
    let most = UInt64(max(0, answered - asked) + 1) / 2
    return difference.magnitude <= most ? 0 : difference
  }
}
