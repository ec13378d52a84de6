// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux

/// Files on the drive. Blocks on the disk.
enum DriveFile {
  static func makeDirectory(_ path: String) throws(Errno) {
    let (result, code) = (mkdir(path, 0o750), errno)
    if result == -1 && code != EEXIST { throw Errno(code, "mkdir \(path)") }
  }

  static func write(_ content: [UInt8], to path: String) throws(Errno) {
    // Nobody reads a half of it, and two who write the same do not meet.
    let new = "\(path).\(UInt64.random(in: .min ... .max))"
    let file = FileDescriptor(
      owning: try retrying("open \(new)") {
        open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      })
    var rest = content[...]
    while !rest.isEmpty {
      let count = try retrying("write \(new)") {
        rest.withUnsafeBytes { Glibc.write(file.raw, $0.baseAddress, $0.count) }
      }
      rest = rest.dropFirst(count)
    }
    _ = try retrying("rename \(new)") { rename(new, path) }
  }

  /// The names of what is whole in a directory.
  static func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.contains(".") { names.append(name) }
    }
    return names
  }
}
