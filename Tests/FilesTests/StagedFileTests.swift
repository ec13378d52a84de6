// SPDX-License-Identifier: Apache-2.0
import CLinux
import Crypto
import Files
import Glibc
import Linux
import Model
import Testing

private let old = Array("MINIO_VOLUMES=/data\n".utf8)
private let new = Array("MINIO_VOLUMES=/data\nMINIO_KMS_SERVER=https://kms:7373\n".utf8)

/// What `body` fails with; nil if it does not.
func failure(_ body: () throws(FileFailure) -> Void) -> FileFailure? {
  do throws(FileFailure) {
    try body()
    return nil
  } catch { return error }
}

@Suite struct StagedFileTests {
  let directory: TemporaryDirectory
  let target: String
  let lock: WriterLock

  init() throws {
    directory = try TemporaryDirectory()
    target = directory("minio")
    lock = try WriterLock(target)
  }

  private func stage(
    tag: String = "r1", _ bytes: [UInt8] = new, expecting: [UInt8]? = old
  ) throws(FileFailure) -> StagedFile {
    try StagedFile.stage(
      bytes, under: lock, tag: tag, expecting: expecting.map { Digest.sha256($0) })
  }

  /// What is in the directory besides the lock.
  private func names() throws -> [String] {
    try directory.names().filter { $0 != ".minio.keyturn.lock" }
  }

  @Test("a staged file changes nothing under the target's name until it is installed")
  func staged() throws {
    try make(target, old, mode: 0o640)
    let staged = try stage()
    #expect(try names() == [".minio.keyturn-r1", "minio"])
    #expect(staged.path == directory(".minio.keyturn-r1"))
    #expect(try FileReading.read(target, limitBytes: 1000).bytes == old)
    try staged.install()
    try StagedFile.syncDirectory(of: staged.target)
    #expect(try names() == ["minio"])
    #expect(try FileReading.read(target, limitBytes: 1000).bytes == new)
  }

  @Test(
    "the new version has the old one's mode, set-id and sticky bits included",
    arguments: [0o400, 0o440, 0o600, 0o640, 0o644, 0o755, 0o4755, 0o1600] as [UInt32])
  func mode(_ mode: UInt32) throws {
    try make(target, old, mode: mode)
    let staged = try stage()
    #expect(try FileReading.read(staged.path, limitBytes: 1000).facts.mode == mode)
    try staged.install()
    #expect(try FileReading.read(target, limitBytes: 1000).facts.mode == mode)
  }

  @Test("the new version has the old one's owner and group", .enabled(if: isRoot, "needs root"))
  func owner() throws {
    try make(target, old, mode: 0o640)
    #expect(chown(target, 1234, 5678) == 0)
    try stage().install()
    let facts = try FileReading.read(target, limitBytes: 1000).facts
    #expect((facts.userID, facts.groupID, facts.mode) == (1234, 5678, 0o640))
  }

  @Test("the new version has the old one's extended attributes and access list")
  func attributes() throws {
    try make(target, old, mode: 0o640)
    let file = FileDescriptor(owning: open(target, O_RDWR | O_CLOEXEC))
    let set = kt_xattr_set(file.raw, "user.note", "kept", 4)
    let list = kt_xattr_set(file.raw, accessListName, accessList, accessList.count)
    guard set == 0, list == 0 else { try Test.cancel("this file system has no such attributes") }
    let mode = try FileReading.read(target, limitBytes: 1000).facts.mode
    try stage().install()
    let installed = FileDescriptor(owning: open(target, O_RDONLY | O_CLOEXEC))
    #expect(attribute("user.note", of: installed) == Array("kept".utf8))
    #expect(attribute(accessListName, of: installed) == accessList)
    #expect(try FileReading.read(target, limitBytes: 1000).facts.mode == mode)
  }

  @Test("an access list that the directory hands down does not reach the new version")
  func inheritedAccessList() throws {
    let opened = FileDescriptor(owning: open(directory.path, O_RDONLY | O_CLOEXEC))
    let set = kt_xattr_set(opened.raw, "system.posix_acl_default", accessList, accessList.count)
    guard set == 0 else { try Test.cancel("this file system has no access lists") }
    try stage(expecting: nil).install()
    let installed = FileDescriptor(owning: open(target, O_RDONLY | O_CLOEXEC))
    #expect(attribute(accessListName, of: installed) == nil)
    #expect(try FileReading.read(target, limitBytes: 1000).facts.mode == 0o600)
  }

  @Test("a file that did not exist is made 0600 and belongs to the process's user")
  func absent() throws {
    try stage(expecting: nil).install()
    let file = try FileReading.read(target, limitBytes: 1000)
    #expect((file.bytes, file.facts.mode, file.facts.userID) == (new, 0o600, geteuid()))
  }

  @Test("install, discard and stage may be repeated, also by a value made again after a crash")
  func repeated() throws {
    try make(target, old)
    _ = try stage()
    try make(directory(".minio.keyturn-r1"), "torn by a crash")
    _ = try stage()
    let again = try StagedFile(
      under: lock, tag: "r1", old: Digest.sha256(old), new: Digest.sha256(new))
    try again.install()
    try again.install()
    try again.discard()
    try again.discard()
    #expect(try names() == ["minio"])
    #expect(try FileReading.read(target, limitBytes: 1000).bytes == new)
  }

  @Test("a discarded file leaves the target as it was")
  func discarded() throws {
    try make(target, old)
    try stage().discard()
    #expect(try names() == ["minio"])
    #expect(try FileReading.read(target, limitBytes: 1000).bytes == old)
  }

  @Test("an installed file that somebody edited by hand is not discarded")
  func editedAfterwards() throws {
    try make(target, old)
    let staged = try stage()
    try staged.install()
    try make(target, "edited\n")
    try staged.discard()
    #expect(try content(target) == "edited\n")
  }

  enum Obstacle: CaseIterable {
    case symbolicLink, danglingLink, directory, pipe, hardLink, tooLarge, changed, gone, appeared
  }

  @Test(
    "what a rename would not really replace is refused, untouched", arguments: Obstacle.allCases)
  func refused(_ obstacle: Obstacle) throws {
    var expecting: [UInt8]? = old
    let kind: FileFailure.Kind
    switch obstacle {
    case .symbolicLink:
      try make(directory("real"), old)
      #expect(symlink("real", target) == 0)
      kind = .symbolicLink
    case .danglingLink:
      #expect(symlink("nowhere", target) == 0)
      expecting = nil
      kind = .symbolicLink
    case .directory:
      #expect(mkdir(target, 0o700) == 0)
      kind = .notRegular
    case .pipe:
      #expect(mkfifo(target, 0o600) == 0)
      kind = .notRegular
    case .hardLink:
      try make(target, old)
      #expect(link(target, directory("other name")) == 0)
      kind = .hardLinks
    case .tooLarge:
      try make(target, [UInt8](repeating: 0x23, count: Limits.environmentFileBytes + 1))
      kind = .tooLarge
    case .changed:
      try make(target, "edited by hand\n")
      kind = .changed
    case .gone: kind = .changed
    case .appeared:
      try make(target, old)
      expecting = nil
      kind = .changed
    }
    let before = try names()
    let failure = failure { () throws(FileFailure) in _ = try stage(expecting: expecting) }
    #expect(failure?.kind == kind)
    #expect(failure?.path == target)
    #expect(failure?.message.contains(target) == true)
    #expect(failure?.message.contains("MINIO_KMS") == false)
    #expect(try names() == before)
  }

  @Test("a change that was planned from another version is a vote, the rest is about the file")
  func refusals() {
    #expect(FileFailure(.changed, "/a", "").refusal.code == .vote)
    #expect(FileFailure(.diskFull, "/a", "").refusal.code == .file)
  }

  @Test("a new version of the largest size is staged, one byte more is refused")
  func limit() throws {
    try make(target, old)
    let largest = [UInt8](repeating: 0x23, count: Limits.environmentFileBytes)
    try stage(largest).discard()
    let failure = failure { () throws(FileFailure) in _ = try stage(largest + [0x23]) }
    #expect(failure?.kind == .tooLarge)
    #expect(try names() == ["minio"])
  }

  @Test("a path that is not absolute or names no file, and a tag that is no name, are refused")
  func unusableNames() {
    for path in ["minio", "", "/", "/etc/", "/etc/..", "/etc/."] {
      #expect(
        failure { () throws(FileFailure) in _ = try WriterLock(path) }?.kind == .invalid)
    }
    for tag in ["", "../x", "a/b", ".", "a b", String(repeating: "a", count: 65)] {
      #expect(
        failure { () throws(FileFailure) in _ = try stage(tag: tag, expecting: nil) }?.kind
          == .invalid)
    }
  }

  @Test("a target that was changed after the staging is not overwritten")
  func changedBeforeInstall() throws {
    try make(target, old)
    let staged = try stage()
    try make(target, "edited by hand\n")
    #expect(failure { () throws(FileFailure) in try staged.install() }?.kind == .changed)
    #expect(try content(target) == "edited by hand\n")
    #expect(try names() == [".minio.keyturn-r1", "minio"])
  }

  @Test("a target that appeared or disappeared after the staging is not written")
  func appearedBeforeInstall() throws {
    let staged = try stage(expecting: nil)
    try make(target, "made by hand\n")
    #expect(failure { () throws(FileFailure) in try staged.install() }?.kind == .changed)
    #expect(try content(target) == "made by hand\n")
    try make(target, old)
    let second = try stage(tag: "r2")
    unlink(target)
    #expect(failure { () throws(FileFailure) in try second.install() }?.kind == .changed)
    #expect(try content(target) == nil)
  }

  @Test("a staged file that was altered, cut, linked or removed is not installed")
  func alteredStaged() throws {
    try make(target, old)
    let staged = try stage()
    let alterations: [() throws -> Void] = [
      { try make(staged.path, new + [0x0A]) },
      { try make(staged.path, Array(new.dropLast())) },
      { unlink(staged.path) },
      { link(try make(directory("other"), new), staged.path) },
    ]
    for alter in alterations {
      try alter()
      #expect(failure { () throws(FileFailure) in try staged.install() }?.kind == .damaged)
      #expect(try FileReading.read(target, limitBytes: 1000).bytes == old)
    }
  }

  @Test("a mode that was narrowed between staging and installing stays narrow")
  func narrowedMeanwhile() throws {
    try make(target, old, mode: 0o644)
    let staged = try stage()
    #expect(chmod(target, 0o600) == 0)
    try staged.install()
    let file = try FileReading.read(target, limitBytes: 1000)
    #expect((file.bytes, file.facts.mode) == (new, 0o600))
  }

  @Test("staged files of unknown rollouts are found and removed, and nothing else is")
  func orphans() throws {
    try make(target, old)
    for tag in ["r1", "r2", "r3"] { _ = try stage(tag: tag) }
    let others = [".minio.keyturn-", ".minio.keyturn-a b", ".other.keyturn-r1", "minio.bak"]
    for name in others { try make(directory(name), "") }
    #expect(try StagedFile.tags(beside: target) == ["r1", "r2", "r3"])
    #expect(try StagedFile.removeOrphans(under: lock, except: ["r2"]) == ["r1", "r3"])
    #expect(try names() == ([".minio.keyturn-r2", "minio"] + others).sorted())
    #expect(try StagedFile.tags(beside: directory("no/such/file")) == [])
  }

  @Test("a staged file that a killed agent left is removed at the start, and is no generation")
  func orphanOfACrash() throws {
    try make(target, old)
    _ = try stage(tag: "r1")
    try make(directory(".minio.keyturn-r2"), "torn")
    #expect(try StagedFile.removeOrphans(under: lock, except: []) == ["r1", "r2"])
    #expect(try names() == ["minio"])
    #expect(try FileReading.read(target, limitBytes: 1000).bytes == old)
  }

  @Test("the inspection refuses what the staging would, and gives the content otherwise")
  func inspected() throws {
    #expect(try StagedFile.inspect(target) == nil)
    try make(target, old)
    #expect(try StagedFile.inspect(target)?.digest == Digest.sha256(old))
    #expect(link(target, directory("other")) == 0)
    #expect(
      failure { () throws(FileFailure) in _ = try StagedFile.inspect(target) }?.kind == .hardLinks)
  }

  @Test(
    "a directory in which nothing may be made is refused",
    .enabled(if: !isRoot, "root may write anywhere"))
  func directoryNotWritable() throws {
    try make(target, old)
    #expect(chmod(directory.path, 0o500) == 0)
    #expect(
      failure { () throws(FileFailure) in _ = try stage() }?.kind == .notPermitted)
    #expect(chmod(directory.path, 0o700) == 0)
    #expect(try names() == ["minio"])
  }

  @Test("a new file is given to the owner that was asked for, 0600", .enabled(if: isRoot))
  func ownerOfNew() throws {
    let owner = UserAccount(userID: 4321, groupID: 4400)
    let staged = try StagedFile.stage(new, under: lock, tag: "r1", expecting: nil, owner: owner)
    try staged.install()
    let snapshot = try #require(try FileSnapshot(target))
    #expect((snapshot.user, snapshot.group, snapshot.mode) == (4321, 4400, 0o600))
    // One that is there keeps its own.
    let again = try StagedFile.stage(
      old, under: lock, tag: "r2", expecting: Digest.sha256(new),
      owner: UserAccount(userID: 1, groupID: 1))
    try again.install()
    #expect(try FileSnapshot(target)?.user == 4321)
  }

  @Test("a check refuses what a staging would refuse, and writes nothing")
  func check() throws {
    try StagedFile.check(target)
    try make(target, old)
    try StagedFile.check(target)
    symlink(target, directory("link"))
    let link = failure { () throws(FileFailure) in try StagedFile.check(directory("link")) }
    #expect(link?.kind == .symbolicLink)
    let absent = failure { () throws(FileFailure) in
      try StagedFile.check(directory("none/minio"))
    }
    #expect(absent?.kind == .absent)
    #expect(try names() == ["link", "minio"])
  }
}
