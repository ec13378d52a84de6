// SPDX-License-Identifier: Apache-2.0
import Agent
import Crypto
import Files
import Model
import Rollout
import ServerUnit
import Threads

/// The environment's files on this host's disk, as systemd or the server sees them: the agent's
/// sandbox has another /tmp and /dev.
struct HostEnvironmentFile: EnvironmentFilePort {
  private let host = FileTree.of(pid: 1)
  /// Each taken when it is first needed, and held until the process ends.
  private let held = Lock<[String: WriterLock]>([:])

  func read(_ path: String) throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in
      try FileReading.readIfPresent(path, limitBytes: Limits.environmentFileBytes, in: host)?.bytes
    }
  }

  func read(_ path: String, seenBy pid: Int32) throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in
      try FileReading.readIfPresent(
        path, limitBytes: Limits.environmentFileBytes, in: .of(pid: pid))?.bytes
    }
  }

  func changed(_ path: String) throws(Refusal) -> Int64? { try changed(path, in: host) }

  func changed(_ path: String, seenBy pid: Int32) throws(Refusal) -> Int64? {
    try changed(path, in: .of(pid: pid))
  }

  private func changed(_ path: String, in tree: FileTree) throws(Refusal) -> Int64? {
    try refusing { () throws(FileFailure) in
      let walk = try PathWalk(path, in: tree, trusting: nil)
      return walk.exists ? walk.changedNanoseconds / 1000 : nil
    }
  }

  func place(of path: String, for account: ServiceAccount) throws(Refusal) -> ConfigFilePlace {
    // The start guard judges by the same: of a process it knows the user, and not what groups the unit gives it.
    let trust = PathWalk.Trust(user: account.user)
    return try refusing { () throws(FileFailure) in
      let walk = try PathWalk(path, in: host, trusting: trust)
      return ConfigFilePlace(
        path: path, steps: walk.steps, exists: walk.exists, foreign: walk.foreign)
    }
  }

  func paths(matching pattern: String) throws(Refusal) -> [String] {
    try refusing { () throws(FileFailure) in try PathPattern.paths(matching: pattern, in: host) }
  }

  func obstacle(reading path: String, as account: ServiceAccount) throws(Refusal) -> String? {
    if account.overridesPermissions { return nil }
    let numbers = try numbers(of: account)
    return try refusing { () throws(FileFailure) in
      try FileAccess.obstacle(reading: path, as: numbers, in: host)
    }
  }

  func checkReplaceable(_ path: String) throws(Refusal) {
    try refusing { () throws(FileFailure) in try StagedFile.check(path) }
  }

  func stage(
    _ bytes: [UInt8], at path: String, tag: String, before: Digest?, owner: ServiceAccount?
  ) throws(Refusal) {
    let owner: UserAccount? = if let owner { try numbers(of: owner) } else { nil }
    try refusing { () throws(FileFailure) in
      _ = try StagedFile.stage(
        bytes, under: lock(of: path), tag: tag, expecting: before, owner: owner)
    }
  }

  func install(at path: String, tag: String, before: Digest?, after: Digest) throws(Refusal) {
    try refusing { () throws(FileFailure) in
      try StagedFile(under: lock(of: path), tag: tag, old: before, new: after).install()
    }
  }

  func syncDirectory(of path: String) throws(Refusal) {
    try refusing { () throws(FileFailure) in try StagedFile.syncDirectory(of: path) }
  }

  func discard(beside path: String, allExcept tags: [String]) throws(Refusal) {
    try refusing { () throws(FileFailure) in
      // Most files that could have been written never were: they need no lock file beside them.
      if try StagedFile.tags(beside: path).allSatisfy(tags.contains) { return }
      try StagedFile.removeOrphans(under: lock(of: path), except: tags)
    }
  }

  private func numbers(of account: ServiceAccount) throws(Refusal) -> UserAccount {
    guard
      let numbers = UserAccount(
        user: account.user, group: account.group, supplementaryGroups: account.supplementaryGroups)
    else {
      let groups = ([account.group] + account.supplementaryGroups).filter { !$0.isEmpty }
      throw Refusal(
        .unit,
        "look up user \(account.user)\(groups.isEmpty ? "" : " and groups \(groups.joined(separator: ", "))"): not all of them exist on this host; create them, or correct User= and Group= of the unit"
      )
    }
    return numbers
  }

  private func lock(of path: String) throws(FileFailure) -> WriterLock {
    try held.withLock { (held) throws(FileFailure) in
      if let lock = held[path] { return lock }
      let lock = try WriterLock(path)
      held[path] = lock
      return lock
    }
  }
}

/// The agent's records in its state directory.
struct HostRecords: RecordPort {
  let directory: String

  /// Makes the directory and its folders, 0700, and removes what a crash left there.
  init(directory: String) throws(FileFailure) {
    self.directory = directory
    for folder in ["", "/generations", "/before", "/timelines"] {
      let path = directory + folder
      try DurableRecord.makeDirectory(path)
      try DurableRecord.removeOrphans(in: path)
    }
  }

  func guardEvidence(of invocation: String) throws(Refusal) -> [UInt8]? {
    guard let path = GuardEvidence.path(of: invocation) else { return nil }
    return try refusing { () throws(FileFailure) in try DurableRecord.read(path) }
  }
  func load(_ name: String) throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in try DurableRecord.read("\(directory)/\(name)") }
  }
  func save(_ name: String, _ bytes: [UInt8]) throws(Refusal) {
    try refusing { () throws(FileFailure) in try DurableRecord.write("\(directory)/\(name)", bytes)
    }
  }
  func remove(_ name: String) throws(Refusal) {
    try refusing { () throws(FileFailure) in try DurableRecord.remove("\(directory)/\(name)") }
  }
  func list(_ folder: String) throws(Refusal) -> [String] {
    try refusing { () throws(FileFailure) in try DurableRecord.list("\(directory)/\(folder)") }
  }
}

/// Turns a failed file operation into the refusal that it means for a rollout.
private func refusing<Result>(_ body: () throws(FileFailure) -> Result) throws(Refusal) -> Result {
  do throws(FileFailure) { return try body() } catch { throw error.refusal }
}
