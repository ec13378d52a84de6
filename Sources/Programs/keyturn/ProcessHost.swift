// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import Model
import Operator
import Rollout
import Secrets
import Threads

/// The process around the command: files, standard streams, environment.
struct ProcessHost: CommandHost {
  func read(_ path: String, limitBytes: Int) throws(Refusal) -> ReadContent? {
    do throws(FileFailure) {
      if path == "-" {
        return ReadContent(
          bytes: try FileReading.readStandardInput(limitBytes: limitBytes), mode: nil)
      }
      // A named pipe, or a shell's <(...): read once, to its end.
      if FileReading.isStream(path) {
        return ReadContent(
          bytes: try FileReading.readStream(path, limitBytes: limitBytes), mode: nil)
      }
      guard let content = try FileReading.readIfPresent(path, limitBytes: limitBytes) else {
        return nil
      }
      return ReadContent(bytes: content.bytes, mode: content.facts.mode & 0o7777)
    } catch { throw Refusal(.failed, error.message) }
  }

  func record(_ path: String) throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in try DurableRecord.read(path) }
  }

  func isDirectory(_ path: String) throws(Refusal) -> Bool {
    try refusing { () throws(FileFailure) in try FileReading.isDirectory(path) }
  }

  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace {
    try refusing { () throws(FileFailure) in
      let walk = try PathWalk(path, in: .own, trusting: PathWalk.Trust(user: user))
      return ConfigFilePlace(
        path: path, steps: walk.steps, exists: walk.exists, foreign: walk.foreign)
    }
  }

  func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    try refusing { () throws(FileFailure) in
      try DurableRecord.makeDirectory(GuardEvidence.directory)
      try DurableRecord.write(path, bytes)
      try DurableRecord.prune(GuardEvidence.directory, keeping: GuardEvidence.limit)
    }
  }

  func create(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    try refusing { () throws(FileFailure) in try NewFile.create(path, bytes, mode: 0o600) }
  }

  @discardableResult
  func write(_ text: String, to stream: OutputStream) -> Bool {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      do throws(Errno) {
        let written = try retrying("write") {
          bytes.withUnsafeBytes { Glibc.write(Self.descriptor(stream), $0.baseAddress, $0.count) }
        }
        bytes = bytes.dropFirst(written)
      } catch {
        if stream == .standardOutput, error.code != EPIPE {
          Self.failure.update { $0 = $0 ?? "\(error)" }
        }
        return false
      }
    }
    return true
  }

  /// The first failure of standard output.
  private static let failure = Lock<String?>(nil)

  var outputFailure: String? { Self.failure.withLock { $0 } }

  func terminal(_ stream: OutputStream) -> TerminalSize? {
    let descriptor = Self.descriptor(stream)
    guard isatty(descriptor) == 1 else { return nil }
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return TerminalSize(columns: 80, rows: 24)
    }
    return TerminalSize(columns: Int(size.ws_col), rows: Int(size.ws_row))
  }

  func ask(_ question: String) -> String? {
    guard isatty(STDIN_FILENO) == 1 else { return nil }
    write(question, to: .standardError)
    return Terminal.asking { readLine(strippingNewline: true) ?? "" }
  }

  func askSecret(_ question: String) -> Secret? {
    guard isatty(STDIN_FILENO) == 1 else { return nil }
    write(question, to: .standardError)
    let line = Terminal.withoutEcho { readLine(strippingNewline: true) ?? "" }
    write("\n", to: .standardError)
    return Secret(line)
  }

  var isRoot: Bool { geteuid() == 0 }

  func foreignHold(on path: String) throws(Refusal) -> String? {
    try refusing { () throws(FileFailure) in try FileTrust.problem(of: path) }
  }

  func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  private static func descriptor(_ stream: OutputStream) -> Int32 {
    switch stream {
    case .standardOutput: STDOUT_FILENO
    case .standardError: STDERR_FILENO
    }
  }

  private func refusing<Result>(
    _ body: () throws(FileFailure) -> Result
  ) throws(Refusal) -> Result {
    do throws(FileFailure) { return try body() } catch { throw Refusal(.failed, error.message) }
  }
}
