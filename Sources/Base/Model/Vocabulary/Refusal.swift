// SPDX-License-Identifier: Apache-2.0

/// Why a member or the coordinator says no. Decides the exit code and nothing else.
package enum RefusalCode: String, Sendable, Codable, Hashable, CaseIterable {
  /// The settings or the environment file are not valid.
  case validation
  /// The key guard: a change of the sealed SSE key.
  case guarded
  /// A Key Manager endpoint does not answer as it must.
  case keyManager
  /// Another vote: the file changed since the plan, the epoch is stale, the members differ.
  case vote
  /// The clock bound is exceeded.
  case clock
  /// The unit is not in a state in which a restart could succeed.
  case unit
  /// The file cannot be replaced (symlink, mount point, immutable, disk full or read-only).
  case file
  /// Busy with another rollout.
  case busy
  /// The member could not be reached or did not answer in time.
  case unreachable
  /// The caller's certificate does not allow it.
  case notPermitted
  /// The member's own configuration is bad.
  case configuration
  /// Anything else; a bug or the machine itself.
  case failed

  /// The exit code of `keyturn` when this is the reason that nothing was touched.
  package var exitCode: ExitCode {
    switch self {
    case .validation, .file, .unit: .validationRefused
    case .guarded: .guardRefused
    case .keyManager: .keyManagerRefused
    case .vote, .clock: .voteRefused
    case .busy: .busy
    case .unreachable: .unreachable
    case .notPermitted: .notPermitted
    case .configuration: .badConfiguration
    case .failed: .failed
    }
  }
}

/// A no with its reason. The message is whole sentences for a person and holds no secret.
package struct Refusal: Sendable, Codable, Hashable, Error, CustomStringConvertible {
  /// What kind of no it is.
  package var code: RefusalCode
  /// What was attempted, on what, what happened, what to do next.
  package var message: String

  /// A no with its reason.
  package init(_ code: RefusalCode, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}

/// What `keyturn` exits with. 4 to 8: nothing was touched anywhere.
package enum ExitCode: Int32, Sendable, Codable, CaseIterable {
  /// Done, or nothing to do.
  case done = 0
  case failed = 1
  /// Changes are pending; only `plan --detailed-exitcode`.
  case changesPending = 2
  /// Some node's state is unknown.
  case unknown = 3
  /// A node is unreachable; nothing was touched.
  case unreachable = 4
  /// Validation refused; nothing was touched.
  case validationRefused = 5
  /// The key guard refused; nothing was touched.
  case guardRefused = 6
  /// The Key Manager preflight refused; nothing was touched.
  case keyManagerRefused = 7
  /// Another vote or the clock bound refused; nothing was touched.
  case voteRefused = 8
  /// Restarted, a start was not confirmed.
  case notConfirmed = 9
  /// Rolled back, and healthy.
  case rolledBack = 10
  /// Rolled back, and not healthy.
  case rolledBackUnhealthy = 11
  /// The start guard refused the start of a server (`guard`).
  case startRefused = 12
  /// The command line is wrong (EX_USAGE).
  case usage = 64
  /// Busy with another rollout, try again (EX_TEMPFAIL).
  case busy = 75
  /// Not permitted (EX_NOPERM).
  case notPermitted = 77
  /// Keyturn's own configuration is bad (EX_CONFIG).
  case badConfiguration = 78

  /// One line for the help text and the manual.
  package var meaning: String {
    switch self {
    case .done: "done, or nothing to do"
    case .failed: "failed"
    case .changesPending: "changes pending (only plan --detailed-exitcode)"
    case .unknown: "some node's state is unknown"
    case .unreachable: "a node is unreachable, nothing touched"
    case .validationRefused: "validation refused, nothing touched"
    case .guardRefused: "the key guard refused, nothing touched"
    case .keyManagerRefused: "Key Manager preflight refused, nothing touched"
    case .voteRefused: "another vote or the clock bound refused, nothing touched"
    case .notConfirmed: "restarted, start not confirmed"
    case .rolledBack: "rolled back and healthy"
    case .rolledBackUnhealthy: "rolled back and not healthy"
    case .startRefused: "the start guard refused the start (only guard)"
    case .usage: "usage"
    case .busy: "busy with another rollout"
    case .notPermitted: "not permitted"
    case .badConfiguration: "own configuration is bad"
    }
  }
}
