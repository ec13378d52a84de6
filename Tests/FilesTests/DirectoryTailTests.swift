// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import Testing
import Threads

@Suite struct DirectoryTailTests {
  private final class Heard: Sendable {
    let lines = Lock([(text: String, isNew: Bool)]())
    let failures = Lock([FileFailure.Kind]())

    func wait(for count: Int) -> [String] {
      lines.wait(until: .inMilliseconds(20_000)) { $0.count >= count ? $0.map(\.text) : nil }
        ?? lines.withLock { $0.map(\.text) }
    }
  }

  private func follow(_ path: String, since: Int64 = 0) throws -> (Heard, DirectoryTail) {
    let heard = Heard()
    let tail = try DirectoryTail(
      path, since: since,
      deliver: { line, isNew in heard.lines.update { $0.append((line, isNew)) } },
      fail: { failure in heard.failures.update { $0.append(failure.kind) } })
    return (heard, tail)
  }

  private func append(_ text: String, to path: String) throws {
    let file = FileDescriptor(
      owning: try retrying("open") { open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600) })
    let bytes = Array(text.utf8)
    _ = try retrying("write") { write(file.raw, bytes, bytes.count) }
  }

  @Test("lines come once they are whole, through a rotation, and what was there is told apart")
  func rotation() throws {
    let directory = try TemporaryDirectory()
    let log = directory("minio.log")
    try append("was there\nhalf", to: log)
    let (heard, tail) = try follow(directory.path)
    defer { tail.stop() }
    #expect(heard.wait(for: 1) == ["was there"])
    try append(" and half\n", to: log)
    #expect(heard.wait(for: 2) == ["was there", "half and half"])
    rename(log, directory("minio-1.log"))
    try append("of a new file\n", to: log)
    #expect(heard.wait(for: 3).last == "of a new file")
    try append("of the old one\n", to: directory("minio-1.log"))
    #expect(heard.wait(for: 4).last == "of the old one")
    #expect(heard.lines.withLock { $0.map(\.isNew) } == [false, true, true, true])
  }

  @Test("of a large file only the end is read, from the first whole line on")
  func large() throws {
    let directory = try TemporaryDirectory()
    let line = String(repeating: "x", count: 99) + "\n"
    try append(String(repeating: line, count: 4_000), to: directory("a"))
    try append("end\n", to: directory("a"))
    let (heard, tail) = try follow(directory.path)
    defer { tail.stop() }
    let end = heard.lines.wait(until: .inMilliseconds(20_000)) {
      $0.last?.text == "end" ? $0.map(\.text) : nil
    }
    let lines = try #require(end)
    #expect(lines.count == 2_622 && lines.dropLast().allSatisfy { $0.utf8.count == 99 })
  }

  @Test("what was not changed since then is not read, what is appended is")
  func old() throws {
    let directory = try TemporaryDirectory()
    try append("old\n", to: directory("a"))
    let (heard, tail) = try follow(directory.path, since: .max)
    defer { tail.stop() }
    // The first look is over once a new file is heard of.
    try append("other\n", to: directory("b"))
    _ = heard.wait(for: 1)
    try append("new\n", to: directory("a"))
    #expect(heard.wait(for: 2).last == "new")
    #expect(!heard.wait(for: 2).contains("old"))
  }

  @Test("a directory that is not there is told once, and followed when it comes")
  func absent() throws {
    let directory = try TemporaryDirectory()
    let path = directory("log")
    let (heard, tail) = try follow(path)
    defer { tail.stop() }
    let failed = heard.failures.wait(until: .inMilliseconds(20_000)) { $0.isEmpty ? nil : $0 }
    #expect(failed == [.absent])
    mkdir(path, 0o700)
    try append("x\n", to: path + "/a")
    #expect(heard.wait(for: 1) == ["x"])
    #expect(heard.failures.withLock { $0 } == [.absent])
  }
}
