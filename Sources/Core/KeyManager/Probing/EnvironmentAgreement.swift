// SPDX-License-Identifier: Apache-2.0
package import Crypto
internal import Model
package import Secrets

/// What the servers of a cluster compare before they start together: every MINIO_* variable but a
/// few, name and value (docs/facts.md, "Comparison of environments"). Nodes whose digests differ
/// would wait for each other without end.
package enum EnvironmentAgreement {
  /// The variables that the server does not compare.
  package static let skipped = [
    "MINIO_OPTS", "MINIO_CERT_PASSWD", "MINIO_SERVER_DEBUG", "MINIO_DSYNC_TRACE", "MINIO_ROOT_USER",
    "MINIO_ROOT_PASSWORD", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_OPERATOR_VERSION",
    "MINIO_VSPHERE_PLUGIN_VERSION", "MINIO_CI_CD",
  ]

  /// The compared variables of `environment`, by name. Values count without the blanks around them;
  /// of a name given twice the last counts.
  package static func map(of environment: [EnvironmentVariable]) -> [NamedDigest] {
    var seen: Set<String> = []
    return environment.reversed()
      .filter {
        $0.name.hasPrefix("MINIO_") && !skipped.contains($0.name) && seen.insert($0.name).inserted
      }
      .map { NamedDigest(name: $0.name, digest: .ofFields([$0.name, $0.value.trimmed])) }
      .sorted { $0.name < $1.name }
  }

  /// One digest over all of ``map(of:)``.
  package static func digest(of environment: [EnvironmentVariable]) -> Digest {
    .ofFields(map(of: environment).map(\.digest.hex))
  }
}
