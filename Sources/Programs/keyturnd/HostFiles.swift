import Agent
import Digests
import LinuxIO
import Model

/// The environment file on this host's disk.
struct HostEnvironmentFile: EnvironmentFilePort {
  let path: String
  /// Taken when it is first needed, which is at the agent's start, and held until the process ends.
  private let held = Lock<WriterLock?>(nil)

  init(path: String) { self.path = path }

  func read() throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in try StagedFile.inspect(path)?.bytes }
  }

  func read(other path: String) throws(Refusal) -> [UInt8]? {
    try refusing { () throws(FileFailure) in
      try FileReading.readIfPresent(path, limitBytes: Limits.environmentFileBytes)?.bytes
    }
  }

  func stage(_ bytes: [UInt8], tag: String, before: Digest?) throws(Refusal) {
    try refusing { () throws(FileFailure) in
      _ = try StagedFile.stage(bytes, under: lock(), tag: tag, expecting: before)
    }
  }

  func install(tag: String, before: Digest?, after: Digest) throws(Refusal) {
    try refusing { () throws(FileFailure) in
      try StagedFile(under: lock(), tag: tag, old: before, new: after).install()
    }
  }

  func syncDirectory() throws(Refusal) {
    try refusing { () throws(FileFailure) in
      // Only the directory counts here, so the digests may be any.
      try StagedFile(under: lock(), tag: "sync", old: nil, new: Digest.sha256([])).syncDirectory()
    }
  }

  func discard(allExcept tags: [String]) throws(Refusal) {
    try refusing { () throws(FileFailure) in
      do throws(FileFailure) {
        try StagedFile.removeOrphans(under: lock(), except: tags)
      } catch {
        // Without the directory there is nothing in it.
        if error.kind != .absent { throw error }
      }
    }
  }

  private func lock() throws(FileFailure) -> WriterLock {
    try held.withLock { (held) throws(FileFailure) in
      if let held { return held }
      let lock = try WriterLock(path)
      held = lock
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
    for path in [directory, "\(directory)/generations"] {
      try DurableRecord.makeDirectory(path)
      try DurableRecord.removeOrphans(in: path)
    }
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
private func refusing<Result>(
  _ body: () throws(FileFailure) -> Result
) throws(Refusal) -> Result {
  do throws(FileFailure) { return try body() } catch { throw error.refusal }
}
