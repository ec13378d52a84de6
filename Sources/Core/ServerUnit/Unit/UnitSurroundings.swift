// SPDX-License-Identifier: Apache-2.0

extension UnitDoctor {
  /// What is known beside the unit itself.
  package struct Surroundings: Sendable {
    /// A file under the certificates' directory that the service's user cannot read.
    package struct Unreadable: Sendable, Hashable {
      package var path: String
      /// Whether it is one of the further authorities, which the server passes over in silence.
      package var isAuthority: Bool
      package var why: String

      package init(path: String, isAuthority: Bool, why: String) {
        self.path = path
        self.isAuthority = isAuthority
        self.why = why
      }
    }

    /// A job of the unit is then the rollout's own, and so is a server that is down.
    package var isInRollout: Bool
    /// How long a rollout gives the server to stop and to start.
    package var stopSeconds: Int
    package var startSeconds: Int
    /// The environment that is in force in the unit's process; nil if that is not known.
    package var environment: [String: String]?
    /// The part that systemd gives it, before the server reads a file itself; nil if that is all.
    package var atStart: [String: String]?
    /// The release that the running server's banner names; nil if that is not known.
    package var release: ServerRelease?
    package var unreadable: [Unreadable]

    package init(
      isInRollout: Bool, stopSeconds: Int, startSeconds: Int, environment: [String: String]? = nil,
      atStart: [String: String]? = nil, release: ServerRelease? = nil, unreadable: [Unreadable] = []
    ) {
      self.isInRollout = isInRollout
      self.stopSeconds = stopSeconds
      self.startSeconds = startSeconds
      self.environment = environment
      self.atStart = atStart
      self.release = release
      self.unreadable = unreadable
    }
  }
}
