// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import Linux
package import Model
internal import Threads

/// Reads the file of a program, which may be large and is never run here.
package enum ProgramFile {
  /// What it holds, besides its bytes.
  package struct Content: Sendable {
    /// Whether the kernel runs it as it is: a script is run by another program.
    package var isNative: Bool
    /// Texts that begin with `RELEASE.`, each as long as a release's name, the first few that differ.
    package var releaseTexts: [String]
  }

  private static let chunkBytes = 1 << 20
  private static let mark = Array("RELEASE.".utf8)
  /// `RELEASE.2025-09-07T16-13-09Z`.
  private static let releaseBytes = 28
  private static let releaseLimit = 64

  /// What the file is now, links followed (also that of /proc/PID/exe, whatever became of its name); nil if there is
  /// none. Does not block on a local file system.
  package static func mark(of path: String) throws(FileFailure) -> ProgramMark? {
    var facts = stat()
    do throws(FileFailure) {
      _ = try fileCall("stat", path) { stat(path, &facts) }
    } catch {
      if error.kind == .absent { return nil }
      throw error
    }
    func nanoseconds(_ time: timespec) -> Int64 {
      Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
    return ProgramMark(
      device: UInt64(facts.st_dev), inode: UInt64(facts.st_ino), bytes: Int64(facts.st_size),
      modified: nanoseconds(facts.st_mtim), changed: nanoseconds(facts.st_ctim))
  }

  /// Reads all of it, for the disk only when nobody else wants it (ioprio_set(2), where that is allowed), and hands it
  /// over part by part, in order. Blocks until the deadline at the longest.
  package static func read(
    _ path: String, limitBytes: Int = Limits.programBytes, until deadline: Instant,
    _ take: (UnsafeRawBufferPointer) -> Void
  ) throws(FileFailure) -> Content {
    _ = kt_set_idle_disk_priority(1)
    defer { _ = kt_set_idle_disk_priority(0) }
    let file = try FileTree.own.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard try FileFacts(of: file, path: path).isRegular else {
      throw FileFailure(.notRegular, path, "read \(path): it is not a regular file")
    }
    let raw = file.raw
    var releases: [String] = []
    var isNative = false
    var total = 0
    // The end of the last part stands before the next: a text may begin in one and end in the other.
    var buffer = [UInt8](repeating: 0, count: releaseBytes + chunkBytes)
    var kept = 0
    while true {
      if Clock.now() >= deadline {
        throw FileFailure(.system, path, "read \(path): it took too long; try again")
      }
      let start = kept
      let count = try fileCall("read", path) {
        buffer.withUnsafeMutableBytes {
          Glibc.read(raw, $0.baseAddress?.advanced(by: start), chunkBytes)
        }
      }
      if count == 0 { break }
      if total == 0 { isNative = buffer[0..<4].elementsEqual([0x7F, 0x45, 0x4C, 0x46]) }
      total += count
      if total > limitBytes {
        throw FileFailure(
          .tooLarge, path, "read \(path): it is larger than \(limitBytes) bytes, the limit for it")
      }
      let end = start + count
      buffer.withUnsafeBytes { bytes in
        take(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        find(in: UnsafeRawBufferPointer(rebasing: bytes[0..<end]), &releases)
      }
      kept = min(end, releaseBytes - 1)
      buffer.withUnsafeMutableBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        memmove(base, base + (end - kept), kept)
      }
    }
    return Content(isNative: isNative, releaseTexts: releases)
  }

  private static func find(in bytes: UnsafeRawBufferPointer, _ found: inout [String]) {
    guard let base = bytes.baseAddress else { return }
    var offset = 0
    while offset + releaseBytes <= bytes.count,
      let hit = kt_find(base + offset, bytes.count - offset, mark, mark.count)
    {
      let at = UnsafeRawPointer(hit) - base
      if at + releaseBytes > bytes.count { return }
      let text = String(
        decoding: UnsafeRawBufferPointer(rebasing: bytes[at..<(at + releaseBytes)]), as: UTF8.self)
      if found.count < releaseLimit, !found.contains(text) { found.append(text) }
      offset = at + mark.count
    }
  }
}
