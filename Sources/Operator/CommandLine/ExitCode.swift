// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout

/// What `keyturn` exits with. 4 to 8: nothing was touched anywhere.
package enum ExitCode: Int32, Sendable, CaseIterable {
  case done = 0
  case failed = 1
  case changesPending = 2
  case unknown = 3
  case unreachable = 4
  case validationRefused = 5
  case guardRefused = 6
  case keyManagerRefused = 7
  case voteRefused = 8
  case notConfirmed = 9
  case rolledBack = 10
  case rolledBackUnhealthy = 11
  case startRefused = 12
  /// EX_USAGE of sysexits.h.
  case usage = 64
  /// EX_TEMPFAIL of sysexits.h.
  case busy = 75
  /// EX_NOPERM of sysexits.h.
  case notPermitted = 77
  /// EX_CONFIG of sysexits.h.
  case badConfiguration = 78

  package var meaning: String {
    switch self {
    case .done: "done, or nothing to do"
    case .failed: "failed"
    case .changesPending: "changes pending (only plan --detailed-exitcode and propose --check)"
    case .unknown: "some node's state is unknown"
    case .unreachable: "a node or server is unreachable, nothing touched"
    case .validationRefused: "validation refused, nothing touched"
    case .guardRefused: "the key guard refused, nothing touched"
    case .keyManagerRefused: "Key Manager preflight refused, nothing touched"
    case .voteRefused: "another vote or a clock refused, nothing touched"
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
  /// For a command that touched nothing for this reason.
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

  /// For a rollback that was committed.
  init(rollback ending: RolloutEnding) {
    self = ending == .confirmed ? .rolledBack : .rolledBackUnhealthy
  }

  var word: String { "\(self)" }
}

extension ExitCode {
  /// Nothing was touched, for another reason than `busy`.
  static let untouched: [ExitCode] = [
    .unreachable, .validationRefused, .guardRefused, .keyManagerRefused, .voteRefused,
  ]
  /// Of every command that asks agents.
  static let ownFault: [ExitCode] = [.notPermitted, .badConfiguration]
}
