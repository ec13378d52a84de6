// SPDX-License-Identifier: Apache-2.0

/// How grave a line calls itself: its prefix, or the `level` of a JSON line.
package enum LineLevel: String, Sendable, Codable, Hashable {
  /// `FATAL `; before 2024-07-12 `ERROR `.
  case fatal
  /// `ERRO: `, `Error: `.
  case error
  /// `WARN: `.
  case warning
  /// `INFO: `.
  case info
  /// No prefix: the banner, lines of old versions, and everything of the service manager.
  case plain
}
