// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import TestSupport
import Testing
import Threads

/// acl(5) as the kernel stores it: tag, permissions, id.
private func list(_ entries: [(tag: UInt8, permissions: UInt8, id: UInt32)]) -> [UInt8] {
  entries.reduce([2, 0, 0, 0]) { bytes, entry in
    bytes + [entry.tag, 0, entry.permissions, 0]
      + [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: entry.id >> UInt32($0)) }
  }
}
private let nobody = UInt32.max

@Suite struct FileAccessTests {
  /// Searchable for everybody.
  let directory: TemporaryDirectory
  private let user = UserAccount(userID: 4321, groupID: 4400, groupIDs: [4401])

  init() throws {
    directory = try TemporaryDirectory()
    chmod(directory.path, 0o711)
  }

  private func obstacle(_ name: String) throws -> String? {
    try FileAccess.obstacle(reading: directory(name), as: user)
  }

  /// Whether the kernel lets a process of the user's read it.
  private func kernelPermits(_ name: String) throws -> Bool {
    let outcome = try Subprocess.run(
      "/usr/bin/setpriv",
      [
        "--reuid=4321", "--regid=4400", "--groups=4400,4401", "--inh-caps=-all", "/bin/cat",
        directory(name),
      ], until: .inMilliseconds(10_000))
    return outcome.status == 0
  }

  @Test(
    "what is said of a file's owner, group and mode is what the kernel does", .enabled(if: isRoot))
  func modes() throws {
    for mode in [0o000, 0o004, 0o040, 0o400, 0o044, 0o640, 0o604, 0o755] as [UInt32] {
      for (owner, group) in [(0, 0), (4321, 0), (0, 4400), (0, 4401), (4321, 4401)]
        as [(uid_t, gid_t)]
      {
        try make(directory("file"), "x")
        try #require(chown(directory("file"), owner, group) == 0)
        try #require(chmod(directory("file"), mode) == 0)
        let obstacle = try obstacle("file")
        #expect(
          try (obstacle == nil) == kernelPermits("file"),
          "mode \(String(mode, radix: 8)) of \(owner):\(group)")
      }
    }
  }

  @Test("what is said of an access list is what the kernel does", .enabled(if: isRoot))
  func accessLists() throws {
    let lists: [[(tag: UInt8, permissions: UInt8, id: UInt32)]] = [
      [(1, 6, nobody), (2, 4, 4321), (4, 0, nobody), (16, 4, nobody), (32, 0, nobody)],
      [(1, 6, nobody), (2, 4, 4321), (4, 0, nobody), (16, 0, nobody), (32, 4, nobody)],
      [(1, 6, nobody), (2, 4, 4321), (4, 0, nobody), (16, 2, nobody), (32, 4, nobody)],
      [(1, 6, nobody), (2, 0, 4321), (4, 4, nobody), (16, 4, nobody), (32, 4, nobody)],
      [(1, 6, nobody), (4, 0, nobody), (8, 4, 4401), (16, 4, nobody), (32, 0, nobody)],
      [(1, 6, nobody), (4, 4, nobody), (8, 0, 4401), (16, 4, nobody), (32, 4, nobody)],
      [(1, 6, nobody), (4, 0, nobody), (8, 4, 9999), (16, 4, nobody), (32, 0, nobody)],
      [(1, 6, nobody), (2, 4, 9999), (4, 4, nobody), (16, 4, nobody), (32, 4, nobody)],
    ]
    for (index, entries) in lists.enumerated() {
      for group in [0, 4400] as [gid_t] {
        try make(directory("file"), "x")
        try #require(chown(directory("file"), 0, group) == 0)
        // Not every file system has them.
        guard setAttribute(accessListName, list(entries), of: directory("file")) else { return }
        let obstacle = try obstacle("file")
        #expect(try (obstacle == nil) == kernelPermits("file"), "list \(index), group \(group)")
      }
    }
  }

  @Test("each directory on the way must be searchable, links followed", .enabled(if: isRoot))
  func directories() throws {
    for name in ["open", "closed"] {
      mkdir(directory(name), 0o755)
      try make(directory("\(name)/file"), "x", mode: 0o644)
    }
    chmod(directory("closed"), 0o700)
    symlink("closed/file", directory("to-closed"))
    symlink(directory("open/file"), directory("to-open"))
    symlink("../open/../closed", directory("open/aside"))
    symlink("nowhere", directory("dangling"))
    for name in ["open/file", "to-open", "closed/file", "to-closed", "open/aside/file"] {
      let obstacle = try obstacle(name)
      #expect(try (obstacle == nil) == kernelPermits(name), "\(name)")
      #expect(obstacle?.contains(directory("closed")) ?? true)
    }
    #expect(try obstacle("dangling") == nil)
    #expect(try obstacle("none/file") == nil)
    symlink("loop", directory("loop"))
    let loop = failure { () throws(FileFailure) in
      _ = try FileAccess.obstacle(reading: directory("loop"), as: user)
    }
    #expect(loop?.kind == .symbolicLink)
  }

  @Test("accounts are looked up by name and number; one that does not exist is none")
  func accounts() {
    let root = UserAccount(user: "root", group: "", supplementaryGroups: [])
    #expect(root?.userID == 0 && root?.groupID == 0 && root?.groupIDs.contains(0) == true)
    #expect(UserAccount(user: "0", group: "", supplementaryGroups: []) == root)
    #expect(
      UserAccount(user: "54321", group: "7", supplementaryGroups: ["root"])
        == UserAccount(userID: 54321, groupID: 7, groupIDs: [0]))
    #expect(UserAccount(user: "no-such-user", group: "", supplementaryGroups: []) == nil)
    #expect(UserAccount(user: "54321", group: "", supplementaryGroups: []) == nil)
    #expect(UserAccount(user: "root", group: "no-such-group", supplementaryGroups: []) == nil)
    #expect(UserAccount(user: "root", group: "", supplementaryGroups: ["no-such-group"]) == nil)
  }
}

@Suite struct PathPatternTests {
  @Test("a pattern gives its files in the order of bytes, hidden ones only where it names the dot")
  func patterns() throws {
    let directory = try TemporaryDirectory()
    for name in ["10.env", "2.env", "Z.env", "a.env", ".h.env", "other", "[x]"] {
      try make(directory(name), "")
    }
    symlink("nowhere", directory("link"))
    func names(_ pattern: String) throws -> [String] {
      try PathPattern.paths(matching: directory(pattern)).map {
        String($0.dropFirst(directory.path.utf8.count + 1))
      }
    }
    #expect(try names("*.env") == ["10.env", "2.env", "Z.env", "a.env"])
    #expect(try names("[0-9]*.env") == ["10.env", "2.env"])
    #expect(try names("?.env") == ["2.env", "Z.env", "a.env"])
    #expect(try names(".*") == [".h.env"])
    #expect(try names("other") == ["other"])
    #expect(try names("\\[x]") == ["[x]"])
    #expect(try names("link") == ["link"])
    #expect(try names("none") == [])
    #expect(try names("none*") == [])
  }
}
