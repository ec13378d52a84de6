// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout

/// What `keyturn` exits with. 4 to 8: nothing was touched anywhere.
package enum ExitCode: Int32, Sendable, CaseIterable {
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

extension ExitCode {
  /// What to exit with when this is the reason that nothing was touched.
  package init(_ refusal: RefusalCode) {
    self =
      switch refusal {
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

  package init(_ ending: RolloutEnding) {
    self =
      switch ending {
      case .aborted(let refusal): ExitCode(refusal.code)
      case .confirmed: .done
      case .notConfirmed: .notConfirmed
      case .outcomesUnknown, .undecided: .unknown
      }
  }

  /// What to exit with after a rollback that was committed.
  init(rollback ending: RolloutEnding) {
    self = ending == .confirmed ? .rolledBack : .rolledBackUnhealthy
  }

  /// One word for programs.
  var word: String { "\(self)" }
}

extension ExitCode {
  /// Why nothing was touched, busy aside.
  static let untouched: [ExitCode] = [
    .unreachable, .validationRefused, .guardRefused, .keyManagerRefused, .voteRefused,
  ]
  /// What every command can exit with that asks agents.
  static let ownFault: [ExitCode] = [.notPermitted, .badConfiguration]
}
