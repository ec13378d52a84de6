// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import Glibc
import Linux
import Testing
import Threads

/// What needs a file system of its own: each test runs on a thread with a mount namespace of its
/// own, which ends with the thread.
@Suite(.enabled(if: isRoot, "mounts need root"))
struct MountedFileTests {
  let directory: TemporaryDirectory
  init() throws { directory = try TemporaryDirectory() }

  @Test("a file that something is mounted on is refused")
  func bindMount() throws {
    let path = directory.path
    try inMountNamespace {
      let target = "\(path)/minio"
      try make(target, [0x61])
      try make("\(path)/source", [0x61])
      try mount("\(path)/source", target, nil, flags: 4096)  // MS_BIND
      let failure = failure { () throws(FileFailure) in _ = try stage([0x62], WriterLock(target)) }
      try #require(failure?.kind == .mountPoint)
      try #require(
        try TemporaryDirectory.names(path) == [".minio.keyturn.lock", "minio", "source"])
    }
  }

  @Test("a read-only file system is refused")
  func readOnly() throws {
    let path = directory.path
    try inMountNamespace {
      let target = "\(path)/minio"
      try mount("tmpfs", path, "tmpfs", flags: 0)
      try make(target, [0x61])
      let lock = try WriterLock(target)
      let staged = try stage([0x62], lock)
      try mount("tmpfs", path, "tmpfs", flags: 33)  // MS_REMOUNT | MS_RDONLY
      try #require(
        failure { () throws(FileFailure) in _ = try stage([0x62], lock) }?.kind == .readOnly)
      try #require(failure { () throws(FileFailure) in try staged.install() }?.kind == .readOnly)
      try #require(try content(target) == "a")
    }
  }

  @Test("a full disk is refused, the old file intact and nothing left beside it")
  func diskFull() throws {
    let path = directory.path
    try inMountNamespace {
      let target = "\(path)/minio"
      try mount("tmpfs", path, "tmpfs", flags: 0, data: "size=64k")
      try make(target, [0x61])
      let large = [UInt8](repeating: 0x62, count: 100_000)
      try #require(
        failure { () throws(FileFailure) in _ = try stage(large, WriterLock(target)) }?.kind
          == .diskFull)
      try #require(
        failure { () throws(FileFailure) in try DurableRecord.write("\(path)/record", large) }?.kind
          == .diskFull)
      try #require(try TemporaryDirectory.names(path) == [".minio.keyturn.lock", "minio"])
      try #require(try content(target) == "a")
      try stage([0x62], WriterLock(target)).install()
      try #require(try content(target) == "b")
    }
  }

  @Test("an immutable and an append-only file are refused", arguments: [0x10, 0x20] as [Int])
  func immutable(_ flag: Int) throws {
    let target = directory("minio")
    try make(target, [0x61])
    let file = FileDescriptor(owning: open(target, O_RDONLY | O_CLOEXEC))
    var flags = 0
    guard ioctl(file.raw, 0x8008_6601, &flags) == 0 else {  // FS_IOC_GETFLAGS
      try Test.cancel("this file system has no such flags")
    }
    var changed = flags | flag
    #expect(ioctl(file.raw, 0x4008_6602, &changed) == 0)  // FS_IOC_SETFLAGS
    let failure = failure { () throws(FileFailure) in _ = try stage([0x62], WriterLock(target)) }
    #expect(ioctl(file.raw, 0x4008_6602, &flags) == 0)
    #expect(failure?.kind == .immutable)
    #expect(try directory.names() == [".minio.keyturn.lock", "minio"])
  }
}

private func stage(_ bytes: [UInt8], _ lock: WriterLock) throws(FileFailure) -> StagedFile {
  try StagedFile.stage(bytes, under: lock, tag: "r1", expecting: Digest.sha256([0x61]))
}

/// Runs `body` on a thread that has a mount namespace of its own. Expectations in it must be
/// `#require`: only what it throws belongs to the test. It must not capture the test's
/// directory, which could not be removed on that thread.
private func inMountNamespace(_ body: @escaping @Sendable () throws -> Void) throws {
  let outcome = Lock<Result<Void, any Error>?>(nil)
  let thread = try Thread.start("mounts") {
    let result = Result {
      typealias Unshare = @convention(c) (Int32) -> Int32
      guard let function = dlsym(nil, "unshare") else { throw Errno(ENOSYS, "unshare") }
      let unshare = unsafeBitCast(function, to: Unshare.self)
      guard unshare(0x20000) == 0 else { throw Errno(errno, "unshare") }  // CLONE_NEWNS
      try mount(nil, "/", nil, flags: 16384 | 1 << 18)  // MS_REC | MS_PRIVATE
      try body()
    }
    outcome.withLock { $0 = result }
  }
  #expect(thread.join(until: .inMilliseconds(30_000)))
  // An expectation that failed on another thread is not yet a failure of this test.
  if case .failure(let error) = outcome.withLock({ $0 }) { Issue.record("on its thread: \(error)") }
}

private func mount(
  _ source: String?, _ target: String, _ type: String?, flags: UInt, data: String? = nil
) throws {
  typealias Mount =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UInt,
      UnsafePointer<CChar>?
    ) -> Int32
  guard let function = dlsym(nil, "mount") else { throw Errno(ENOSYS, "mount") }
  let mount = unsafeBitCast(function, to: Mount.self)
  guard mount(source, target, type, flags, data) == 0 else {
    throw Errno(errno, "mount \(target)")
  }
}
