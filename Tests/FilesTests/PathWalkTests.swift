// SPDX-License-Identifier: Apache-2.0
@testable import Files
import Glibc
import Testing

@Suite("PathWalk and FileTree") struct PathWalkTests {
  private let directory: TemporaryDirectory
  private let user = UserAccount(userID: getuid(), groupID: getgid())

  init() throws { directory = try TemporaryDirectory() }

  private func make(_ name: String, mode: mode_t = 0o755) throws -> String {
    let path = directory(name)
    try #require(mkdir(path, mode) == 0 && chmod(path, mode) == 0)
    return path
  }

  private func file(_ path: String, mode: mode_t = 0o600) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT, mode)
    try #require(descriptor >= 0 && fchmod(descriptor, mode) == 0)
    _ = close(descriptor)
  }

  @Test("every place on the way is told, links resolved, the file last")
  func steps() throws {
    let real = try make("real")
    try file("\(real)/a.env")
    try #require(symlink("real", directory("link")) == 0)
    try #require(symlink("\(directory("link"))/a.env", directory("b.env")) == 0)
    let walk = try PathWalk(directory("b.env"), in: .own, trusting: PathWalk.Trust(user))
    #expect(walk.exists && walk.real == "\(real)/a.env")
    #expect(walk.steps.contains(directory("link")))
    #expect(walk.steps.contains(directory("b.env")))
  }

  @Test("a link that is switched changes the file, however old its target is")
  func switched() throws {
    for name in ["old.env", "new.env"] { try file(directory(name)) }
    let link = directory("config.env")
    try #require(symlink("new.env", link) == 0)
    func changed(_ path: String) throws -> Int64 {
      try PathWalk(path, in: .own, trusting: nil).changedNanoseconds
    }
    let before = try changed(link)
    #expect(try before >= changed(directory("new.env")))
    // A time stamp has the grain of the kernel's timer.
    while try changed(directory("clock")) <= before {
      unlink(directory("clock"))
      try file(directory("clock"))
    }
    try #require(unlink(link) == 0 && symlink("old.env", link) == 0)
    #expect(try changed(link) > before)
    #expect(try changed(directory("none")) == 0)
  }

  @Test(
    "whoever asks, a user is trusted with its own group, and one that does not exist with nothing")
  func trust() {
    #expect(PathWalk.Trust(user: "nobody-of-this-name") == PathWalk.Trust(nil))
    #expect(PathWalk.Trust(user: nil) == PathWalk.Trust(nil))
    let daemon = PathWalk.Trust(user: "daemon")
    #expect(daemon.users.count == 2 && daemon.groups.count == 2)
  }

  @Test("a file that is not there, a link that leads nowhere, a file as a directory: not there")
  func missing() throws {
    try file(directory("file"))
    try #require(symlink("nowhere", directory("dangling")) == 0)
    for name in ["none", "none/x", "dangling", "file/x"] {
      let walk = try PathWalk(directory(name), in: .own, trusting: PathWalk.Trust(user))
      #expect(!walk.exists, "\(name)")
    }
  }

  @Test("links in a circle are an error, not an endless walk")
  func circle() throws {
    try #require(symlink("b", directory("a")) == 0 && symlink("a", directory("b")) == 0)
    #expect(throws: FileFailure.self) {
      try PathWalk(directory("a"), in: .own, trusting: PathWalk.Trust(user))
    }
  }

  /// The tree whose root is the test's directory: what is above belongs to this machine.
  private var below: FileTree { FileTree(root: directory.path, mounts: "") }

  private func foreign(_ path: String) throws -> String? {
    try PathWalk(path, in: below, trusting: PathWalk.Trust(user)).foreign
  }

  @Test("the file, a directory, a sticky directory that others may write are told, with who")
  func writers() throws {
    for (name, mode) in [("sound", 0o755), ("open", 0o777), ("sticky", 0o1777)]
      as [(String, mode_t)]
    {
      try file("\(make(name, mode: mode))/a.env")
    }
    try file(directory("sound/b.env"), mode: 0o602)
    #expect(try foreign("/sound/a.env") == nil)
    #expect(try foreign("/open/a.env")?.hasPrefix("every user may write /open ") == true)
    #expect(try foreign("/sticky/a.env")?.hasPrefix("every user may write /sticky ") == true)
    #expect(try foreign("/sound/b.env")?.hasPrefix("every user may write /sound/b.env ") == true)
    // A link is as good as the directory that it is in, and as what it leads to.
    try #require(symlink("../open/a.env", directory("sound/c.env")) == 0)
    #expect(try foreign("/sound/c.env")?.contains("/open ") == true)
    // What is not there could be made.
    #expect(try foreign("/open/none")?.contains("/open ") == true)
  }

  @Test(
    "a file of another user or group is told, one of the trusted is not",
    .enabled(if: getuid() == 0))
  func owners() throws {
    for name in ["user", "group"] { try file(directory(name), mode: 0o660) }
    try #require(
      chown(directory("user"), 4_711, 0) == 0 && chown(directory("group"), 0, 4_712) == 0)
    #expect(try foreign("/user")?.hasPrefix("user 4711 may write /user ") == true)
    #expect(try foreign("/group")?.hasPrefix("group 4712 may write /group ") == true)
    let trust = PathWalk.Trust(UserAccount(userID: 4_711, groupID: 4_712))
    for path in ["/user", "/group"] {
      #expect(try PathWalk(path, in: below, trusting: trust).foreign == nil, "\(path)")
    }
  }

  @Test("the tree of a process: the same file, its links lead where they lead that process")
  func tree() throws {
    let path = directory("a.env")
    try file(path)
    try #require(symlink(path, directory("link")) == 0)
    let tree = FileTree.of(pid: getpid())
    for name in ["a.env", "link"] {
      let read = try FileReading.readIfPresent(directory(name), limitBytes: 10, in: tree)
      #expect(read != nil, "\(name)")
    }
    #expect(
      try FileReading.readIfPresent(directory("none"), limitBytes: 10, in: tree) == nil)
    #expect(try PathPattern.paths(matching: directory("*.env"), in: tree) == [path])
    #expect(try PathPattern.paths(matching: path, in: tree) == [path])
    #expect(try PathPattern.paths(matching: directory("none"), in: tree) == [])
  }

  @Test("a process that has ended has no tree: an error, not a file that is missing")
  func noProcess() throws {
    // Beyond the kernel's largest number of a process (PID_MAX_LIMIT).
    let gone = FileTree.of(pid: 1 << 22 | 1)
    #expect(throws: FileFailure.self) {
      try FileReading.readIfPresent("/etc/hostname", limitBytes: 100, in: gone)
    }
  }
}
