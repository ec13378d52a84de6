// SPDX-License-Identifier: Apache-2.0

/// The version of Keyturn, of both programs.
package enum Version {
  /// MAJOR.MINOR.PATCH (semver.org).
  package static let text = "0.1.0"
}
