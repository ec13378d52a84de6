// SPDX-License-Identifier: Apache-2.0
@testable import Files
import Glibc
@testable import Linux
import Secrets
import Testing
import Threads

@Suite struct FileReadingTests {
  @Test("a file of exactly the limit is read, a larger one is refused")
  func limit() throws {
    let directory = try TemporaryDirectory()
    try make(directory("file"), [UInt8](repeating: 7, count: 40_000))
    #expect(try FileReading.read(directory("file"), limitBytes: 40_000).bytes.count == 40_000)
    let failure = failure { () throws(FileFailure) in
      _ = try FileReading.read(directory("file"), limitBytes: 39_999)
    }
    #expect(failure?.kind == .tooLarge)
  }

  @Test("a symbolic link is followed or refused, as asked")
  func links() throws {
    let directory = try TemporaryDirectory()
    try make(directory("file"), "x")
    #expect(symlink("file", directory("link")) == 0)
    #expect(try FileReading.read(directory("link"), limitBytes: 9).bytes == [0x78])
    let failure = failure { () throws(FileFailure) in
      _ = try FileReading.read(directory("link"), limitBytes: 9, links: .refuse)
    }
    #expect(failure?.kind == .symbolicLink)
  }

  @Test("a pipe without a writer is refused at once")
  func pipe() throws {
    let directory = try TemporaryDirectory()
    #expect(mkfifo(directory("pipe"), 0o600) == 0)
    let failure = failure { () throws(FileFailure) in
      _ = try FileReading.read(directory("pipe"), limitBytes: 9)
    }
    #expect(failure?.kind == .notRegular)
  }

  @Test("an absent file is nil where that is asked for, and an error that names it elsewhere")
  func absent() throws {
    #expect(try FileReading.readIfPresent("/nowhere/file", limitBytes: 9) == nil)
    let failure = failure { () throws(FileFailure) in
      _ = try FileReading.read("/nowhere/file", limitBytes: 9)
    }
    #expect(failure?.kind == .absent)
    #expect(failure?.message.contains("/nowhere/file") == true)
  }
}

@Suite struct ProcessFactsTests {
  @Test("the environment of a process is read in its order")
  func environment() throws {
    let own = try ProcessEnvironment.read(pid: getpid())
    #expect(own.contains { $0.name == "PATH" })
  }

  @Test("a process that does not exist is absent")
  func noProcess() {
    let failure = failure { () throws(FileFailure) in
      _ = try ProcessEnvironment.read(pid: .max)
    }
    #expect(failure?.kind == .absent)
  }

  @Test(
    "values may be empty and hold `=`, line breaks and broken UTF-8; a word alone is no variable"
  )
  func variables() {
    let bytes = Array("A=\0B=x=y\0C=a\nb\0junk\0=v\0D=".utf8) + [0xFF, 0]
    let variables = ProcessEnvironment.variables(in: bytes)
    #expect(variables.map(\.name) == ["A", "B", "C", "", "D"])
    #expect(variables.map(\.value) == ["", "x=y", "a\nb", "v", "\u{FFFD}"])
  }

  @Test("the boot id has the journal's form")
  func bootID() throws {
    let id = try BootID.read()
    #expect(id.utf8.count == 32 && id == id.lowercased() && !id.contains("-"))
  }
}

@Suite struct SignalTests {
  @Test("stop and reload requests are taken one by one, and a broken pipe ends nothing")
  func requests() async {
    await #expect(processExitsWith: .exitCode(7)) {
      Signals.prepare()
      raise(SIGPIPE)
      raise(SIGTERM)
      let first = Signals.wait(until: nil)
      raise(SIGINT)
      let second = Signals.wait(until: .inMilliseconds(10_000))
      raise(SIGHUP)
      let third = Signals.wait(until: .inMilliseconds(10_000))
      let fourth = Signals.wait(until: .inMilliseconds(1))
      let right = first == .stop && second == .stop && third == .reload && fourth == nil
      exit(right ? 7 : 1)
    }
  }

  @Test("a wake-up is kept until it is taken back, however often it was given")
  func wakeup() throws {
    let wakeup = try Wakeup()
    func isReadable() -> Bool {
      var entry = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
      return poll(&entry, 1, 0) == 1
    }
    #expect(!isReadable())
    wakeup.signal()
    wakeup.signal()
    #expect(isReadable())
    wakeup.clear()
    #expect(!isReadable())
  }
}

@Suite struct ProcessStatisticsTests {
  /// Of proc(5), with a program's name that tries to be more fields.
  private static let line =
    "4711 (a) S 1) S 1 4711 4711 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 99999999 2048 18446744073709551615 1 1 0"

  @Test("processor time, start and memory are read whatever the program's name is")
  func reads() throws {
    let own = try #require(ProcessStatistics(Self.line, ticksInASecond: 100, pageBytes: 4_096))
    #expect(own.processorMilliseconds == 3_000)
    #expect(own.startMilliseconds == 123_450)
    #expect(own.residentBytes == 8 << 20)
  }

  @Test(
    "what is no such line is none",
    arguments: ["", "4711", "4711 (a)", "4711 (a) S 1 2 3", "4711 (a) S" + " x".repeated(30)])
  func refuses(line: String) {
    #expect(ProcessStatistics(line, ticksInASecond: 100, pageBytes: 4_096) == nil)
  }

  @Test("numbers that are too large are no numbers")
  func large() {
    let huge = Self.line.replacing("12345", with: "\(Int.max)")
    #expect(ProcessStatistics(huge, ticksInASecond: 100, pageBytes: 4_096) == nil)
  }

  @Test("this process has used time and memory, and has descriptors open")
  func own() throws {
    let own = try ProcessStatistics.own()
    #expect(own.residentBytes > 1 << 20 && own.startMilliseconds > 0)
    #expect(try ProcessStatistics.openDescriptors() >= 3)
  }
}

extension String {
  fileprivate func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}
