// SPDX-License-Identifier: Apache-2.0

/// Why a member or the coordinator says no.
///
/// When nodes refuse for different reasons, the first of these decides the exit code: first what
/// keeps the operator from seeing the rest, then the guard, then the rest in the order of the work.
package enum RefusalCode: String, Sendable, Codable, Hashable, CaseIterable {
  /// The member could not be reached or did not answer in time.
  case unreachable
  /// The caller's certificate does not allow it.
  case notPermitted
  /// The member's own configuration is bad.
  case configuration
  /// The key guard: a change of the sealed SSE key.
  case guarded
  /// The settings or the environment file are not valid.
  case validation
  /// The file cannot be replaced (symlink, mount point, immutable, disk full or read-only).
  case file
  /// The unit is not in a state in which a restart could succeed.
  case unit
  /// A Key Manager endpoint does not answer as it must.
  case keyManager
  /// Another vote: the file changed since the plan, the epoch is stale, the members differ.
  case vote
  /// The clock bound is exceeded.
  case clock
  /// Busy with another rollout.
  case busy
  /// Anything else; a bug or the machine itself.
  case failed
}

extension Sequence<RefusalCode> {
  /// The one that decides the exit code; nil if there is none.
  package var deciding: RefusalCode? {
    let codes = Set(self)
    return RefusalCode.allCases.first(where: codes.contains)
  }
}

/// A no with its reason. The message is whole sentences for a person and holds no secret.
package struct Refusal: Sendable, Codable, Hashable, Error, CustomStringConvertible {
  package var code: RefusalCode
  /// What was attempted, on what, what happened, what to do next.
  package var message: String

  package init(_ code: RefusalCode, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}
