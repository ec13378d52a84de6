// SPDX-License-Identifier: Apache-2.0

/// What tells a program's file from another one, or from itself after a change, without reading it.
package struct ProgramMark: Sendable, Hashable {
  package var device: UInt64
  package var inode: UInt64
  package var bytes: Int64
  /// Of its content, and of content, owner, mode or name, nanoseconds since 1970-01-01 UTC.
  package var modified: Int64
  package var changed: Int64

  package init(device: UInt64, inode: UInt64, bytes: Int64, modified: Int64, changed: Int64) {
    self.device = device
    self.inode = inode
    self.bytes = bytes
    self.modified = modified
    self.changed = changed
  }

  /// Whether both are one file, whatever its name and owner are now.
  package func isSameFile(_ other: ProgramMark) -> Bool {
    (device, inode, bytes, modified) == (other.device, other.inode, other.bytes, other.modified)
  }
}
