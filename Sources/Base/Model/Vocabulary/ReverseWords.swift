// SPDX-License-Identifier: Apache-2.0

/// The ports of a node that a Key Manager host must reach.
package enum ReversePort: String, Sendable, Codable, Hashable, CaseIterable {
  case agent
  /// The MinIO server's.
  case server
}

/// How the attempt to reach one address of a node ended.
package enum ReverseOutcome: String, Sendable, Codable, Hashable, CaseIterable {
  /// It answered as it must; an agent has proved to be the one that asked.
  case reached
  /// The connection was refused.
  case refused
  /// The deadline came before a connection.
  case timedOut
  /// It took the connection and gave no whole answer before the deadline.
  case noAnswer
  /// The network knows no way there.
  case noRoute
  /// The name has no address there.
  case noAddress
  /// Somebody else answered.
  case anotherHost
  case failed

  /// For people.
  package var title: String {
    switch self {
    case .timedOut: "timed out"
    case .noRoute: "no route"
    case .noAddress: "no address"
    case .anotherHost: "another host"
    case .reached, .refused, .noAnswer, .failed: rawValue
    }
  }
}

/// Why nothing is known of a reverse path.
package enum ReverseUnverified: String, Sendable, Codable, Hashable, CaseIterable {
  /// There is no witness: nothing is amiss, and nothing is known.
  case noWitness
  /// The Key Manager is not in the inventory.
  case notInInventory
  /// The witness gave no answer.
  case silent
  /// The node's own server does not run, so that it cannot be reached from anywhere.
  case serverDown
}
