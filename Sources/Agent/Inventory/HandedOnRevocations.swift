// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Threads

/// Takes lists of revoked certificates that agents hand on. The CA has signed them, so it matters not who does.
final class HandedOnRevocations: Sendable {
  /// For each question, milliseconds.
  static let askMilliseconds = 2_000

  private let renewal: Renewal
  private let cluster: String
  /// Why the list of an agent was not taken, by the agent's name, until that has passed.
  private let told = Lock([String: String]())

  init(_ renewal: Renewal, cluster: String) {
    self.renewal = renewal
    self.cluster = cluster
  }

  /// The number of the list in use, 0 without one; nil where there are no certificates.
  var number: Int? { renewal.credentials.map { $0.revocations ?? 0 } }

  /// Takes what an agent has, if it is newer; nil is no newer one. May block on the disk.
  func take(_ list: SignedRevocations?, of node: String) {
    // Whoever says more than it has must not put another signature under what is in use.
    guard let list, list.claimedNumber.map({ $0 > number ?? 0 }) ?? true else {
      return told.update { $0[node] = nil }
    }
    do throws(Refusal) {
      _ = try renewal.revoke(list, by: Principal(cluster: cluster, role: .node, name: node))
      told.update { $0[node] = nil }
    } catch { tell(error.message, of: node) }
  }

  /// Once, as long as it is so: not with every look, and not of each agent that hands on the same list.
  private func tell(_ problem: String, of node: String) {
    let isNew = told.update { told in
      defer { told[node] = problem }
      return !told.values.contains(problem)
    }
    if isNew {
      renewal.log(
        .warning, "the list of revoked certificates of \(node) is not taken: \(problem)")
    }
  }

  /// Forgets what was told of others than these.
  func keep(_ nodes: [String]) {
    told.update { told in told = told.filter { nodes.contains($0.key) } }
  }
}
