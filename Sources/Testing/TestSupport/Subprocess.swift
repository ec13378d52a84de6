// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import Linux
package import Model
internal import Threads

/// Child processes for tests; the product starts none.
package enum Subprocess {
  package struct Outcome: Sendable {
    /// The exit status; 128 + the signal's number if a signal ended it, as in a shell.
    package var status: Int32
    /// The deadline came first: the child and its process group were killed.
    package var timedOut: Bool
    package var stdout: String
    package var stderr: String
  }

  /// Starts the program at `path` (no search) in a process group of its own and blocks until it has
  /// ended, or kills the group at the deadline.
  ///
  /// It blocks no signal, and all are at their defaults. Both outputs are read at once, so that
  /// neither can fill up; output of a grandchild after the child's end is not waited for.
  /// `environment` is the whole environment; nil is a copy of the test's own. `started` gets the
  /// process' number, `output` whatever comes on standard output, as it comes.
  package static func run(
    _ path: String, _ arguments: [String] = [], environment: [String: String]? = nil,
    input: String = "", until deadline: Instant, started: (Int32) -> Void = { _ in },
    output deliver: (ArraySlice<UInt8>) -> Void = { _ in }
  ) throws(Errno) -> Outcome {
    let inputFile = try file(holding: input)
    let output = try Pipe()
    let error = try Pipe()
    let process = try spawn(
      [path] + arguments, environment, [inputFile.raw, output.writing.raw, error.writing.raw])
    started(process)
    // With the writing ends open here the pipes would never end.
    let reading0 = output.closeWriting()
    let reading1 = error.closeWriting()
    _ = try retrying("set up a pipe") { fcntl(reading0.raw, F_SETFL, O_NONBLOCK) }
    _ = try retrying("set up a pipe") { fcntl(reading1.raw, F_SETFL, O_NONBLOCK) }
    let ended = FileDescriptor(owning: try retrying("watch \(path)") { kt_pidfd_open(process) })

    var (stdout, stderr): ([UInt8], [UInt8]) = ([], [])
    var (isOpen0, isOpen1) = (true, true)
    var (hasEnded, timedOut) = (false, false)
    while !hasEnded {
      // poll(2) passes over negative descriptors.
      var entries = [
        pollfd(fd: ended.raw, events: Int16(POLLIN), revents: 0),
        pollfd(fd: isOpen0 ? reading0.raw : -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: isOpen1 ? reading1.raw : -1, events: Int16(POLLIN), revents: 0),
      ]
      let wait = timedOut ? -1 : deadline.remainingMilliseconds()
      let ready = try retrying("wait for \(path)") { poll(&entries, 3, wait) }
      if ready == 0 {
        timedOut = deadline.remainingMilliseconds() == 0
        if timedOut { kill(-process, SIGKILL) }
        continue
      }
      hasEnded = entries[0].revents != 0
      // Once more after its end: its last output is in the pipes by then.
      if isOpen0 {
        let count = stdout.count
        isOpen0 = drain(reading0.raw, into: &stdout)
        if stdout.count > count { deliver(stdout[count...]) }
      }
      if isOpen1 { isOpen1 = drain(reading1.raw, into: &stderr) }
    }
    var status: Int32 = 0
    _ = try retrying("wait for \(path)") { waitpid(process, &status, 0) }
    let signal = status & 0x7F
    return Outcome(
      status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, timedOut: timedOut,
      stdout: String(decoding: stdout, as: UTF8.self),
      stderr: String(decoding: stderr, as: UTF8.self))
  }

  private struct Pipe: ~Copyable {
    let reading: FileDescriptor
    let writing: FileDescriptor

    init() throws(Errno) {
      var ends: [Int32] = [-1, -1]
      _ = try retrying("make a pipe") { kt_pipe(&ends) }
      reading = FileDescriptor(owning: ends[0])
      writing = FileDescriptor(owning: ends[1])
    }

    consuming func closeWriting() -> FileDescriptor { reading }
  }

  /// A file without a name that holds the standard input: no pipe that could block or break.
  private static func file(holding input: String) throws(Errno) -> FileDescriptor {
    var template = Array("/tmp/keyturn-input-XXXXXX".utf8CString)
    let raw = try retrying("make a file in /tmp") { mkstemp(&template) }
    unlink(&template)
    _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
    let descriptor = FileDescriptor(owning: raw)
    var rest = Array(input.utf8)[...]
    while !rest.isEmpty {
      let written = try retrying("write the input") {
        rest.withUnsafeBytes { write(raw, $0.baseAddress, $0.count) }
      }
      rest = rest.dropFirst(written)
    }
    _ = try retrying("rewind the input") { lseek(raw, 0, SEEK_SET) }
    return descriptor
  }

  private static func spawn(
    _ arguments: [String], _ environment: [String: String]?, _ descriptors: [Int32]
  ) throws(Errno) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in descriptors.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

    var argv = arguments.map { strdup($0) } + [nil]
    var envp = environment?.map { strdup("\($0.key)=\($0.value)") } ?? []
    defer { for text in argv + envp { free(text) } }
    envp.append(nil)
    var process: pid_t = 0
    let code = envp.withUnsafeMutableBufferPointer { own in
      let variables = environment == nil ? environ : own.baseAddress
      return posix_spawn(&process, arguments[0], &actions, &attributes, &argv, variables)
    }
    if code != 0 { throw Errno(code, "start \(arguments[0])") }
    return process
  }

  /// Reads what is there; false at the end of the stream.
  private static func drain(_ descriptor: Int32, into bytes: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let (count, code) = (read(descriptor, &buffer, buffer.count), errno)
      if count > 0 { bytes += buffer[..<count] }
      if count == 0 { return false }
      if count == -1 && code != EINTR { return code == EAGAIN }
    }
  }
}
