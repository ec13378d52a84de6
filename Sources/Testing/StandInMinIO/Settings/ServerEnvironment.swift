// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Model

/// The MINIO_* variables as the server reads them (docs/facts.md, "Reading of values",
/// "Comparison of environments", "MinIO's environment file").
struct ServerEnvironment: Sendable {
  private var values: [String: String]

  init(_ values: [String: String]) { self.values = values }

  struct Problem: Error { var text: String }

  /// An empty variable exists.
  func exists(_ name: String) -> Bool { values[name] != nil }

  var all: [String: String] { values }

  func raw(_ name: String) -> String? { values[name] }

  mutating func remove(_ name: String) { values[name] = nil }

  /// The value without the white space around it; empty if there is none. A value that begins with
  /// `env` refers to a web service; without one, as here, it is silently empty.
  func get(_ name: String) -> String {
    guard let value = values[name], !value.hasPrefix("env") else { return "" }
    return trimmed(value)
  }

  /// Reads the file that MINIO_CONFIG_ENV_FILE names, by MinIO's own grammar; its values win.
  /// Blocks on the disk.
  mutating func loadConfigurationFile() throws(Problem) {
    let path = get("MINIO_CONFIG_ENV_FILE")
    if path.isEmpty { return }
    let content: FileContent?
    do throws(FileFailure) {
      content = try FileReading.readIfPresent(path, limitBytes: Limits.environmentFileBytes)
    } catch { throw Problem(text: "open \(path): \(error)") }
    guard let content else { return }
    for line in String(decoding: content.bytes, as: UTF8.self).split(separator: "\n") {
      var entry = trimmed(line)
      if entry.isEmpty || entry.hasPrefix("#") { continue }
      if entry.hasPrefix("export") { entry = trimmed(entry.dropFirst(6)) }
      guard let equals = entry.firstIndex(of: "=") else {
        throw Problem(text: "envEntry malformed; \(entry), expected to be of form 'KEY=value'")
      }
      var value = entry[entry.index(after: equals)...]
      if let first = value.first, value.count >= 2, first == "\"" || first == "'",
        value.last == first
      {
        value = value.dropFirst().dropLast()
      }
      values[String(entry[..<equals])] = String(value)
    }
  }

  /// What must be the same on every node: the digests of the MINIO_* values, without those of
  /// docs/facts.md, "Comparison of environments".
  func fingerprints(_ digest: (String) -> String) -> [String: String] {
    let skipped: Set<String> = [
      "MINIO_OPTS", "MINIO_CERT_PASSWD", "MINIO_SERVER_DEBUG", "MINIO_DSYNC_TRACE",
      "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY",
      "MINIO_OPERATOR_VERSION", "MINIO_VSPHERE_PLUGIN_VERSION", "MINIO_CI_CD",
    ]
    return values.filter { $0.key.hasPrefix("MINIO_") && !skipped.contains($0.key) }
      .reduce(into: [:]) { $0[$1.key] = digest(get($1.key)) }
  }
}

func trimmed(_ text: some StringProtocol) -> String {
  let blanks: Set<Character> = [" ", "\t", "\r", "\n", "\r\n"]
  return String(
    text.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed())
}
