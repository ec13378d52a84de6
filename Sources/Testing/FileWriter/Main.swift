// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import Glibc

/// One whole write of a file, for a test that kills it at each of its system calls.
///
/// `file-writer replace TARGET TEXT` does what an agent does with an environment file from its
/// start to its end, `file-writer record PATH TEXT` the same with a record. Two calls of access(2)
/// on ``begin`` and ``end`` frame the write in a trace. Exits with 1 and the failure's kind and
/// message if the write fails.
@main enum Main {
  static let begin = "/file-writer/begin"
  static let end = "/file-writer/end"

  static func main() {
    let words = CommandLine.arguments
    guard words.count == 4 else { fail(64, "usage: file-writer replace|record PATH TEXT") }
    let (path, bytes) = (words[2], Array(words[3].utf8))
    do throws(FileFailure) {
      switch words[1] {
      case "replace": try replace(path, bytes)
      case "record": try record(path, bytes)
      default: fail(64, "file-writer: \(words[1]): replace or record")
      }
    } catch {
      fail(1, "\(error.kind.rawValue): \(error.message)")
    }
  }

  private static func replace(_ path: String, _ bytes: [UInt8]) throws(FileFailure) {
    let old = try StagedFile.inspect(path)?.digest
    access(begin, F_OK)
    defer { access(end, F_OK) }
    let lock = try WriterLock(path)
    try StagedFile.removeOrphans(under: lock, except: [])
    _ = try StagedFile.stage(bytes, under: lock, tag: "r1", expecting: old)
    // A second value, as after a crash between the two. Its mode is no longer the target's, so that
    // installing has to do that part of the work too.
    let staged = try StagedFile(under: lock, tag: "r1", old: old, new: Digest.sha256(bytes))
    chmod(staged.path, 0o400)
    try staged.install()
    try StagedFile.syncDirectory(of: staged.target)
  }

  private static func record(_ path: String, _ bytes: [UInt8]) throws(FileFailure) {
    access(begin, F_OK)
    defer { access(end, F_OK) }
    let directory = path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
    try DurableRecord.removeOrphans(in: String(directory))
    try DurableRecord.write(path, bytes)
  }

  private static func fail(_ code: Int32, _ text: String) -> Never {
    let line = Array("\(text)\n".utf8)
    _ = write(2, line, line.count)
    exit(code)
  }
}
