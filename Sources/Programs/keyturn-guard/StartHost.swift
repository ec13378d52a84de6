// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import Model
import Rollout
import StartGuarding

/// The process that systemd has started before the server: its files and its environment.
struct StartHost: GuardedHost {
  func content(of path: String, limitBytes: Int) throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in
      try FileReading.readIfPresent(path, limitBytes: limitBytes)?.bytes
    }
  }

  func record(_ path: String) throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in try DurableRecord.read(path) }
  }

  func isDirectory(_ path: String) throws(Refusal) -> Bool {
    try refusing { () throws(FileFailure) in try FileReading.isDirectory(path) }
  }

  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace {
    let trust = PathWalk.Trust(user.flatMap { PasswordEntry(of: $0)?.account })
    return try refusing { () throws(FileFailure) in
      let walk = try PathWalk(path, in: .own, trusting: trust)
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

  func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  private func refusing<Value>(
    _ body: () throws(FileFailure) -> Value
  ) throws(Refusal) -> Value {
    do throws(FileFailure) { return try body() } catch { throw Refusal(.failed, error.message) }
  }

  /// Writes all of it, unless nobody reads.
  static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = try? retrying("write") {
        bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      }
      guard let count, count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
