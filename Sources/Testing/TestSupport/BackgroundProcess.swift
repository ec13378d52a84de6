// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Linux
package import Model
internal import Threads

/// A child process beside the test, whose lines can be waited for, each with its time.
package final class BackgroundProcess: Sendable {
  /// A line of standard output.
  package struct Line: Sendable {
    package var text: String
    /// When its end was read.
    package var arrived: Instant
  }

  private struct State {
    var process: Int32?
    var partial: [UInt8] = []
    var lines: [Line] = []
    var result: Result<Subprocess.Outcome, Errno>?

    mutating func take(_ bytes: ArraySlice<UInt8>, at now: Instant) {
      partial += bytes
      while let end = partial.firstIndex(of: UInt8(ascii: "\n")) {
        lines.append(Line(text: String(decoding: partial[..<end], as: UTF8.self), arrived: now))
        partial.removeSubrange(...end)
      }
    }
  }

  private let state = Lock(State())

  /// Starts it like ``Subprocess/run(_:_:environment:input:until:started:output:)``, on a thread of
  /// its own; at the deadline it is killed with its group.
  package init(
    _ path: String, _ arguments: [String] = [], environment: [String: String]? = nil,
    input: String = "", until deadline: Instant
  ) throws(Errno) {
    try Thread.start("background") { [state] in
      let result = Result { () throws(Errno) in
        try Subprocess.run(
          path, arguments, environment: environment, input: input, until: deadline,
          started: { process in state.update { $0.process = process } },
          output: { bytes in
            let now = Clock.now()
            state.update { $0.take(bytes, at: now) }
          })
      }
      state.update {
        $0.result = result
        $0.process = nil
      }
    }
  }

  package var lines: [Line] { state.withLock { $0.lines } }

  /// Blocks until `condition` holds for the lines so far (true), or the process has ended or the
  /// deadline has come (false). `condition` is asked again for each line, and must be short.
  package func wait(until deadline: Instant, for condition: ([Line]) -> Bool) -> Bool {
    state.wait(until: deadline) { state -> Bool? in
      if condition(state.lines) { return true }
      return state.result == nil ? nil : false
    } ?? false
  }

  /// Blocks until the process has ended, at its own deadline at the latest.
  package func outcome() throws(Errno) -> Subprocess.Outcome {
    guard let result = state.wait(until: nil, { $0.result }) else {
      preconditionFailure("a wait without a deadline ends with a result")
    }
    return try result.get()
  }

  /// Sends a signal to the process and its group, if it runs.
  package func signal(_ number: Int32) {
    if let process = state.wait(until: nil, { $0.process ?? ($0.result == nil ? nil : 0) }),
      process > 0
    {
      kill(-process, number)
    }
  }
}
