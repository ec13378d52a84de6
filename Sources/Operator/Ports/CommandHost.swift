// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout
package import Secrets

/// The process around a command: files, standard streams, environment. File calls may block on the
/// disk; what fails is refused as `.failed`.
package protocol CommandHost: Sendable {
  /// At most `limitBytes` of a file, of a pipe to its end, or of standard input for `-`; nil if there
  /// is no such file. May block on a pipe.
  func read(_ path: String, limitBytes: Int) throws(Refusal) -> ReadContent?
  /// One of the agent's records, its checksum verified; nil if there is none.
  func record(_ path: String) throws(Refusal) -> [UInt8]?
  func isDirectory(_ path: String) throws(Refusal) -> Bool
  /// The path to a file, and who besides root and the user could change where it leads or what the
  /// file says; a nil user for root alone.
  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace
  /// Writes a record of a start that the start guard allowed, and removes the oldest beyond the limit.
  func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal)
  /// Makes a durable file that only its owner may read (0600); an existing one is refused.
  func create(_ path: String, _ bytes: [UInt8]) throws(Refusal)
  /// Writes all of `text`; false when nobody reads any more. May block on a slow reader.
  @discardableResult
  func write(_ text: String, to stream: OutputStream) -> Bool
  /// Why something could not be written to standard output; nil if all was, or if only nobody reads
  /// it any more.
  var outputFailure: String? { get }
  /// Nil if the stream is not a terminal.
  func terminal(_ stream: OutputStream) -> TerminalSize?
  /// Asks on the terminal and blocks until the line is there; nil if standard input is no terminal.
  func ask(_ question: String) -> String?
  /// The same for a secret, without an echo.
  func askSecret(_ question: String) -> Secret?
  var isRoot: Bool { get }
  /// How another user than root and the process's own could change or replace the file; nil if none
  /// could.
  func foreignHold(on path: String) throws(Refusal) -> String?
  /// Of the process's environment.
  func variable(_ name: String) -> String?
}

package enum OutputStream: Sendable, Hashable {
  case standardOutput
  case standardError
}

package struct TerminalSize: Sendable, Hashable {
  package var columns: Int
  package var rows: Int

  package init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
  }
}

package struct ReadContent: Sendable {
  package var bytes: [UInt8]
  /// The file's permission bits; nil for standard input and pipes.
  package var mode: UInt32?

  package init(bytes: [UInt8], mode: UInt32?) {
    self.bytes = bytes
    self.mode = mode
  }

  var isShared: Bool { (mode ?? 0) & 0o044 != 0 }
}
