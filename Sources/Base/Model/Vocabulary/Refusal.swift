// SPDX-License-Identifier: Apache-2.0

/// Why a member or the coordinator says no.
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
