// SPDX-License-Identifier: Apache-2.0
package import Model

/// The host that becomes a node or a witness by `keyturn join`.
package protocol JoiningHost: Sendable {
  /// Why the agent cannot be started here; nil if its unit is installed.
  func agentObstacle() throws(Refusal) -> String?
  /// Whether a place is on this host; refused if its name cannot be looked up until the deadline.
  func isHere(_ place: HostPort, deadline: Instant) throws(Refusal) -> Bool
  /// Puts a file in place in one durable step, whatever is there, with this mode; directories that are missing are made:
  /// 0700 for one that holds keys (`credentials`), else 0755. May block on the disk.
  func put(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(Refusal)
  /// Writes one of the agent's records while it does not look; its directory is made (0700). May block on the disk.
  func putRecord(_ path: String, _ bytes: [UInt8]) throws(Refusal)
  /// Has systemd use a drop-in of Keyturn's for a unit, as it is installed and will be upgraded; the path where it now
  /// is, nil if the unit had one of that name, or none is installed. May block on the disk.
  func use(_ dropIn: DropIn, for unit: String) throws(Refusal) -> String?
  /// Starts the agent's unit now, again if it runs, and at each boot. Refused if it does not start. Blocks until it has
  /// started.
  func startAgent() throws(Refusal)
  /// Why no connection can be made from here; nil if one can. Blocks until the deadline at the longest.
  func obstacle(connecting place: HostPort, deadline: Instant) -> String?
}

/// What Keyturn adds to a unit, by the file's path below its directory of installed files.
package enum DropIn: String, Sendable {
  /// Of the server's: every start goes through the start guard.
  case startGuard = "keyturn-guard/10-keyturn.conf"
  /// Of the agent's, on a Key Manager's host.
  case witness = "keyturn-agent/witness.conf"

  package var name: String { String(rawValue.split(separator: "/")[1]) }
}
