// SPDX-License-Identifier: Apache-2.0
package import Crypto
internal import Model

/// What the start guard leaves of a start that it let pass: that it ran, and what it judged. A record, root's alone,
/// in a directory of its own, under the start's invocation, which nobody knows beforehand.
package struct GuardEvidence: Sendable, Codable, Hashable {
  /// Where the records are. On a tmpfs: a start does not outlive the boot that it was made in.
  package static let directory = "/run/keyturn-guard"
  /// So many are kept.
  package static let limit = 32

  /// The start, as systemd counts them: 32 hexadecimal digits.
  package var invocation: String
  /// The key that the start would have; nil if none.
  package var key: KeyIdentity?
  /// The file of MINIO_CONFIG_ENV_FILE that was read; nil if there was none.
  package var config: String?
  /// Of what it said; nil if nothing was read.
  package var configDigest: Digest?
  /// The seal that the key was compared with; nil where nothing was sealed.
  package var seal: Digest?
  /// When, microseconds since 1970.
  package var realtimeMicroseconds: Int64

  package init(
    invocation: String, key: KeyIdentity?, config: String? = nil, configDigest: Digest? = nil,
    seal: Digest? = nil, realtimeMicroseconds: Int64
  ) {
    self.invocation = invocation
    self.key = key
    self.config = config
    self.configDigest = configDigest
    self.seal = seal
    self.realtimeMicroseconds = realtimeMicroseconds
  }

  /// The record of a start; nil if this is no invocation of systemd's. What is in the environment may be anything, a
  /// path among it.
  package static func path(of invocation: String) -> String? {
    invocation.isHex(digits: 32) ? "\(directory)/\(invocation)" : nil
  }
}
