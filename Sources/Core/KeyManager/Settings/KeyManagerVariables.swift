// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The server's variables about key management (docs/facts.md, "Key Manager variables").
enum KeyManagerVariables {
  static let keyEncryptionService = [
    "MINIO_KMS_KES_ENDPOINT", "MINIO_KMS_KES_KEY_NAME", "MINIO_KMS_KES_API_KEY",
    "MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_PASSWORD",
    "MINIO_KMS_KES_CAPATH",
  ]
  static let staticKey = ["MINIO_KMS_SECRET_KEY", "MINIO_KMS_SECRET_KEY_FILE"]
  static let ignored = [
    "MINIO_KMS_TLS_CLIENT_CERT", "MINIO_KMS_TLS_CLIENT_KEY", "MINIO_KMS_TLS_CA",
  ]
  private static let all =
    KeyManagerSettings.variables + keyEncryptionService + staticKey
    + ["MINIO_KMS_AUTO_ENCRYPTION", "MINIO_KMS_REPLICATE_KEYID"]

  static let proxies = ["HTTPS_PROXY", "https_proxy"]
  static let proxyExceptions = ["NO_PROXY", "no_proxy"]
  /// What all but the proxies begin with.
  static let prefix = Array("MINIO_KMS_".utf8)

  private static let candidates = WordList(all)
  /// Every name that a rule knows.
  private static let known = WordList(all + ignored + proxies + proxyExceptions + HostList.names)

  /// Whether a rule is about variables of this name, lists of hosts included.
  static func isKnown(_ name: ArraySlice<UInt8>) -> Bool {
    known.contains(name) || name.starts(with: HostList.brokers)
  }

  /// The variable whose name is nearest to `name`, if it is within `limit` typing errors.
  static func nearest(to name: some Collection<UInt8>, within limit: Int = 6) -> String? {
    candidates.nearest(to: Array(name), within: limit)
  }
}
