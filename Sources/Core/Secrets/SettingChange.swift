// SPDX-License-Identifier: Apache-2.0

/// One change: a variable set to a value, or removed.
package struct SettingChange: Sendable, Hashable {
  /// The variable's name, for example `MINIO_KMS_SERVER`.
  package var name: String
  /// The value that it shall have; nil removes it.
  package var value: Secret?

  /// A change; see the properties. Any value is held as a secret, since any may be one.
  package init(name: String, value: Secret?) {
    self.name = name
    self.value = value
  }
}
