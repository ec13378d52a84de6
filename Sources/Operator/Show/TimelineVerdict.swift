// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout

/// What a rollout came to, for the head of its page. Pure.
struct TimelineVerdict: Sendable {
  /// `good`, `bad` or `doubtful`.
  let tone: String
  let headline: String
  /// What each node that was not confirmed failed with, cause and remedy included.
  let causes: [String]
  let steps: [String]

  private static let toldLimit = 4

  init(axis: TimelineAxis) {
    let kinds = axis.rows.map { $0.outcome?.kind ?? .unknown }
    let counts = Ending.counts(
      of: kinds, of: axis.head?.withoutRestart == true ? "nodes" : "starts")
    let isConfirmed = !kinds.isEmpty && kinds.allSatisfy { $0 == .confirmed }
    let bad = axis.rows.filter { [.failed, .timedOut].contains($0.outcome?.kind) }
    let told = axis.result
    if isConfirmed {
      (tone, headline) = ("good", "Confirmed: \(counts)")
    } else if kinds.allSatisfy({ $0 == .aborted }) {
      (tone, headline) = ("doubtful", "Aborted: nothing was touched")
    } else if told?.kind == .rollingBack {
      (tone, headline) = (
        "bad", "Rolled back by \(told?.rollback ?? "another"): the change is NOT in force"
      )
    } else if !bad.isEmpty {
      (tone, headline) = ("bad", "\(counts)\(told?.kind == .held ? "; the new files stay" : "")")
    } else {
      (tone, headline) = ("doubtful", "Not all outcomes are known: \(counts)")
    }
    let reasons = axis.rows.compactMap { row -> (name: String, value: String)? in
      guard !isConfirmed, let outcome = row.outcome, outcome.kind != .confirmed,
        !outcome.isBrokenOff
      else { return nil }
      return (row.node, Ending.clean(outcome.reason))
    }
    let held = told?.kind == .held ? ["not rolled back: \(Ending.clean(told?.reason ?? ""))"] : []
    causes = Array(NodeNames.lines(reasons).prefix(Self.toldLimit)) + (isConfirmed ? [] : held)
    var steps: [String] = []
    if !bad.isEmpty {
      steps.append("keyturn logs --rollout \(axis.id) --errors")
      if told?.kind == .held, let first = bad.first {
        steps.append("keyturn confirm \(first.node)")
      } else if told?.kind == .rollingBack {
        steps += [told?.rollback.map { "keyturn show \($0)" }].compactMap(\.self)
        steps.append("keyturn apply --settings FILE, once the cause is fixed")
      }
    } else if tone == "doubtful", kinds.contains(.unknown) {
      steps.append("keyturn watch \(axis.id)")
    }
    self.steps = steps
  }
}

extension TimelineAxis.Row {
  /// From the stop of the old server until the new one served, nanoseconds; nil unless both are known.
  var outage: Int64? {
    guard let stop = time(of: .stop), let served = served, served >= stop else { return nil }
    return served - stop
  }

  /// Since when it has taken writes, or was READY where it does not tell.
  fileprivate var served: Int64? { time(of: .writes) ?? time(of: .ready) }
}

extension TimelineAxis {
  /// From the first stop until the last server served; nil unless that is known of all.
  var outage: Int64? {
    let stops = rows.compactMap { $0.time(of: .stop) }
    let served = rows.compactMap(\.served)
    guard stops.count == rows.count, served.count == rows.count, let first = stops.min(),
      let last = served.max(), last >= first
    else { return nil }
    return last - first
  }
}
