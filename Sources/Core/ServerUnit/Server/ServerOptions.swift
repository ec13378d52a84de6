// SPDX-License-Identifier: Apache-2.0

/// The words of a `minio server` command line, options and operands apart.
///
/// The server's command line library takes the word behind an option as its value, whatever it
/// looks like, unless the option is a switch or has its value in the same word (`Command.Run` of
/// minio:cli).
struct ServerOptions {
  /// The last value of each option that takes one.
  private(set) var values: [String: String] = [:]
  private(set) var switches: [String: Bool] = [:]
  /// The words behind `server` that belong to no option; nil without that word.
  private(set) var operands: [String]?
  /// An option of another server version: whether the next word is its value is not known.
  private(set) var unknown: String?

  /// `ServerFlags` and `GlobalFlags` of minio:cmd (2022 to 2025-10), and AIStor's.
  private static let knownSwitches: Set = [
    "anonymous", "compat", "h", "help", "json", "log-compress", "no-compat", "quiet", "v",
    "version",
  ]
  private static let knownValues: Set = [
    "address", "C", "certs-dir", "config", "config-dir", "conn-client-read-deadline",
    "conn-client-write-deadline", "conn-read-deadline", "conn-user-timeout", "conn-write-deadline",
    "console-address", "crossdomain-xml", "dns-cache-ttl", "ftp", "idle-timeout", "interface",
    "license", "listeners", "log-dir", "log-prefix", "log-size", "max-idle-conns-per-host",
    "memlimit", "read-header-timeout", "recv-buf-size", "S", "send-buf-size", "sftp",
    "shutdown-timeout",
  ]

  init(_ arguments: [String]) {
    var words = arguments[...]
    var others: [String] = []
    while let word = words.popFirst() {
      guard word.hasPrefix("-"), word != "-" else {
        others.append(word)
        continue
      }
      if word == "--" {
        others += words
        break
      }
      let parts = word.drop { $0 == "-" }.split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      let value = parts.count == 2 ? parts[1] : nil
      if Self.knownSwitches.contains(name) {
        switches[name] = value.map(Self.isTrue) ?? true
      } else if Self.knownValues.contains(name) {
        if let value = value.map(String.init) ?? words.popFirst() { values[name] = value }
      } else if value == nil {
        unknown = unknown ?? word
      }
    }
    if let command = others.firstIndex(of: "server") { operands = Array(others[(command + 1)...]) }
  }

  /// What Go's strconv.ParseBool takes for true.
  private static func isTrue(_ text: Substring) -> Bool {
    ["1", "t", "T", "true", "TRUE", "True"].contains(text)
  }
}
