// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import JSONCoding
import KeyManager
import Linux
import Model
import Rollout
import Secrets
import ServerUnit
import StartWatch
import Threads

/// Its files and records.
extension FakeNodeHost {
  struct File: EnvironmentFilePort {
    let host: FakeNodeHost
    func read(_ path: String) throws(Refusal) -> [UInt8]? {
      if let failure = host.state.withLock({ $0.readFailure }) { throw failure }
      return host.state.withLock { $0.files[path] }
    }
    func read(_ path: String, seenBy pid: Int32) throws(Refusal) -> [UInt8]? {
      if let bytes = host.state.withLock({ $0.seen[path] }) { return bytes }
      return try read(path)
    }
    func changed(_ path: String, seenBy pid: Int32) throws(Refusal) -> Int64? {
      try changed(path)
    }
    func place(of path: String, for account: ServiceAccount) throws(Refusal) -> ConfigFilePlace {
      host.state.withLock { state in
        state.places[path]
          ?? ConfigFilePlace(path: path, steps: [path], exists: state.files[path] != nil)
      }
    }
    func changed(_ path: String) throws(Refusal) -> Int64? {
      host.state.withLock { state in
        state.files[path] == nil ? nil : state.changed[path] ?? 0
      }
    }
    func paths(matching pattern: String) throws(Refusal) -> [String] {
      host.state.withLock { Self.paths(matching: pattern, in: $0) }
    }
    static func paths(matching pattern: String, in state: State) -> [String] {
      // One star at the most, which is enough here.
      let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
      guard parts.count == 2 else { return state.files[pattern] == nil ? [] : [pattern] }
      return state.files.keys.filter { $0.hasPrefix(parts[0]) && $0.hasSuffix(parts[1]) }.sorted()
    }
    func obstacle(reading path: String, as account: ServiceAccount) throws(Refusal) -> String? {
      account.overridesPermissions ? nil : host.state.withLock { $0.obstacles[path] }
    }
    func checkReplaceable(_ path: String) throws(Refusal) {
      if let failure = host.state.withLock({ $0.replaceFailures[path] }) { throw failure }
    }
    func stage(
      _ bytes: [UInt8], at path: String, tag: String, before: Digest?, owner: ServiceAccount?
    ) throws(Refusal) {
      if let failure = host.state.withLock({ $0.stageFailure }) { throw failure }
      host.state.update { state in
        state.staged[tag] = State.Staged(path: path, bytes: bytes)
        state.owners[path] = owner
      }
      let onStage = host.state.withLock { $0.onStage }
      onStage()
    }
    func install(
      at path: String, tag: String, before: Digest?, after: Digest
    ) throws(Refusal) {
      let isDone = host.state.withLock { state in
        if state.files[path].map(Digest.sha256) == after { return true }
        guard state.files[path].map(Digest.sha256) == before, let staged = state.staged[tag],
          staged.path == path
        else { return false }
        state.files[path] = staged.bytes
        state.staged[tag] = nil
        return true
      }
      if !isDone { throw Refusal(.vote, "the file has changed") }
    }
    func syncDirectory(of path: String) throws(Refusal) {
      host.state.update { $0.synced.append(path) }
    }
    func discard(beside path: String, allExcept tags: [String]) throws(Refusal) {
      host.state.update { state in
        state.staged = state.staged.filter { $0.value.path != path || tags.contains($0.key) }
      }
    }
  }

  struct Watch: FileWatchPort {
    let host: FakeNodeHost
    /// Each agent on the host has its own look at every change.
    private let seen = Lock(0)
    init(host: FakeNodeHost) { self.host = host }
    func watch(_ places: [String]) throws(Refusal) { host.state.update { $0.watched = places } }
    func wait(until deadline: Instant?) throws(Refusal) -> Bool {
      let isStirred: Bool? = host.state.wait(until: deadline) { state in
        seen.update { seen in
          defer { seen = state.stirs }
          return state.stirs > seen ? true : nil
        }
      }
      return isStirred ?? false
    }
    func wake() { host.state.update { $0.stirs += 1 } }
    func mark(of path: String) throws(Refusal) -> FileMark {
      let digest = try File(host: host).read(path).map(Digest.sha256)
      var mark =
        host.state.withLock { $0.marks[path] }
        ?? FileMark(digest: nil, mode: 0o640, userID: 0, groupID: 7300, inode: 1)
      mark.digest = digest
      return mark
    }
  }

  struct Records: RecordPort {
    let host: FakeNodeHost
    let incarnation: Int
    var directory: String { "/var/lib/keyturn" }
    func guardEvidence(of invocation: String) throws(Refusal) -> [UInt8]? {
      if host.state.withLock({ $0.unguarded.contains(invocation) }) { return nil }
      return JSON.encode(
        GuardEvidence(invocation: invocation, key: nil, realtimeMicroseconds: 0))
    }
    func load(_ name: String) throws(Refusal) -> [UInt8]? {
      let bytes = host.state.withLock { $0.records[name] }
      // What a disk that is broken left of it.
      if bytes == [] { throw Refusal(.validation, "read \(name): its checksum is wrong") }
      return bytes
    }
    func save(_ name: String, _ bytes: [UInt8]) throws(Refusal) {
      if host.state.withLock({ $0.incarnation }) != incarnation {
        throw Refusal(.failed, "the agent is dead")
      }
      if host.state.withLock({ $0.failingRecord }) == name {
        throw Refusal(.file, "write \(name): No space left on device")
      }
      let onSave = host.state.update { state in
        state.records[name] = bytes
        return state.onSave
      }
      onSave(name)
    }
    func remove(_ name: String) throws(Refusal) { host.state.update { $0.records[name] = nil } }
    func list(_ folder: String) throws(Refusal) -> [String] {
      if let failure = host.state.withLock({ $0.listFailure }) { throw failure }
      return host.state.withLock { state in
        state.records.keys.filter { $0.hasPrefix("\(folder)/") }
          .map { String($0.dropFirst(folder.utf8.count + 1)) }
      }
    }
  }
}
