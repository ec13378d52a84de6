// SPDX-License-Identifier: Apache-2.0
internal import Secrets

/// Values of variables as people may see them.
package enum SettingDisplay {
  /// A secret API key as its identity, any other secret not at all.
  package static func text(of name: String, _ value: String) -> String {
    guard SecretVariables.contains(name) else { return withoutPasswords(value) }
    guard name == "MINIO_KMS_API_KEY", let identity = try? APIKey(Secret(value)).identity else {
      return "<redacted>"
    }
    return identity.text
  }

  /// Whether the value of a variable that is not secret by its name has a password or a key in it.
  package static func hidesPart(of value: String) -> Bool { withoutPasswords(value) != value }

  /// What people may see of a variable that is not secret: not an API key under a wrong name, not `password=` in a
  /// connection string, and of `NAME:PASSWORD@`, in a URL or a data source's name, nothing up to the last `@`.
  private static func withoutPasswords(_ value: String) -> String {
    let text = Redactor().redact(value)
    guard let at = text.utf8.lastIndex(of: UInt8(ascii: "@")),
      text.utf8[..<at].contains(UInt8(ascii: ":"))
    else { return text }
    return Redactor.placeholder + text[at...]
  }
}
