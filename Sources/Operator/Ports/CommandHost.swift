// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout
package import Secrets

/// The process around a command: its files, its standard streams, its environment. What cannot be
/// read or written is refused as `.failed`.
package protocol CommandHost: Sendable {
  /// The content of a file of at most `limitBytes`, or of standard input for `-`; nil if there is
  /// no such file. May block on standard input.
  func read(_ path: String, limitBytes: Int) throws(Refusal) -> ReadContent?
  /// The content of one of the agent's records, its checksum verified; nil if there is none. May
  /// block on the disk.
  func record(_ path: String) throws(Refusal) -> [UInt8]?
  /// Whether there is such a directory. May block on the disk.
  func isDirectory(_ path: String) throws(Refusal) -> Bool
  /// The way to a file, and who beside root and the user could change where it leads or what it says. May block on
  /// the disk.
  ///
  /// - Parameter user: a name; nil for root alone.
  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace
  /// Writes one of the records of what the start guard let pass, and removes the oldest beyond the limit. May block on
  /// the disk.
  func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal)
  /// Makes a file that only its owner may read (0600), durable; one that is there is refused. May
  /// block on the disk.
  func create(_ path: String, _ bytes: [UInt8]) throws(Refusal)
  /// Writes all of `text`; false when nobody reads it any more. May block on a slow reader.
  @discardableResult
  func write(_ text: String, to stream: OutputStream) -> Bool
  /// The size of the terminal that a stream is; nil if it is none.
  func terminal(_ stream: OutputStream) -> TerminalSize?
  /// Asks a question on the terminal that standard input is, and blocks until the line is there;
  /// nil if it is none.
  func ask(_ question: String) -> String?
  /// Asks for a secret on the terminal that standard input is, without an echo, and blocks until the
  /// line is there; nil if it is none.
  func askSecret(_ question: String) -> Secret?
  /// Whether the process is root's.
  var isRoot: Bool { get }
  /// How somebody other than root and the process's own user could change the file, or put another one
  /// in its place; nil if nobody could. May block on the disk.
  func foreignHold(on path: String) throws(Refusal) -> String?
  /// A variable of the process's environment.
  func variable(_ name: String) -> String?
}

/// Where output goes.
package enum OutputStream: Sendable, Hashable {
  /// Results.
  case standardOutput
  /// Messages.
  case standardError
}

/// Characters across and down.
package struct TerminalSize: Sendable, Hashable {
  /// Characters across.
  package var columns: Int
  /// Lines down.
  package var rows: Int

  package init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
  }
}

package struct ReadContent: Sendable {
  /// The bytes.
  package var bytes: [UInt8]
  /// The file's permission bits; nil for standard input.
  package var mode: UInt32?

  package init(bytes: [UInt8], mode: UInt32?) {
    self.bytes = bytes
    self.mode = mode
  }

  /// Whether group or others may read it.
  var isShared: Bool { (mode ?? 0) & 0o044 != 0 }
}
