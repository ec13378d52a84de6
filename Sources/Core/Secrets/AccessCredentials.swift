// SPDX-License-Identifier: Apache-2.0

/// Who signs a request to a MinIO server: an access key and its secret key.
package struct AccessCredentials: Sendable, Hashable {
  /// The access key: of the root user the value of MINIO_ROOT_USER. Sent in the clear; wrapped so
  /// that no log shows it.
  package var accessKey: Secret
  /// The secret key, which is never sent.
  package var secretKey: Secret

  package init(accessKey: Secret, secretKey: Secret) {
    self.accessKey = accessKey
    self.secretKey = secretKey
  }

  /// What a server without credentials uses (`internal/auth/credentials.go`).
  package static let serverDefault = AccessCredentials(
    accessKey: Secret("minioadmin"), secretKey: Secret("minioadmin"))
}
