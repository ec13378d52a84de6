// SPDX-License-Identifier: Apache-2.0

/// What a server that is about to be started would have for its key, against the seal: the last
/// door, through which every start goes that systemd makes, whoever asked for it. Pure.
///
/// It knows nothing of rollouts, files and units, and has no way to say "all the same".
package enum StartGuard {
  /// What `keyturn guard` exits with when it refuses a start.
  package static let refusalStatus: Int32 = 12

  /// A value of a variable, and where it is from.
  package struct Definition: Sendable, Hashable {
    package var value: String
    /// Where it is from, for people.
    package var place: String

    /// A value and its place.
    package init(value: String, place: String) {
      self.value = value
      self.place = place
    }
  }

  /// What a start would have of one variable.
  package struct Variable: Sendable, Hashable {
    /// What systemd hands to the process; nil if nothing.
    package var environment: Definition?
    /// Every definition in the file of MINIO_CONFIG_ENV_FILE, which the server reads by itself: they
    /// override.
    package var file: [Definition]

    package init(environment: Definition?, file: [Definition] = []) {
      self.environment = environment
      self.file = file
    }

    /// The value that counts, the last of several; nil if there is none.
    package var value: String? { inForce.last?.value }

    /// What counts. Two definitions in one file are two answers to one question.
    fileprivate var inForce: [Definition] { file.isEmpty ? environment.map { [$0] } ?? [] : file }
  }

  /// Why the start would be refused; nil if it has the sealed key, in its enclave, by bytes, or
  /// nothing is sealed here. Where a seal is missing or damaged no key can be told from another.
  package static func problem(record: SealRecord, key: Variable, enclave: Variable) -> String? {
    switch record {
    case .unsealed: nil
    case .sealed(let seal): problem(seal: seal, key: key, enclave: enclave)
    case .missing, .damaged: record.problem
    }
  }

  /// What is wrong with the key that the start would have; nil if it is the sealed one, in its
  /// enclave, by bytes.
  package static func problem(seal: Seal, key: Variable, enclave: Variable) -> String? {
    problem("MINIO_KMS_SSE_KEY", key.inForce, sealed: seal.keyName)
      ?? problem("MINIO_KMS_ENCLAVE", enclave.inForce, sealed: seal.enclave)
  }

  private static func problem(
    _ name: String, _ found: [Definition], sealed: String
  ) -> String? {
    guard let first = found.first else {
      // A cluster may have been adopted without an enclave.
      return sealed.isEmpty ? nil : "\(name) is missing"
    }
    // By bytes: Swift takes canonically equivalent texts for equal, and to a Key Manager they are
    // two keys. The sealed one said twice is one.
    if found.allSatisfy({ $0.value.utf8.elementsEqual(sealed.utf8) }) { return nil }
    if found.count > 1 {
      return "\(name) is defined \(found.count) times, not alike, in "
        + found.map(\.place).joined(separator: " and ")
    }
    if first.value.isEmpty { return "\(name) is empty in \(first.place)" }
    return "\(name) is \(KeyIdentity.shown(first.value)) in \(first.place)"
  }
}
