// SPDX-License-Identifier: Apache-2.0
internal import CSystemd
internal import Glibc
internal import Linux
package import Model

/// Why the service manager did not do what it was asked.
package struct BusFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// What kind of failure it is; callers branch on this, never on the message.
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    /// There is no connection to the bus, or it ended before the answer came: a request may have
    /// been carried out.
    case disconnected
    /// No answer came before the deadline: a request may have been, or may yet be, carried out.
    case timedOut
    /// The service manager knows no such unit.
    case noSuchUnit
    /// It does not allow it to us.
    case notPermitted
    /// It answered with another error.
    case refused
    /// Its answer is not of the form that is documented (org.freedesktop.systemd1(5)).
    case malformed
    /// Too many requests are waiting already.
    case busy
  }

  package var kind: Kind
  /// Whole sentences for a person.
  package var message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }

  /// As a member's no.
  package var refusal: Refusal { Refusal(.unit, message) }

  /// What a libsystemd function returned: a negative error number.
  init(_ attempt: String, code: Int32) {
    let (kind, advice): (Kind, String) =
      switch -code {
      case ETIMEDOUT: (.timedOut, "check that systemd answers (systemctl status)")
      case EPERM, EACCES: (.notPermitted, "Keyturn's agent must run as root")
      case ENXIO, EBADMSG, EINVAL: (.malformed, "this systemd may be too old or too new")
      default: (.disconnected, "check that the system bus and systemd run (busctl list)")
      }
    self.init(kind, "\(attempt): \(Errno.text(-code)); \(advice).")
  }

  /// An error that came as the answer.
  init(_ attempt: String, name: String, text: String) {
    let (kind, advice): (Kind, String) =
      switch name {
      case "org.freedesktop.systemd1.NoSuchUnit":
        (.noSuchUnit, "check the unit's name in the inventory")
      case "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
        (.notPermitted, "Keyturn's agent must run as root")
      case "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Timeout",
        "org.freedesktop.DBus.Error.TimedOut":
        (.timedOut, "check that systemd answers (systemctl status)")
      case "org.freedesktop.DBus.Error.Disconnected", "org.freedesktop.DBus.Error.NoServer",
        "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner":
        (.disconnected, "check that the system bus and systemd run (busctl list)")
      default: (.refused, "ask systemctl status for the unit's state")
      }
    var reason = text.isEmpty ? name : text
    if reason.hasSuffix(".") { reason.removeLast() }
    self.init(kind, "\(attempt): \(reason); \(advice).")
  }
}
