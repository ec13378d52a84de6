// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// The identity at the Key Manager that no node uses any more once every start is confirmed, and whether the files from
/// before would still do with it.
struct RetiredIdentity: Sendable, Hashable {
  /// `h1:` and base64url.
  var identity: String
  /// The enclave that it is removed from; nil if that is not known.
  var enclave: String?
  /// Whether the files from before would do.
  var rollback = Rollback.notAsked

  enum Rollback: Sendable, Hashable {
    case notAsked
    /// Asked once more, every node opened the key proofs with it.
    case possible
    /// What the nodes said.
    case refused(String)
  }

  /// - Parameter plan: the one that the rollout was made of; nil if no identity goes out of use by it.
  init?(_ plan: ClusterPlan) {
    guard let identity = plan.retiredIdentity else { return nil }
    self.identity = identity
    enclave = plan.rows.lazy.compactMap { $0.answer?.key?.enclave }.first { !$0.isEmpty }
  }

  /// - Parameter plan: what every node makes of going back.
  mutating func learn(from plan: ClusterPlan) {
    let refused = plan.refusals.compactMap { name, refusal in
      refusal.map { (name: name, value: $0.message) }
    }
    rollback =
      refused.isEmpty ? .possible : .refused(NodeNames.lines(refused).joined(separator: "; "))
  }

  /// What is to be known of it.
  var text: String {
    let unused = "identity \(identity) is used by no node any more"
    return switch rollback {
    case .notAsked: unused
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
