// SPDX-License-Identifier: Apache-2.0
import Linux
import Model
import TestSupport
import Testing
import Threads

@Suite struct SubprocessTests {
  private let soon = Instant.inMilliseconds(10_000)

  @Test("both outputs come back whole, however much it is, and the input gets there")
  func outputs() throws {
    let count = 300_000
    let outcome = try Subprocess.run(
      "/bin/sh", ["-c", "cat; head -c \(count) /dev/zero >&2; exit 3"],
      input: String(repeating: "x", count: count), until: soon)
    #expect(outcome.status == 3 && !outcome.timedOut)
    #expect(outcome.stdout.utf8.count == count && outcome.stderr.utf8.count == count)
  }

  @Test("the environment is exactly what is given")
  func environment() throws {
    let outcome = try Subprocess.run("/usr/bin/env", environment: ["A": "b c"], until: soon)
    #expect(outcome.stdout == "A=b c\n")
  }

  @Test(
    "a child past the deadline is killed with its group, a grandchild is not waited for"
  )
  func deadline() throws {
    let slow = try Subprocess.run(
      "/bin/sh", ["-c", "sleep 60; true"], until: .inMilliseconds(100))
    #expect(slow.timedOut && slow.status == 128 + 9)
    let parent = try Subprocess.run("/bin/sh", ["-c", "sleep 5 & echo done"], until: soon)
    #expect(!parent.timedOut && parent.stdout == "done\n")
  }

  @Test("a program that is not there is an error")
  func missing() {
    #expect(throws: Errno.self) { try Subprocess.run("/no/such/program", until: soon) }
  }

  @Test("a background process' lines come one by one while it runs, and a signal ends it")
  func background() throws {
    let process = try BackgroundProcess(
      "/bin/sh", ["-c", "printf 'a\\nb'; printf 'c\\n'; sleep 60"], until: soon)
    #expect(process.wait(until: soon) { $0.map(\.text) == ["a", "bc"] })
    process.signal(15)
    let outcome = try process.outcome()
    #expect(outcome.status == 128 + 15 && !outcome.timedOut && outcome.stdout == "a\nbc\n")
    #expect(!process.wait(until: soon) { $0.count > 2 })
  }
}
