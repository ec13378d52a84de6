// SPDX-License-Identifier: Apache-2.0
package import Crypto

/// What the servers of a cluster compare before they start together: every MINIO_* variable but a
/// few, name and value (docs/facts.md, "Comparison of environments"). Nodes whose digests differ
/// would wait for each other without end.
package enum EnvironmentAgreement {
  /// One compared variable.
  package struct Entry: Sendable, Hashable, Codable {
    package var name: String
    /// The digest of its name and value.
    package var digest: Digest

    package init(name: String, digest: Digest) {
      self.name = name
      self.digest = digest
    }
  }

  /// How one node's variables differ from another's, by name, sorted. The server uses the same
  /// three words.
  package struct Differences: Sendable, Hashable, Codable {
    /// In the first only.
    package var missing: [String]
    /// In both, with different values.
    package var mismatching: [String]
    /// In the second only.
    package var extra: [String]

    package var isEmpty: Bool { missing.isEmpty && mismatching.isEmpty && extra.isEmpty }
  }

  /// The variables that the server does not compare.
  package static let skipped = [
    "MINIO_OPTS", "MINIO_CERT_PASSWD", "MINIO_SERVER_DEBUG", "MINIO_DSYNC_TRACE", "MINIO_ROOT_USER",
    "MINIO_ROOT_PASSWORD", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_OPERATOR_VERSION",
    "MINIO_VSPHERE_PLUGIN_VERSION", "MINIO_CI_CD",
  ]

  /// The compared variables of `environment`, by name. Values count without the blanks around them;
  /// of a name given twice the last counts.
  package static func map(of environment: [EnvironmentVariable]) -> [Entry] {
    var seen: Set<String> = []
    return environment.reversed()
      .filter {
        $0.name.hasPrefix("MINIO_") && !skipped.contains($0.name) && seen.insert($0.name).inserted
      }
      .map { Entry(name: $0.name, digest: .ofFields([$0.name, $0.value.trimmed])) }
      .sorted { $0.name < $1.name }
  }

  /// One digest over all of ``map(of:)``.
  package static func digest(of environment: [EnvironmentVariable]) -> Digest {
    .ofFields(map(of: environment).map(\.digest.hex))
  }

  /// How the variables `b` differ from `a`.
  package static func differences(_ a: [Entry], _ b: [Entry]) -> Differences {
    let inA = Dictionary(a.map { ($0.name, $0.digest) }) { $1 }
    let inB = Dictionary(b.map { ($0.name, $0.digest) }) { $1 }
    return Differences(
      missing: a.map(\.name).filter { inB[$0] == nil }.sorted(),
      mismatching: a.filter { inB[$0.name] != nil && inB[$0.name] != $0.digest }.map(\.name)
        .sorted(),
      extra: b.map(\.name).filter { inA[$0] == nil }.sorted())
  }
}
