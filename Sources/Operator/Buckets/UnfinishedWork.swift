// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Threads

/// What a signal that ends a command leaves unfinished on an S3 server. Safe from any thread: the
/// command says what it does, and the signal's thread reads it.
final class UnfinishedWork: Sendable {
  private struct State {
    var isInterrupted = false
    var done: [String] = []
    /// What the request that is under way may have done: `the key K may have been created`.
    var change: String?
    /// Objects that may be there, in the order of their writing.
    var objects: [String] = []
    var isProving = false
  }
  private let state = Lock(State())

  var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

  /// Runs `body`, a change of which it is not known while it runs whether it has happened.
  func during<Result, Failure: Error>(
    _ change: String, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    state.update { $0.change = change }
    defer { state.update { $0.change = nil } }
    return try body()
  }

  func finished(_ step: String) { state.update { $0.done.append(step) } }

  /// An object of a proof is about to be written.
  func writes(_ object: LeftObject) {
    state.update {
      $0.objects.append(object.place)
      $0.isProving = true
    }
  }

  /// The proof with the object is over; it may be there only if it `isLeft`.
  func ends(_ object: LeftObject, isLeft: Bool) {
    state.update { state in
      state.isProving = false
      if !isLeft { state.objects.removeAll { $0 == object.place } }
    }
  }

  /// Takes the first signal: what goes on, one sentence.
  func interrupt() -> String {
    state.update { state in
      state.isInterrupted = true
      if state.isProving, let object = state.objects.last {
        return
          "interrupted: removing \(object); a second Ctrl-C ends this at once and leaves it there"
      }
      return
        "interrupted: this ends when the server has answered what it was asked last (\(Limits.s3Milliseconds / 1_000) s at the most); a second Ctrl-C ends it at once"
    }
  }

  /// What the second signal leaves, one sentence.
  var lastWords: String {
    state.withLock { state in
      var parts: [String] = []
      if !state.done.isEmpty {
        parts.append("done before that: \(state.done.joined(separator: "; "))")
      }
      if let change = state.change { parts.append(change) }
      if !state.objects.isEmpty {
        parts.append(
          "still there, or may be: \(state.objects.joined(separator: ", ")); nobody else removes them"
        )
      }
      return "interrupted: \(parts.isEmpty ? "nothing was changed" : parts.joined(separator: "; "))"
    }
  }
}

extension CommandContext {
  /// Runs `body`, which a first signal has end in order; the second one ends the process.
  func handled<Result, Failure: Error>(
    _ unfinished: UnfinishedWork, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let console = console
    return try interruption.handled(
      // On the signal's thread: one write of one line.
      by: { console.message(.warning, unfinished.interrupt()) },
      lastWords: { unfinished.lastWords }, body)
  }
}
