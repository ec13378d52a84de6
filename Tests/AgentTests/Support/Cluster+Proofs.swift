// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import TestSupport
import Testing
import Threads

extension Cluster {
  /// Three nodes with the sealed key in force.
  static func sealed(_ count: Int = 3) throws -> Cluster {
    let cluster = Cluster([String](repeating: plainFile, count: count))
    let outcomes = try cluster.apply(enabling).outcomes
    try #require(outcomes == [OutcomeKind?](repeating: .confirmed, count: count))
    return cluster
  }

  /// Each agent looks at its Key Managers, in turn.
  func lookAtLinks(_ indices: [Int]? = nil) {
    for index in indices ?? Array(nodes.indices) { nodes[index].agent.links.look() }
  }

  var proofs: [KeyProofs] { nodes.map { $0.agent.proofs.own } }
  /// How often each node had one made.
  var made: [Int] { nodes.map { $0.host.state.withLock { $0.proofsMade } } }

  /// All Key Managers have another key of the same name.
  func exchangeKey(_ key: SimulatedKey = SimulatedKey(bytes: 2)) {
    for node in nodes { node.host.state.update { $0.key = key } }
  }
}
