// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Secrets

/// What makes two proposals the same one: the settings, and whether the key may be created.
package enum ProposedSettings {
  /// Over names and values, in the order of the names, length-prefixed. It is told to members and
  /// observers: like the digest of the file it says nothing of a secret that cannot be guessed.
  package static func digest(
    cluster: String, changes: [SettingChange], createKey: Bool
  ) -> Digest {
    var fields = ["keyturn proposal 1", cluster, createKey ? "create" : ""]
    for change in changes.sorted(by: { $0.name < $1.name }) {
      fields += [change.name, change.value == nil ? "unset" : "set", change.value?.reveal() ?? ""]
    }
    return .ofFields(fields)
  }
}

extension Rollout {
  /// What two rollouts have in common that come to the same: kind, files, and what is in them
  /// afterwards.
  package var plan: Digest {
    .ofFields(
      ["keyturn plan 1", cluster, kind.rawValue]
        + contents.flatMap { [$0.member, $0.path, $0.after?.hex ?? ""] })
  }
}
