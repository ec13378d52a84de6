// SPDX-License-Identifier: Apache-2.0
internal import CSystemd
internal import Glibc
package import Model

/// A message of our own in the journal, with fields that programs can match (the native protocol,
/// systemd.journal-fields(7)).
package enum JournalMessage {
  /// Sends one; false if the journal did not take it. May block while the journal is busy.
  ///
  /// - Parameters:
  ///   - id: its MESSAGE_ID, 32 hexadecimal digits, by which the catalogue explains it.
  ///   - fields: names of capital letters, digits and `_`; those without a value are left out.
  package static func send(
    id: String, priority: LogPriority, _ message: String, fields: [(name: String, value: String)]
  ) -> Bool {
    var entries = [
      "MESSAGE=\(message)", "MESSAGE_ID=\(id)", "PRIORITY=\(priority.rawValue)",
      "SYSLOG_IDENTIFIER=keyturnd",
    ]
    entries += fields.filter { !$0.value.isEmpty }.map { "\($0.name)=\($0.value)" }
    // One buffer for all, so that the pointers into it live as long as the call.
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    for entry in entries {
      let start = bytes.count
      bytes += Array(entry.utf8)
      ranges.append(start..<bytes.count)
    }
    return bytes.withUnsafeMutableBytes { buffer in
      let vectors = ranges.map { range in
        iovec(iov_base: buffer.baseAddress.map { $0 + range.lowerBound }, iov_len: range.count)
      }
      return sd_journal_sendv(vectors, Int32(vectors.count)) >= 0
    }
  }
}
