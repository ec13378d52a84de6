/// One wish: a variable set to a value, or removed.
public struct SettingChange: Sendable, Hashable {
  /// The variable's name, for example `MINIO_KMS_SERVER`.
  public var name: String
  /// The value that it shall have; nil removes it.
  public var value: Secret?

  /// A wish; see the properties. Any value is held as a secret, since any may be one.
  public init(name: String, value: Secret?) {
    self.name = name
    self.value = value
  }
}

/// Variables whose value must not be shown.
public enum SecretVariables {
  /// Whether the value of the variable `name` is a secret: API keys, passwords, secret keys,
  /// tokens, license.
  public static func contains(_ name: String) -> Bool {
    let name = name.uppercased()
    if name == "MINIO_KMS_SSE_KEY" || name.hasSuffix("_KEY_NAME") || name.hasSuffix("_KEY_FILE") {
      return false
    }
    return [
      "API_KEY", "PASSWORD", "SECRET", "TOKEN", "LICENSE", "ACCESS_KEY", "PASSWD", "CREDENTIAL",
      "PRIVATE_KEY",
    ]
    .contains { name.contains($0) }
  }
}
