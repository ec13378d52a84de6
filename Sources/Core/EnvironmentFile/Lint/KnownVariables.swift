// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The MINIO_* variables that the server is known to read, and what a mistyped one was probably
/// meant to be.
///
/// AIStor is closed and has more of them than the open source, so an unknown name that is near to
/// none is no error, except in the MINIO_KMS_ group, which is complete (docs/facts.md,
/// "Key Manager variables").
package enum KnownVariables {
  /// Whole names.
  package static let names: [String] = [
    "MINIO_KMS_SERVER", "MINIO_KMS_ENCLAVE", "MINIO_KMS_SSE_KEY", "MINIO_KMS_API_KEY",
    "MINIO_KMS_KES_ENDPOINT", "MINIO_KMS_KES_KEY_NAME", "MINIO_KMS_KES_API_KEY",
    "MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_PASSWORD",
    "MINIO_KMS_KES_CAPATH", "MINIO_KMS_SECRET_KEY", "MINIO_KMS_SECRET_KEY_FILE",
    "MINIO_KMS_REPLICATE_KEYID", "MINIO_KMS_AUTO_ENCRYPTION",
    "MINIO_VOLUMES", "MINIO_OPTS", "MINIO_CONFIG_ENV_FILE", "MINIO_LICENSE", "MINIO_SERVER_URL",
    "MINIO_BROWSER", "MINIO_BROWSER_REDIRECT", "MINIO_BROWSER_REDIRECT_URL",
    "MINIO_BROWSER_SESSION_DURATION", "MINIO_BROWSER_LOGIN_ANIMATION", "MINIO_DOMAIN",
    "MINIO_PUBLIC_IPS", "MINIO_FS_OSYNC", "MINIO_UPDATE", "MINIO_WORM", "MINIO_ADDRESS",
    "MINIO_CONSOLE_ADDRESS", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_ROOT_USER_FILE",
    "MINIO_ROOT_PASSWORD_FILE", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_ACCESS_KEY_FILE",
    "MINIO_SECRET_KEY_FILE", "MINIO_ACCESS_KEY_OLD", "MINIO_SECRET_KEY_OLD", "MINIO_CERT_PASSWD",
    "MINIO_SERVER_DEBUG", "MINIO_DSYNC_TRACE", "MINIO_OPERATOR_VERSION",
    "MINIO_VSPHERE_PLUGIN_VERSION", "MINIO_CI_CD", "MINIO_SITE_NAME", "MINIO_SITE_REGION",
    "MINIO_REGION", "MINIO_REGION_NAME", "MINIO_ERASURE_SET_DRIVE_COUNT",
    "MINIO_SHARED_DRIVE_ROOT_LIMIT",
    "MINIO_ROOTDRIVE_THRESHOLD_SIZE", "MINIO_PROMETHEUS_AUTH_TYPE", "MINIO_PROMETHEUS_URL",
    "MINIO_PROMETHEUS_JOB_ID", "MINIO_PROMETHEUS_EXTRA_LABELS", "MINIO_PROMETHEUS_AUTH_TOKEN",
    "MINIO_ETCD_ENDPOINTS", "MINIO_ETCD_PATH_PREFIX", "MINIO_ETCD_COREDNS_PATH",
    "MINIO_ETCD_CLIENT_CERT", "MINIO_ETCD_CLIENT_CERT_KEY", "MINIO_LOG_DIR", "MINIO_LOG_QUERY_URL",
    "MINIO_LOG_QUERY_AUTH_TOKEN", "MINIO_NODE_NAME", "MINIO_STS_AUTH_PLUGIN",
  ]

  /// Beginnings of variables that carry a subsystem's key or a target's name behind it.
  static let families: [String] = [
    "MINIO_API_", "MINIO_AUDIT_", "MINIO_BATCH_", "MINIO_CACHE_", "MINIO_COMPRESSION_",
    "MINIO_CRAWLER_", "MINIO_DRIVE_", "MINIO_HEAL_", "MINIO_IDENTITY_", "MINIO_ILM_",
    "MINIO_LAMBDA_", "MINIO_LOGGER_", "MINIO_NOTIFY_", "MINIO_POLICY_", "MINIO_REPLICATION_",
    "MINIO_SCANNER_", "MINIO_STORAGE_CLASS_", "MINIO_SUBNET_", "MINIO_CALLHOME_",
  ]

  /// Whether `name` is one of ``names`` or of a family.
  static func isKnown(_ name: ArraySlice<UInt8>) -> Bool {
    guard name.count > prefixCount, name.starts(with: familyBytes[0].prefix(prefixCount)) else {
      return false
    }
    let initial = name[name.startIndex + prefixCount]
    return familyBytes.contains { $0[prefixCount] == initial && name.starts(with: $0) }
      || known.contains(name)
  }

  /// `MINIO_`, with which all of them begin.
  private static let prefixCount = 6
  private static let familyBytes = families.map { Array($0.utf8) }
  private static let known = WordList(names)

  enum Verdict: Equatable {
    case known
    /// Not known, and so near to this known one that it is probably meant.
    case near(String)
    /// Of the MINIO_KMS_ group, which is complete, and none of it.
    case unknownKeyManager
    case unknown
  }

  static func verdict(_ name: ArraySlice<UInt8>) -> Verdict {
    if isKnown(name) { return .known }
    if let nearest = nearest(to: name) { return .near(nearest) }
    let isKeyManagers = name.prefix(keyManagerPrefix.count).lazy.map(\.capital)
      .elementsEqual(keyManagerPrefix)
    return isKeyManagers ? .unknownKeyManager : .unknown
  }

  static let keyManagerPrefix = Array("MINIO_KMS_".utf8)

  /// The known name that `name` was probably meant to be: at most two letters apart, or only one if
  /// it is short.
  static func nearest(to name: some Collection<UInt8>) -> String? {
    known.nearest(to: Array(name), within: 2, shortBelow: 14)
  }

  /// What is wrong with a name and what to do; nil if it is known.
  static func complaint(_ verdict: Verdict) -> (Severity, message: String, remedy: String)? {
    switch verdict {
    case .known: nil
    case .near(let nearest):
      (.error, "MinIO knows no variable of this name", "did you mean \(nearest)?")
    case .unknownKeyManager:
      (
        .error, "MinIO knows no variable of this name and ignores it",
        "remove it; the Key Manager's are MINIO_KMS_SERVER, MINIO_KMS_ENCLAVE, MINIO_KMS_SSE_KEY and "
          + "MINIO_KMS_API_KEY"
      )
    case .unknown:
      (.warning, "no variable of this name is known", "check its spelling")
    }
  }
}

package enum VariableName {
  /// The longest that is asked for, bytes; no known one comes near it.
  static let limitBytes = 256

  /// Why `name` cannot be a variable's name, or nil.
  package static func problem(with name: String) -> String? {
    if name.utf8.count > limitBytes { return "its name has more than \(limitBytes) bytes" }
    if isVariableName(name) { return nil }
    return "its name is not made of letters, digits and '_' with a letter or '_' first"
  }

  /// The variable of MinIO's that was probably meant; nil if `name` is known or near none.
  package static func nearest(to name: String) -> String? {
    if case .near(let nearest) = KnownVariables.verdict(Array(name.utf8)[...]) { return nearest }
    return nil
  }
}
