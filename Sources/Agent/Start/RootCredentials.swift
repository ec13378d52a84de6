// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model
internal import Secrets

/// The root user of a running server, read as the server reads it (`loadEnvVarsFromFiles`,
/// `loadRootCredentials` of minio:cmd).
enum RootCredentials {
  /// Where the server looks first for the files of `..._FILE`.
  private static let secretsDirectory = "/run/secrets"

  /// Files that a value is taken from, the later overriding; the old names stand for the new.
  private static let files = [
    ("MINIO_ACCESS_KEY_FILE", "MINIO_ROOT_USER"), ("MINIO_SECRET_KEY_FILE", "MINIO_ROOT_PASSWORD"),
    ("MINIO_ROOT_USER_FILE", "MINIO_ROOT_USER"),
    ("MINIO_ROOT_PASSWORD_FILE", "MINIO_ROOT_PASSWORD"),
  ]

  /// The root user of a process that was started with `process`. Blocks on the disk.
  ///
  /// - Parameter pid: the process, whose view of the files counts; nil for systemd's.
  /// - Throws: a refusal if a file that it has read itself cannot be read.
  static func of(
    _ process: [EnvironmentVariable], of pid: Int32? = nil, _ file: any EnvironmentFilePort
  ) throws(Refusal) -> AccessCredentials {
    func read(_ path: String) throws(Refusal) -> [UInt8]? {
      if let pid { try file.read(path, seenBy: pid) } else { try file.read(path) }
    }
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
    variables = try ServerEnvironment.inForce(variables, of: pid, file)
    func value(_ name: String) -> String? { variables.last { $0.name == name }?.value }
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
