// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import Model
import TestSupport
import Testing
import Threads

@Suite struct WriterLockTests {
  let directory: TemporaryDirectory
  let target: String

  init() throws {
    directory = try TemporaryDirectory()
    target = directory("minio")
  }

  private func failure() -> FileFailure? {
    FilesTests.failure { () throws(FileFailure) in _ = try WriterLock(target) }
  }

  @Test("a second writer is refused at once, and has the lock as soon as the first is done")
  func exclusive() throws {
    var lock: WriterLock? = try WriterLock(target)
    #expect(failure()?.kind == .busy)
    #expect(failure()?.message.contains(directory(".minio.keyturn.lock")) == true)
    _ = try WriterLock(directory("other"))
    #expect(lock?.target == target)
    lock = nil
    #expect(failure() == nil)
  }

  @Test("a rename over the target does not free the lock")
  func renamed() throws {
    let lock = try WriterLock(target)
    let staged = try StagedFile.stage([0x61], under: lock, tag: "r1", expecting: nil)
    try staged.install()
    #expect(failure()?.kind == .busy)
  }

  @Test("a writer that is killed frees the lock")
  func killed() throws {
    _ = try WriterLock(target)
    let holder = try BackgroundProcess(
      "/usr/bin/flock",
      ["-x", directory(".minio.keyturn.lock"), "sh", "-c", "echo held; sleep 60"],
      until: .inMilliseconds(10_000))
    #expect(holder.wait(until: .inMilliseconds(10_000)) { !$0.isEmpty })
    #expect(failure()?.kind == .busy)
    holder.signal(SIGKILL)
    _ = try holder.outcome()
    // The whole group was killed, but only its first process was waited for.
    var last = failure()
    let deadline = Instant.inMilliseconds(5_000)
    while last != nil, deadline > Clock.now() {
      sched_yield()
      last = failure()
    }
    #expect(last == nil)
  }

  @Test("it binds nobody else: the target and its directory can be locked by others")
  func others() throws {
    try make(target, "")
    let lock = try WriterLock(target)
    for path in [directory.path, lock.target] {
      let file = FileDescriptor(owning: open(path, O_RDONLY | O_CLOEXEC))
      #expect(flock(file.raw, LOCK_EX | LOCK_NB) == 0)
    }
  }

  @Test("only the writer's user can open the lock's file, so nobody else can hold it")
  func mode() throws {
    _ = try WriterLock(target)
    let file = try FileReading.read(directory(".minio.keyturn.lock"), limitBytes: 10)
    #expect(file.facts.mode == 0o600 && file.bytes.isEmpty)
  }

  @Test("a symbolic link in the place of the lock's file is refused")
  func link() throws {
    #expect(symlink("elsewhere", directory(".minio.keyturn.lock")) == 0)
    #expect(failure()?.kind == .symbolicLink)
    #expect(try directory.names() == [".minio.keyturn.lock"])
  }
}
