// SPDX-License-Identifier: Apache-2.0

/// What becomes of the key of a cluster that was encrypted before Keyturn came, while no member is
/// sealed. Pure.
///
/// One member seals, the one of the lowest name, and only when every member runs READY with the same
/// key; the others take it from there. Which key is right where they differ, nobody can know.
package enum Adoption: Sendable, Hashable {
  /// No member that could be asked runs with a key.
  case nothing
  /// Sealed as soon as these are mended or over; for people.
  case waiting(String)
  /// The servers run with different keys.
  case refused(SealProblem)
  /// This member seals now.
  case seal(Seal)
  /// That member seals now.
  case expected(from: String)

  /// Judges.
  ///
  /// - Parameters:
  ///   - own: what the member would tell the others.
  ///   - peers: every other member.
  ///   - cluster: the cluster.
  ///   - realtimeMicroseconds: now, microseconds since 1970-01-01 UTC.
  package init(
    own: SealView, peers: [PeerSeal], cluster: String, realtimeMicroseconds: Int64
  ) {
    let views = ([own] + peers.compactMap(\.view)).sorted { $0.node < $1.node }
    var keys: [(key: KeyIdentity, nodes: [String])] = []
    for view in views {
      guard let key = view.runningKey else { continue }
      if let index = keys.firstIndex(where: { $0.key == key }) {
        keys[index].nodes.append(view.node)
      } else {
        keys.append((key, [view.node]))
      }
    }
    var reasons = views.compactMap { view in
      view.keyProblem.map {
        "what key the server of \(view.node) runs with is not known (\($0): see that the key in it is the right one, then keyturn restart)"
      }
    }
    guard let (key, nodes) = keys.first else {
      self = reasons.isEmpty ? .nothing : .waiting(reasons.joined(separator: ", "))
      return
    }
    if keys.count > 1 {
      let all = keys.map { "\($0.nodes.joined(separator: ", ")): \($0.key.text)" }
      self = .refused(
        SealProblem(
          kind: .keys,
          message:
            "the servers run with different keys (\(all.joined(separator: "; "))), so none is sealed and no rollout is possible until they agree: docs/use/seal.md, \"The seal\""
        ))
      return
    }
    for view in views where view.keyProblem == nil {
      if view.problem != nil {
        reasons.append("the record of \(view.node) is damaged or missing")
      } else if view.members != own.members {
        reasons.append("the inventory of \(view.node) has other nodes")
      } else if view.isInRollout {
        reasons.append("\(view.node) is in a rollout")
      } else if !view.isServing {
        reasons.append("the server of \(view.node) is not READY")
      } else if view.runningKey == nil {
        reasons.append("the server of \(view.node) runs without a key")
      }
    }
    for case .silent(let node, let reason) in peers {
      reasons.append("\(node) does not answer (\(reason))")
    }
    let lifted = views.compactMap(\.lifted)
    if lifted.contains(where: { $0 != lifted[0] }) {
      reasons.append("the seals that were lifted are not the same on all members")
    }
    if !reasons.isEmpty {
      self = .waiting(
        "key \(key.text) runs on \(nodes.joined(separator: ", ")) and is not sealed yet: "
          + reasons.joined(separator: ", "))
      return
    }
    guard let first = views.first, first.node == own.node else {
      self = .expected(from: views[0].node)
      return
    }
    self = .seal(
      Seal(
        cluster: cluster, keyName: key.name, enclave: key.enclave, rollout: Seal.adopted,
        sealedAtMicroseconds: realtimeMicroseconds, previous: lifted.first))
  }
}
