// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import KeyManager
internal import Rollout
internal import Secrets

/// The running process' environment beside the file's.
enum RunningEnvironment {
  /// Every MINIO_* variable without its value, sorted by name; of a name given twice the last
  /// counts.
  static func digests(of environment: [EnvironmentVariable]) -> [NamedDigest] {
    map(environment).sorted { $0.key < $1.key }.map {
      NamedDigest(name: $0.key, digest: .ofFields([$0.key, $0.value]))
    }
  }

  /// Names of the variables that are in one only, or differ, sorted.
  static func differences(
    _ a: [NamedDigest], _ b: [NamedDigest]
  ) -> [String] {
    Set(a).symmetricDifference(b).map(\.name).reduce(into: Set()) { $0.insert($1) }.sorted()
  }

  private static func map(_ variables: [EnvironmentVariable]) -> [String: String] {
    Dictionary(
      variables.filter { $0.name.hasPrefix("MINIO_") }.map { ($0.name, $0.value) },
      uniquingKeysWith: { $1 })
  }

  /// Names of MINIO_* variables whose values differ, sorted. What the server sets for itself is not
  /// compared.
  static func differences(
    file: [EnvironmentVariable], process: [EnvironmentVariable]
  ) -> [String] {
    let (wanted, actual) = (map(file), map(process))
    return Set(wanted.keys).union(actual.keys).sorted().filter { wanted[$0] != actual[$0] }
  }
}
