// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Testing

@Suite struct FileTrustTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    chmod(directory.path, 0o755)
  }

  private func make(_ name: String, mode: mode_t) throws -> String {
    let path = directory(name)
    #expect(mkdir(path, 0o700) == 0 && chmod(path, mode) == 0)
    return path
  }

  private func file(_ path: String, mode: UInt32 = 0o644) throws -> String {
    try NewFile.create(path, [1], mode: mode)
    return path
  }

  @Test(
    "a file that only its owner can change is trusted, one that others can is not",
    arguments: [
      (UInt32(0o600), mode_t(0o755), nil), (0o644, 0o700, nil), (0o664, 0o755, "can write"),
      (0o646, 0o755, "everybody can write"), (0o644, 0o775, "can write"),
      (0o644, 0o777, "everybody can write"), (0o644, 0o1777, "everybody can write"),
    ] as [(UInt32, mode_t, String?)])
  func file(mode: UInt32, directoryMode: mode_t, problem: String?) throws {
    let path = try file("\(make("d", mode: directoryMode))/f", mode: mode)
    let found = try FileTrust.problem(of: path)
    #expect(found.map { $0.contains(problem ?? "-") } ?? (problem == nil), "\(found ?? "nil")")
  }

  @Test("of a directory its own mode counts, and of those on the way who can put another one there")
  func directories() throws {
    #expect(try FileTrust.problem(of: make("own", mode: 0o700)) == nil)
    #expect(try FileTrust.problem(of: make("group", mode: 0o770))?.contains("can write") == true)
    #expect(try FileTrust.problem(of: make("all", mode: 0o777))?.contains("everybody") == true)
    // One that is not there yet would be made by this process.
    #expect(try FileTrust.problem(of: directory("all/new"))?.contains("everybody") == true)
    #expect(try FileTrust.problem(of: directory("group/new")) == nil)
    _ = try make("sticky", mode: 0o1777)
    #expect(try FileTrust.problem(of: directory("sticky/new")) == nil)
  }

  @Test("a link leads to where it leads, and the directory that it is in counts too")
  func links() throws {
    let good = try make("good", mode: 0o755)
    let target = try file("\(good)/f")
    let open = try make("open", mode: 0o777)
    #expect(symlink(target, "\(good)/link") == 0 && symlink(target, "\(open)/link") == 0)
    #expect(try FileTrust.problem(of: "\(good)/link") == nil)
    #expect(try FileTrust.problem(of: "\(open)/link")?.contains(open) == true)
    #expect(symlink("\(open)/f", "\(good)/out") == 0)
    _ = try file("\(open)/f")
    #expect(try FileTrust.problem(of: "\(good)/out")?.contains(open) == true)
    #expect(symlink("loop", "\(good)/loop") == 0)
    #expect(throws: FileFailure.self) { try FileTrust.problem(of: "\(good)/loop") }
  }

  @Test("what another user owns is not trusted", .enabled(if: geteuid() == 0))
  func owner() throws {
    let path = try file("\(make("d", mode: 0o755))/f")
    #expect(chown(path, 4321, 0) == 0)
    #expect(try FileTrust.problem(of: path) == "user 4321 owns \(path)")
    #expect(chown(path, 0, 0) == 0 && chown(directory("d"), 4321, 0) == 0)
    #expect(try FileTrust.problem(of: path) == "user 4321 owns \(directory("d"))")
  }
}
