// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Linux

/// A new directory of mode 0700; removed with everything in it with the last reference.
package final class TemporaryDirectory: Sendable {
  package let path: String

  /// Makes it in $TMPDIR or /tmp.
  package init() throws(Errno) {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/keyturn-test-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer -> Int32 in
      buffer.baseAddress.flatMap { mkdtemp($0) } == nil ? errno : 0
    }
    guard made == 0 else { throw Errno(made, "make a temporary directory in \(parent)") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { Self.removeAll(path) }

  private static func removeAll(_ path: String) {
    // A directory is emptied first; anything else, also a symbolic link, is only removed.
    if unlink(path) == 0 { return }
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) {
          String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { removeAll("\(path)/\(name)") }
      }
      closedir(directory)
    }
    rmdir(path)
  }

  package func path(_ name: String) -> String { "\(path)/\(name)" }
}
