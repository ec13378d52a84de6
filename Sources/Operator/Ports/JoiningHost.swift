// SPDX-License-Identifier: Apache-2.0
package import Model

/// The host that becomes a node or a witness by `keyturn join`.
package protocol JoiningHost: Sendable {
  /// Puts a file in place in one durable step, whatever is there, with this mode; directories that are missing are made:
  /// 0700 for one that holds keys (`credentials`), else 0755. May block on the disk.
  func put(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(Refusal)
  /// Starts the agent's unit now and at each boot; one that runs is started again. Refused if the unit is not installed
  /// or does not start. Blocks until it has started.
  func startAgent() throws(Refusal)
  /// Why no connection can be made from here; nil if one can. Blocks until the deadline at the longest.
  func obstacle(connecting place: HostPort, deadline: Instant) -> String?
}
