// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model
internal import Rollout

/// The identity at the Key Manager that no node uses any more once every start is confirmed, and whether the files from
/// before would still do with it.
struct RetiredIdentity: Sendable, Hashable {
  /// `h1:` and base64url.
  var identity: String
  /// The one that all nodes use from now on.
  var successor: String?
  /// The enclave that it is removed from; nil if that is not known.
  var enclave: String?
  /// Whether a rollback to the files from before would find its key.
  var rollback = Rollback.notKnown

  enum Rollback: Sendable, Hashable {
    case notKnown
    /// Asked once more, every node had the key proofs opened with it.
    case possible
    /// What the nodes said.
    case refused(String)
  }

  /// - Parameter plan: the one that the rollout was made of; nil if no identity goes out of use by it.
  init?(_ plan: ClusterPlan) {
    guard let identity = plan.retiredIdentity else { return nil }
    self.identity = identity
    successor = plan.rows.lazy.compactMap { $0.answer?.identities?.wanted }.first
    enclave = plan.rows.lazy.compactMap { $0.answer?.key?.enclave }.first { !$0.isEmpty }
  }

  /// - Parameter plan: what every node makes of going back; nil if they could not be asked.
  mutating func learn(from plan: ClusterPlan?) {
    guard let plan else { return }
    let refused = plan.refusals.compactMap { name, refusal in
      refusal.flatMap { Self.isOfKey($0.code) ? (name: name, value: $0.message) : nil }
    }
    let isProven = plan.rows.allSatisfy { row in
      row.answer?.findings.allSatisfy { $0.rule != KeyProofs.missingRule } ?? false
    }
    if !refused.isEmpty {
      rollback = .refused(NodeNames.lines(refused).joined(separator: "; "))
    } else if isProven, plan.refusals.allSatisfy({ $0.refusal == nil }) {
      rollback = .possible
    }
  }

  private static func isOfKey(_ code: RefusalCode) -> Bool {
    code == .keyManager || code == .guarded
  }

  /// For programs.
  var fields: JSONObject {
    let isPossible: Bool? =
      switch rollback {
      case .notKnown: nil
      case .possible: true
      case .refused: false
      }
    return [
      "oldIdentity": identity, "newIdentity": successor, "rollbackPossible": isPossible,
    ]
  }

  /// What is to be known of it.
  var text: String {
    let unused = "identity \(identity) is used by no node any more"
    return switch rollback {
    case .notKnown: "\(unused); whether a rollback to it is possible is not known"
    case .possible:
      "\(unused); asked once more it still opens the key, and `keyturn rollback` goes back to it until it is removed"
    case .refused(let why): "\(unused), and a rollback to it is refused: \(why)"
    }
  }

  /// What removes it at the Key Manager.
  var removal: String {
    "minkms rm-identity \(identity)" + (enclave.map { " --enclave \($0)" } ?? "")
  }
}
