// SPDX-License-Identifier: Apache-2.0
internal import Agent
internal import Crypto
internal import Fibers
internal import Model
internal import Rollout
internal import ServerUnit

extension SimulatedHost {
  /// A record; nil if there is none.
  func record(_ name: String) throws(Refusal) -> [UInt8]? {
    if damaged.contains(name) {
      throw Refusal(.failed, "read /var/lib/keyturn/\(name): its checksum is wrong")
    }
    return records[name]
  }
}

/// The host's files, each change durable only after ``syncDirectory(of:)``.
struct HostFiles: EnvironmentFilePort {
  let host: SimulatedHost

  func read(_ path: String) throws(Refusal) -> [UInt8]? {
    host.enter()
    return host.files[path]
  }
  func read(_ path: String, seenBy pid: Int32) throws(Refusal) -> [UInt8]? { try read(path) }
  func changed(_ path: String) throws(Refusal) -> Int64? { host.files[path] == nil ? nil : 0 }
  func changed(_ path: String, seenBy pid: Int32) throws(Refusal) -> Int64? { try changed(path) }
  func place(of path: String, for account: ServiceAccount) throws(Refusal) -> ConfigFilePlace {
    ConfigFilePlace(path: path, steps: [path], exists: host.files[path] != nil)
  }
  func paths(matching pattern: String) throws(Refusal) -> [String] {
    host.files[pattern] == nil ? [] : [pattern]
  }
  func obstacle(reading path: String, as account: ServiceAccount) throws(Refusal) -> String? { nil }
  func checkReplaceable(_ path: String) throws(Refusal) { host.enter() }

  func stage(
    _ bytes: [UInt8], at path: String, tag: String, before: Digest?, owner: ServiceAccount?
  ) throws(Refusal) {
    try write("stage \(path)")
    guard host.files[path].map(Digest.sha256) == before else {
      throw Refusal(.vote, "\(host.name): \(path) is not what it was")
    }
    host.staged[tag] = (path, bytes)
    host.enter()
  }

  func install(at path: String, tag: String, before: Digest?, after: Digest) throws(Refusal) {
    try write("replace \(path)")
    let now = host.files[path].map(Digest.sha256)
    if now == after { return }
    guard now == before, let staged = host.staged[tag], staged.path == path,
      Digest.sha256(staged.bytes) == after
    else { throw Refusal(.vote, "\(host.name): \(path) is not what was voted on") }
    host.world.installed(on: host, staged.bytes, after)
    host.unsynced[path] = (
      host.unsynced[path].map(\.file) ?? host.files[path], tag, staged.bytes
    )
    if host.world.planted == .writtenInPlace {
      host.unsynced[path] = nil
      host.files[path] = Array(staged.bytes.prefix(staged.bytes.count / 2))
      host.take(upTo: 200_000)
      host.enter()
    }
    host.files[path] =
      host.world.planted == .otherFileInstalled ? staged.bytes + [0x0A] : staged.bytes
    host.staged[tag] = nil
    host.stirs += 1
    host.stir()
    host.enter()
  }

  func syncDirectory(of path: String) throws(Refusal) {
    try write("sync the directory of \(path)")
    if host.world.planted != .syncIgnored { host.unsynced[path] = nil }
    host.enter()
  }

  func discard(beside path: String, allExcept tags: [String]) throws(Refusal) {
    host.enter()
    if host.world.planted == .discardIgnored { return }
    host.staged = host.staged.filter { $0.value.path != path || tags.contains($0.key) }
    host.enter()
  }

  private func write(_ attempt: String) throws(Refusal) {
    host.enter()
    host.take(upTo: host.world.faults.diskMicroseconds)
    if let failure = host.diskFailure { throw Refusal(.file, "\(attempt): \(failure)") }
  }
}

/// The agent's records: one is replaced at some instant of the call, and durable when it returns.
struct HostRecords: RecordPort {
  let host: SimulatedHost
  var directory: String { "/var/lib/keyturn" }

  func guardEvidence(of invocation: String) throws(Refusal) -> [UInt8]? {
    GuardEvidence.path(of: invocation).flatMap { host.evidence[$0] }
  }
  func load(_ name: String) throws(Refusal) -> [UInt8]? {
    host.enter()
    return try host.record(name)
  }

  func save(_ name: String, _ bytes: [UInt8]) throws(Refusal) {
    try write("write \(name)") {
      if name == "rollout", host.world.planted == .promiseForgotten { return }
      if host.world.planted == .recordNotSynced, host.unsyncedRecords[name] == nil {
        host.unsyncedRecords[name] = .some(host.records[name])
      }
      host.records[name] = bytes
      host.damaged.remove(name)
      if name == "hold", host.world.faults.killedAt == .held { host.isDoomed = true }
      host.world.runtime.note(bytes)
      if name == "rollout" { host.world.promised(host) }
      if name == "inventory" { host.world.goesBy(host) }
    }
  }

  func remove(_ name: String) throws(Refusal) {
    try write("remove \(name)") {
      host.records[name] = nil
      host.damaged.remove(name)
    }
  }

  /// Where the disk is full, the last step may have failed only: then it is done all the same.
  private func write(_ attempt: String, _ change: () -> Void) throws(Refusal) {
    host.enter()
    host.take(upTo: host.world.faults.diskMicroseconds)
    let failure = host.diskFailure
    if failure == nil || host.world.chance(32) {
      change()
      if attempt == "write rollout" { host.isPromiseUnknown = failure != nil }
    }
    host.take(upTo: host.world.faults.diskMicroseconds)
    host.enter()
    if let failure { throw Refusal(.file, "\(attempt): \(failure)") }
  }

  func list(_ folder: String) throws(Refusal) -> [String] {
    host.enter()
    return host.records.keys.filter { $0.hasPrefix("\(folder)/") }
      .map { String($0.dropFirst(folder.utf8.count + 1)) }.sorted()
  }
}
