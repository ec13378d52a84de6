// SPDX-License-Identifier: Apache-2.0
package import Model

/// The guard of MINIO_KMS_SSE_KEY. Pure; every path that would write a file or restart a server
/// asks it.
///
/// There is no argument, flag or state that makes it allow another key.
package enum KeyGuard {
  /// Where the key in force is known from.
  package enum Holder: Sendable, Hashable {
    /// Sealed by a confirmed start.
    case seal(Seal)
    /// In the environment of the running server; encrypted before Keyturn came.
    case running(keyName: String, enclave: String)

    var keyName: String {
      switch self {
      case .seal(let seal): seal.keyName
      case .running(let keyName, _): keyName
      }
    }
    var enclave: String {
      switch self {
      case .seal(let seal): seal.enclave
      case .running(_, let enclave): enclave
      }
    }
    var reason: String {
      switch self {
      case .seal(let seal):
        seal.isAdopted
          ? "sealed, since every server ran with it"
          : "sealed since rollout \(seal.rollout) confirmed a start with it"
      case .running:
        "in force in the running server"
      }
    }
  }

  /// Whether a file may be put in force.
  ///
  /// - Parameters:
  ///   - holder: the key in force; nil where none was ever confirmed, then everything is allowed.
  ///   - keys: every definition of MINIO_KMS_SSE_KEY that any reader would see in the new environment, in order.
  ///   - enclaves: every definition of MINIO_KMS_ENCLAVE likewise.
  /// - Returns: the refusal, or nil if the new environment has exactly the key in force.
  package static func refusal(holder: Holder?, keys: [String], enclaves: [String]) -> Refusal? {
    guard let holder else { return nil }
    let sealed = "MINIO_KMS_SSE_KEY \"\(holder.keyName)\" is \(holder.reason)"
    let advice =
      "data written with it cannot be read without it; keep it, or put it back where it was changed"
    if keys.isEmpty {
      return Refusal(.guarded, "\(sealed), and would be removed: \(advice)")
    }
    if keys.count > 1 {
      return Refusal(
        .guarded, "\(sealed), and would be defined \(keys.count) times: \(advice), once")
    }
    if keys[0].isEmpty { return Refusal(.guarded, "\(sealed), and would be emptied: \(advice)") }
    // By bytes: Swift takes canonically equivalent texts for equal, and to a Key Manager they are
    // two keys.
    if !keys[0].utf8.elementsEqual(holder.keyName.utf8) {
      return Refusal(
        .guarded, "\(sealed), and would become \(KeyIdentity.shown(keys[0])): \(advice)")
    }
    // A cluster may have been adopted without an enclave.
    if enclaves.count > 1 || !(enclaves.first ?? "").utf8.elementsEqual(holder.enclave.utf8) {
      let now =
        enclaves.isEmpty
        ? "be removed" : "become " + enclaves.map(KeyIdentity.shown).joined(separator: " and ")
      return Refusal(
        .guarded,
        "MINIO_KMS_ENCLAVE \"\(holder.enclave)\" holds the key \"\(holder.keyName)\", which is \(holder.reason), and would \(now): the same name in another enclave is another key; keep it, or put it back where it was changed"
      )
    }
    return nil
  }

  /// The refusal of a first key that the next rollout would have to refuse: its confirmed start
  /// would seal it, and a sealed key is defined once. Nil if it can be sealed as it is, or there is
  /// none; see ``refusal(holder:keys:enclaves:)`` for the parameters.
  package static func ambiguity(keys: [String], enclaves: [String]) -> Refusal? {
    if keys.allSatisfy(\.isEmpty) { return nil }
    for (name, values) in [("MINIO_KMS_SSE_KEY", keys), ("MINIO_KMS_ENCLAVE", enclaves)]
    where values.count > 1 {
      return Refusal(
        .validation,
        "\(name) would be defined \(values.count) times, and a confirmed start seals the key permanently: define it once"
      )
    }
    return nil
  }
}
