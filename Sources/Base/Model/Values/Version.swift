// SPDX-License-Identifier: Apache-2.0

/// The version of Keyturn, of both programs.
package enum Version {
  /// MAJOR.MINOR.PATCH (semver.org).
  package static let text = "0.1.0"

  /// What `--version` prints: the program, its version, and the commit that it was built from, if
  /// that is known.
  package static func line(of program: String, commit: String) -> String {
    "\(program) \(text)\(commit.isEmpty ? "" : " (\(commit))")"
  }
}
