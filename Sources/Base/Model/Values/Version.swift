// SPDX-License-Identifier: Apache-2.0
internal import FaultPoints

/// The version of Keyturn, of both programs.
package enum Version {
  /// MAJOR.MINOR.PATCH (semver.org).
  package static let text = "0.1.0"

  /// The versions of the rollout protocol that this one speaks: its own and the one before
  /// (docs/development/versions.md).
  package static let (oldestProtocol, newestProtocol) = Fault.protocols ?? (1, 1)

  /// What an agent calls itself: the version with the commit that it was built from as build metadata.
  ///
  /// - Parameter commit: as `--version` prints it, with a `+` where the work tree had changes; empty if not known.
  package static func build(of commit: String) -> String {
    if commit.isEmpty { return text }
    return "\(text)+\(commit.hasSuffix("+") ? "\(commit.dropLast()).changed" : commit)"
  }

  /// What `--version` prints: the program, its version, and the commit that it was built from, if
  /// that is known.
  package static func line(of program: String, commit: String) -> String {
    "\(program) \(text)\(commit.isEmpty ? "" : " (\(commit))")"
  }
}
