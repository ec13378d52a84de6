// SPDX-License-Identifier: Apache-2.0
package import Model
package import Secrets

/// The root user of a running server, read as the server reads it (`loadEnvVarsFromFiles`,
/// `loadRootCredentials` of minio:cmd).
package enum RootCredentials {
  /// Where the server looks first for the files of `..._FILE`.
  private static let secretsDirectory = "/run/secrets"

  /// Files that a value is taken from, the later overriding; the old names stand for the new.
  private static let files = [
    ("MINIO_ACCESS_KEY_FILE", "MINIO_ROOT_USER"), ("MINIO_SECRET_KEY_FILE", "MINIO_ROOT_PASSWORD"),
    ("MINIO_ROOT_USER_FILE", "MINIO_ROOT_USER"),
    ("MINIO_ROOT_PASSWORD_FILE", "MINIO_ROOT_PASSWORD"),
  ]

  /// The environment that a process was started with, and after it what the files that it names hold.
  ///
  /// - Parameter read: a file as the process sees it; nil if there is none.
  package static func withFiles(
    _ process: [EnvironmentVariable], read: (_ path: String) throws(Refusal) -> [UInt8]?
  ) throws(Refusal) -> [EnvironmentVariable] {
    var variables = process
    for (name, target) in files {
      guard let path = process.last(where: { $0.name == name })?.value, !path.isEmpty else {
        continue
      }
      var content = try read("\(secretsDirectory)/\(path)")
      if content == nil, path.hasPrefix("/") { content = try read(path) }
      guard let bytes = content else { continue }
      let value = String(decoding: bytes, as: UTF8.self).trimmed
      if !value.isEmpty { variables.append(EnvironmentVariable(name: target, value: value)) }
    }
    return variables
  }

  /// - Parameter inForce: the same, overridden by the file that the server reads itself.
  package static func of(_ inForce: [EnvironmentVariable]) -> AccessCredentials {
    func value(_ name: String) -> String? { inForce.last { $0.name == name }?.value }
    for (user, password) in [
      ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"), ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"),
    ] {
      guard let user = value(user), let password = value(password) else { continue }
      // The first pair that is set counts, also if it is empty: then the default is used.
      if user.isEmpty || password.isEmpty { break }
      return AccessCredentials(accessKey: Secret(user), secretKey: Secret(password))
    }
    return .serverDefault
  }
}
