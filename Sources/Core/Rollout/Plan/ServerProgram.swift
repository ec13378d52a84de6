// SPDX-License-Identifier: Apache-2.0
package import Crypto
internal import Model

/// The server's program: AIStor's nodes do not start among others of another binary (docs/facts.md, "Comparison of
/// environments").
package struct ServerProgram: Sendable, Codable, Hashable {
  package var digest: Digest
  /// The newest release that the file names, which is its own; nil if it names none.
  package var release: String?

  package init(digest: Digest, release: String? = nil) {
    self.digest = digest
    self.release = release
  }

  /// `RELEASE.2025-09-07T16-13-09Z (9a3f5c1d2e4b)`.
  package var text: String {
    let short = String(digest.hex.prefix(12))
    return release.map { "\($0) (\(short))" } ?? short
  }
}

/// The two that a node may have: what a start would run, and what runs.
package struct ServerPrograms: Sendable, Codable, Hashable {
  /// Nil if it is not known: no program, a script, or a file that could not be read.
  package var installed: ServerProgram?
  /// Nil if nothing runs, or it is not known.
  package var running: ServerProgram?

  package init(installed: ServerProgram?, running: ServerProgram?) {
    self.installed = installed
    self.running = running
  }

  /// `A -> B` where a start would run another one than runs; nil otherwise.
  package var change: String? {
    guard let installed, let running, installed.digest != running.digest else { return nil }
    if let old = running.release, let new = installed.release, old != new {
      return "\(old) -> \(new)"
    }
    return "\(running.text) -> \(installed.text)"
  }
}

/// Which nodes have which program.
package enum ProgramDifference {
  /// `A on minio-[1-3], B on minio-4`; nil if those that are known are the same.
  package static func text(_ rows: [(name: String, program: ServerProgram?)]) -> String? {
    let known = rows.compactMap { row in row.program.map { (name: row.name, value: $0) } }
    guard Set(known.map(\.value.digest)).count > 1 else { return nil }
    return NodeNames.grouped(known).map { "\($0.value.text) on \(NodeNames.folded($0.names))" }
      .joined(separator: ", ")
  }
}
