// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import Model

/// What matters here of the server's drive: its configuration, encrypted once for each key that it
/// was ever started with (docs/facts.md, "What is bound to a key").
///
/// A file of lines `KEY CIPHERTEXT`, the ciphertext of a data key in hexadecimal digits. The
/// configuration can be read if the Key Manager still decrypts every one of them.
struct Backend {
  private let directory: String
  private var path: String { "\(directory)/configuration" }
  static let associatedData = Array(#"{"kind":"configuration"}"#.utf8)

  struct Sealed {
    var keyName: String
    var ciphertext: [UInt8]
  }

  /// Opens the drive and formats it if it is fresh. Blocks on the disk.
  init(drive: String) throws(Errno) {
    directory = "\(drive)/.minio.sys"
    for directory in [drive, directory] {
      let (result, code) = (mkdir(directory, 0o750), errno)
      if result == -1 && code != EEXIST { throw Errno(code, "mkdir \(directory)") }
    }
  }

  /// Everything that is encrypted, oldest first. Blocks on the disk.
  func sealed() throws(FileFailure) -> [Sealed] {
    guard let content = try FileReading.readIfPresent(path, limitBytes: 1 << 20) else { return [] }
    return String(decoding: content.bytes, as: UTF8.self).split(separator: "\n").compactMap {
      line in
      let words = line.split(separator: " ")
      guard words.count == 2 else { return nil }
      return Sealed(keyName: String(words[0]), ciphertext: Self.bytes(words[1]))
    }
  }

  /// Blocks until it is on the disk.
  func append(_ sealed: Sealed) throws(Errno) {
    let file = FileDescriptor(
      owning: try retrying("open \(path)") {
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
      })
    let line = Array("\(sealed.keyName) \(sealed.ciphertext.hex)\n".utf8)
    _ = try retrying("write \(path)") { write(file.raw, line, line.count) }
    _ = try retrying("sync \(path)") { fsync(file.raw) }
  }

  /// Of pairs of hexadecimal digits.
  static func bytes(_ digits: Substring) -> [UInt8] {
    var (bytes, rest): ([UInt8], Substring) = ([], digits)
    while rest.count >= 2 {
      bytes.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
      rest = rest.dropFirst(2)
    }
    return bytes
  }
}
