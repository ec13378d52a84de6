// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux

/// A directory of one test's own, removed with all that is in it when the test is over.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/keyturn-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno(errno, "mkdtemp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { TemporaryDirectory.remove(path) }

  private static func remove(_ path: String) {
    for name in (try? names(path)) ?? [] {
      let child = "\(path)/\(name)"
      var facts = stat()
      if lstat(child, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR {
        remove(child)
      } else {
        unlink(child)
      }
    }
    rmdir(path)
  }

  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// What is in it, sorted.
  func names() throws -> [String] { try TemporaryDirectory.names(path) }

  static func names(_ path: String) throws -> [String] {
    guard let stream = opendir(path) else { throw Errno(errno, "opendir \(path)") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

/// Makes a file with exactly this mode.
@discardableResult
func make(_ path: String, _ content: [UInt8], mode: UInt32 = 0o600) throws -> String {
  let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
  guard file >= 0 else { throw Errno(errno, "open \(path)") }
  defer { close(file) }
  guard write(file, content, content.count) == content.count, fchmod(file, mode) == 0 else {
    throw Errno(errno, "write \(path)")
  }
  return path
}

func make(_ path: String, _ content: String, mode: UInt32 = 0o600) throws {
  try make(path, Array(content.utf8), mode: mode)
}

/// The content of a file, nil if it is not there.
func content(_ path: String) throws -> String? {
  try FileReading.readIfPresent(path, limitBytes: 4 << 20)
    .map { String(decoding: $0.bytes, as: UTF8.self) }
}

let isRoot = geteuid() == 0
