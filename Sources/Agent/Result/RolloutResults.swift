// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

/// How a rollout ended here, and its result; the last few are kept for those who watch.
struct KeptResult: Sendable, Codable, Hashable {
  var rollout: String
  var outcome: Outcome?
  /// Nil until a coordinator or a member has reported it.
  var rolloutResult: RolloutResult?
}

/// The results of the last rollouts, and the rollout whose result is still open here.
final class RolloutResults: Sendable {
  /// The committed rollout whose outcomes are being collected, and by whom it was created.
  struct Open: Sendable {
    var rollout: String
    var createdBy: String
    var inputs: Mailbox<CollectorInput>
  }

  struct State {
    fileprivate(set) var results: [KeptResult]
    /// Whether the record could not be written last.
    fileprivate(set) var isUnwritten = false
    fileprivate(set) var open: Open?
  }

  fileprivate static let keptResults = 8

  let state: Lock<State>
  private let site: Site
  /// One write at a time, and of two the later one is the later state.
  private let writing = Lock(Turn())

  init(_ site: Site, _ results: [KeptResult]) {
    self.site = site
    state = Lock(State(results: results))
  }

  /// How a rollout ended here, and its result; nil if that was too long ago.
  func kept(_ id: String) -> KeptResult? {
    state.withLock { $0.results.first { $0.rollout == id } }
  }

  /// All results that are known.
  var all: [RolloutResult] { state.withLock { $0.results.compactMap(\.rolloutResult) } }

  /// Whether the result of a rollout is still to come, as far as this member alone can know.
  func isOpen(_ id: String) -> Bool { state.withLock { $0.open?.rollout == id } }

  // MARK: results

  /// Notes how a rollout ended here.
  func note(_ id: String, _ outcome: Outcome) {
    state.update { $0.note(id) { $0.outcome = outcome } }
    keep()
  }

  /// Notes a result that follows from what this member has seen.
  func note(_ result: RolloutResult) {
    state.update { $0.note(result.rollout) { $0.rolloutResult = result } }
    keep()
  }

  /// Takes a result that was reported.
  ///
  /// - Parameter own: how the rollout ended here; nil if only the kept result may say it.
  /// - Returns: why it is not taken; nil if it is.
  func take(_ result: RolloutResult, own: Outcome?) -> String? {
    // Looked at and taken at once: of two first results one is the second.
    let refusal = state.update { state -> String? in
      let entry = state.results.first { $0.rollout == result.rollout }
      if let why = result.refusal(after: entry?.rolloutResult, own: own ?? entry?.outcome) {
        return why
      }
      state.note(result.rollout) { $0.rolloutResult = result }
      return nil
    }
    if let refusal {
      site.log(
        .warning,
        "rollout \(result.rollout): \(result.by) says that it is \(result.kind.rawValue), which is not taken: \(refusal)"
      )
    } else {
      keep()
    }
    return refusal
  }

  /// Writes the record if anything has changed since that was done. Blocks on the disk.
  func write() throws(Refusal) {
    guard state.withLock({ $0.isUnwritten }) else { return }
    try writing.withLock { _ throws(Refusal) in
      let results = state.withLock { $0.results }
      try site.records.results.save(results)
      state.update { if $0.results == results { $0.isUnwritten = false } }
    }
  }

  private func keep() { site.attempt(.warning) { () throws(Refusal) in try write() } }

  // MARK: the open one

  /// The outcomes of a rollout are collected from now on, in place of an earlier one's.
  func open(_ open: Open) {
    let earlier = state.update { state in
      defer { state.open = open }
      return state.open?.inputs
    }
    earlier?.close()
  }

  /// Where what is heard of a rollout goes; nil if its outcomes are not being collected.
  func inputs(_ id: String, createdBy author: String? = nil) -> Mailbox<CollectorInput>? {
    state.withLock { state in
      guard let open = state.open, open.rollout == id, author.map({ $0 == open.createdBy }) ?? true
      else { return nil }
      return open.inputs
    }
  }

  func close(_ id: String) {
    state.update { if $0.open?.rollout == id { $0.open = nil } }
  }
}

extension RolloutResults.State {
  /// Changes what is known of how a rollout ended.
  fileprivate mutating func note(_ id: String, _ change: (inout KeptResult) -> Void) {
    let before = results.first { $0.rollout == id }
    var entry = before ?? KeptResult(rollout: id, outcome: nil, rolloutResult: nil)
    change(&entry)
    if entry == before { return }
    results.removeAll { $0.rollout == id }
    results = (results + [entry]).suffix(RolloutResults.keptResults)
    isUnwritten = true
  }
}
