// SPDX-License-Identifier: Apache-2.0
@testable import Files
import Glibc
import TestSupport
import Testing
@testable import Threads

@Suite("File watch", .timeLimit(.minutes(1)))
struct FileWatchTests {
  private let directory: TemporaryDirectory
  private let watch: FileWatch

  init() throws {
    directory = try TemporaryDirectory()
    watch = try FileWatch()
  }

  private func path(_ name: String) -> String { directory(name) }

  private func shell(_ script: String) throws {
    let outcome = try Subprocess.run(
      "/bin/sh", ["-c", "cd \"$0\" && \(script)", directory.path], until: .inMilliseconds(20_000))
    #expect(outcome.status == 0, "\(script): \(outcome.stderr)")
  }

  /// Everything that is waiting has been taken.
  private func drain() throws { while try watch.wait(until: Clock.now()) {} }

  /// The watch says so when the script has run; before it, it is quiet.
  private func expectSeen(_ script: String) throws {
    try drain()
    try shell(script)
    #expect(try watch.wait(until: .inMilliseconds(5_000)), "\(script)")
  }

  private func expectUnseen(_ script: String) throws {
    try drain()
    try shell(script)
    // What inotify has to say is there when the call that did it returns.
    #expect(try !watch.wait(until: Clock.now()), "\(script)")
  }

  @Test("every way of changing a file is seen")
  func changes() throws {
    try shell("echo a >f")
    try watch.watch([path("f")])
    for script in [
      "echo b >f", "echo c >>f", "chmod 600 f", "echo d >g && mv g f", "touch f", "rm f",
      "echo e >f", "mv f f~ && echo f >f", "ln f h", "echo g >h", "rm h",
      "cp f .f.swp && mv .f.swp f",
    ] {
      try expectSeen(script)
    }
  }

  @Test("other names in the directory, and reading, are nothing")
  func others() throws {
    try shell("echo a >f")
    try watch.watch([path("f")])
    try expectUnseen("echo b >other; mv other another; rm another; cat f; mkdir d; ls -l")
  }

  @Test("a file, and the directories on the way to it, may come later, go and come again")
  func absent() throws {
    try watch.watch([path("a/b/f")])
    for script in [
      "mkdir a", "mkdir a/b", "echo 1 >a/b/f", "echo 2 >a/b/f", "rm -r a", "mkdir -p a/b",
      "echo 3 >a/b/f", "mv a z", "mv z a", "echo 4 >a/b/f",
    ] {
      try expectSeen(script)
    }
  }

  @Test("a symbolic link that is switched, at the end of the path or on the way")
  func links() throws {
    try shell("mkdir v1 v2 && echo 1 >v1/f && echo 2 >v2/f && ln -s v1 now && ln -s now/f f")
    try watch.watch([path("f")])
    try expectSeen("echo 3 >v1/f")
    try expectUnseen("echo 4 >v2/f")
    try expectSeen("ln -s v2 new && mv -T new now")
    try expectSeen("echo 5 >v2/f")
    try expectUnseen("echo 6 >v1/f")
    try expectSeen("ln -sfn v1/../v1/f f")
    try expectSeen("echo 7 >v1/f")
    try expectSeen("ln -sfn \"$PWD/v2/f\" f")
    try expectSeen("echo 8 >v2/f")
  }

  @Test("links in a circle end")
  func circle() throws {
    try shell("ln -s b a && ln -s a b")
    try watch.watch([path("a")])
    try expectSeen("rm b && echo 1 >b")
  }

  @Test("a file that begins to match a pattern, changes, and goes")
  func patterns() throws {
    try watch.watch([path("*.env")])
    try expectUnseen("echo 1 >a.conf; echo 1 >.hidden.env")
    try expectSeen("echo 1 >a.env")
    try expectSeen("echo 2 >a.env")
    try expectSeen("rm a.env")
  }

  @Test("what is not watched any more is not told")
  func forgotten() throws {
    try shell("mkdir d && echo 1 >d/f && echo 1 >g")
    try watch.watch([path("d/f")])
    try watch.watch([path("g")])
    try expectUnseen("echo 2 >d/f")
    try expectSeen("echo 2 >g")
  }

  @Test("a queue that overflows means that anything may have changed")
  func overflow() throws {
    try watch.watch([path("f")])
    let limit =
      Int(
        String(
          decoding: try FileReading.read(
            "/proc/sys/fs/inotify/max_queued_events", limitBytes: 64
          ).bytes, as: UTF8.self
        ).filter(\.isNumber)) ?? 16_384
    // Two events each, none about f.
    try shell(": >x")
    for _ in 0...(limit / 4) {
      #expect(rename(path("x"), path("y")) == 0 && rename(path("y"), path("x")) == 0)
    }
    #expect(try watch.wait(until: .inMilliseconds(5_000)))
  }

  @Test("it waits to its deadline, and ends when it is woken")
  func waiting() throws {
    #expect(try !watch.wait(until: .inMilliseconds(20)))
    let watch = watch
    try Thread.start("waker") { watch.wake() }
    #expect(try watch.wait(until: .inMilliseconds(20_000)))
    #expect(try !watch.wait(until: Clock.now()))
  }
}
