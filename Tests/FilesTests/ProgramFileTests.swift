// SPDX-License-Identifier: Apache-2.0
@testable import Files
import Glibc
@testable import Linux
import Model
import Testing
import Threads

@Suite("The file of a program")
struct ProgramFileTests {
  private static let release = "RELEASE.2025-09-07T16-13-09Z"

  /// Several parts of a read, with a release's name where one part ends.
  private static func bytes(_ release: String, at offset: Int, count: Int = 3 << 20) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.replaceSubrange(0..<4, with: [0x7F, 0x45, 0x4C, 0x46])
    bytes.replaceSubrange(offset..<(offset + release.utf8.count), with: Array(release.utf8))
    return bytes
  }

  @Test(
    "all its bytes are handed over, and a release's name is found wherever it stands",
    arguments: [
      4, 4_000, (1 << 20) - 28, (1 << 20) - 27, (1 << 20) - 1, 1 << 20, (2 << 20) - 8,
      (3 << 20) - 28,
    ])
  func content(offset: Int) throws {
    let directory = try TemporaryDirectory()
    let bytes = Self.bytes(Self.release, at: offset)
    try make(directory("minio"), bytes)
    var read: [UInt8] = []
    let content = try ProgramFile.read(directory("minio"), until: .inMilliseconds(60_000)) {
      read += $0
    }
    #expect(read == bytes)
    #expect(content.isNative && content.releaseTexts == [Self.release])
  }

  @Test("a script is not native, and an empty file holds nothing")
  func script() throws {
    let directory = try TemporaryDirectory()
    try make(directory("script"), "#!/bin/sh\n")
    try make(directory("empty"), "")
    for name in ["script", "empty"] {
      let content = try ProgramFile.read(directory(name), until: .inMilliseconds(60_000)) { _ in }
      #expect(!content.isNative && content.releaseTexts.isEmpty)
    }
  }

  @Test("a file of exactly the limit is read, a larger one and one that takes too long are refused")
  func limits() throws {
    let directory = try TemporaryDirectory()
    try make(directory("minio"), Self.bytes(Self.release, at: 9, count: 2_000_000))
    func kind(_ limit: Int, _ milliseconds: Int) -> FileFailure.Kind? {
      failure { () throws(FileFailure) in
        _ = try ProgramFile.read(
          directory("minio"), limitBytes: limit, until: .inMilliseconds(milliseconds)
        ) { _ in }
      }?.kind
    }
    #expect(kind(2_000_000, 60_000) == nil)
    #expect(kind(1_999_999, 60_000) == .tooLarge)
    #expect(kind(2_000_000, -1) == .system)
  }

  @Test(
    "a mark tells a changed and a replaced file from what they were, and a removed one is the same file"
  )
  func marks() throws {
    let directory = try TemporaryDirectory()
    #expect(try ProgramFile.mark(of: directory("minio")) == nil)
    try make(directory("minio"), "a")
    let first = try #require(try ProgramFile.mark(of: directory("minio")))
    #expect(try ProgramFile.mark(of: directory("minio")) == first)
    let open = Glibc.open(directory("minio"), O_RDONLY | O_CLOEXEC)
    defer { close(open) }
    try make(directory("other"), "b")
    #expect(rename(directory("other"), directory("minio")) == 0)
    let second = try #require(try ProgramFile.mark(of: directory("minio")))
    #expect(!second.isSameFile(first))
    let removed = try #require(try ProgramFile.mark(of: "/proc/self/fd/\(open)"))
    #expect(removed.isSameFile(first) && removed != first)
  }
}
