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

  /// Why a node would have no definition of the key in force.
  package enum Absence: Sendable, Hashable {
    /// What is asked for takes it away.
    case removed
    /// The generation that is asked for has none.
    case generation(Int?)
    /// `UnsetEnvironment=` of the unit takes it away.
    case unset(unit: String)
    /// The node was in no rollout yet, and this file of it has none.
    case isNew(node: String, file: String)
    /// It is gone from this file since; the last generation, if that is known.
    case isGone(node: String, file: String, generation: Int?)

    /// What is wrong, and what to do; `key` is the name of the variable and its value.
    fileprivate func words(_ key: String, _ holder: Holder) -> String {
      let kept = "data written with it cannot be read without it"
      switch self {
      case .removed:
        return
          "\(key) is \(holder.reason), and would be removed: \(kept); keep it, or put it back where it was changed"
      case .generation(let number):
        let which = number.map { "generation \($0)" } ?? "the previous file"
        return
          "\(which) has no MINIO_KMS_SSE_KEY, and \(key) is \(holder.reason): \(kept), so there is no going back behind it; where a start was not confirmed, mend what its last lines say (keyturn logs --errors), then keyturn restart"
      case .unset(let unit):
        return
          "UnsetEnvironment= of \(unit) takes MINIO_KMS_SSE_KEY away, and \(key) is \(holder.reason): \(kept); remove it there (systemctl cat \(unit) shows in which file), then systemctl daemon-reload"
      case .isNew(let node, let file):
        return
          "MINIO_KMS_SSE_KEY is missing on the new node \(node): \(file) there does not set it, and \(key) is \(holder.reason); give this node all MINIO_ settings that the others have: copy the file of another node, or apply all of them (keyturn explain NAME shows where the others have each)"
      case .isGone(let node, let file, let generation):
        let back = generation.map {
          "keyturn rollback \($0) puts back the file of generation \($0)"
        }
        return
          "MINIO_KMS_SSE_KEY is missing on \(node): \(file) does not set it any more, and \(key) is \(holder.reason); put it back: \(back ?? "take the line from the file of another node")"
      }
    }
  }

  /// Whether a file may be put in force.
  ///
  /// - Parameters:
  ///   - holder: the key in force; nil where none was ever confirmed, then everything is allowed.
  ///   - keys: every definition of MINIO_KMS_SSE_KEY that any reader would see in the new environment, in order.
  ///   - enclaves: every definition of MINIO_KMS_ENCLAVE likewise.
  ///   - absence: why there would be none, if there is none.
  /// - Returns: the refusal, or nil if the new environment has exactly the key in force.
  package static func refusal(
    holder: Holder?, keys: [String], enclaves: [String], absence: Absence = .removed
  ) -> Refusal? {
    guard let holder else { return nil }
    let key = "MINIO_KMS_SSE_KEY \"\(holder.keyName)\""
    let sealed = "\(key) is \(holder.reason)"
    let advice =
      "data written with it cannot be read without it; keep it, or put it back where it was changed"
    if keys.isEmpty { return Refusal(.guarded, absence.words(key, holder)) }
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
