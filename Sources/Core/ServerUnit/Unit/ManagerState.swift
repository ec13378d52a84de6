// SPDX-License-Identifier: Apache-2.0

/// What systemd says of itself (`systemctl show`; org.freedesktop.systemd1).
///
/// `environment` may hold secrets that somebody set for all services: it is never shown as it is.
package struct ManagerState: Sendable, Hashable {
  /// Its version, as in `252.39-1~deb12u2`.
  package var version: String
  /// What every service gets, each `NAME=value`: `DefaultEnvironment=`, and what
  /// `systemctl set-environment` has added since.
  package var environment: [String]

  package init(version: String = "", environment: [String] = []) {
    self.version = version
    self.environment = environment
  }

  /// The number before the first dot; nil if there is none.
  package var majorVersion: Int? {
    Int(version.drop { $0 == "v" }.prefix { ("0"..."9").contains($0) })
  }
}
