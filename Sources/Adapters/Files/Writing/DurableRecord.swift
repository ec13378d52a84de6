// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Glibc
internal import Model

/// A small file of the agent's own state: replaced in one durable step, and checked when it is
/// read.
///
/// Its first line is `keyturn-record 1 sha256:DIGEST`, the digest being that of all bytes after it.
/// The number is the version of what the record means (docs/development/versions.md). A record that
/// is torn, altered, too large or of a newer version is an error that names it, never an empty one.
/// One thread at a time may write a record.
package enum DurableRecord {
  /// The version that is written, and the only one that is read.
  package static let version = 1
  private static let unfinished = ".keyturn-new"
  private static let headerBytes = header(of: [], version).count

  /// The content of a record, nil if there is none. May block on the disk.
  package static func read(_ path: String) throws(FileFailure) -> [UInt8]? {
    guard
      let file = try FileReading.readIfPresent(
        path, limitBytes: headerBytes + Limits.recordFileBytes, links: .refuse)
    else { return nil }
    let header = file.bytes.prefix(headerBytes)
    let content = Array(file.bytes.dropFirst(headerBytes))
    guard header.elementsEqual(self.header(of: content, version)) else {
      if let newer = newerVersion(of: file.bytes) {
        throw FileFailure(
          .newer, path,
          "read \(path): it is a record of version \(newer), written by a newer Keyturn, and this one reads version \(version); install that Keyturn again."
        )
      }
      throw FileFailure(
        .damaged, path,
        "read \(path): its checksum is wrong: it was altered or torn, and is not used.")
    }
    return content
  }

  /// Replaces the record, or makes it; when this returns, it survives a crash. May block on the
  /// disk.
  ///
  /// If it throws, the record is the old one, unless only the last step failed (`fsync` of the
  /// directory), which the message then says: it is the new one, and a power failure may undo that.
  package static func write(
    _ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600
  ) throws(FileFailure) {
    if bytes.count > Limits.recordFileBytes {
      throw FileFailure(
        .tooLarge, path,
        "write \(path): the record has \(bytes.count) bytes, \(Limits.recordFileBytes) are allowed."
      )
    }
    let place = try FilePlace(path)
    let directory = try Directory(place.directory)
    let temporary = ".\(place.name)\(unfinished)"
    try directory.remove(temporary)
    try directory.create(temporary, header(of: bytes, version) + bytes) {
      (file) throws(FileFailure) in try FileAttributes.set(mode: mode, of: file, path: path)
    }
    do throws(FileFailure) {
      try directory.rename(temporary, to: place.name)
    } catch {
      _ = try? directory.remove(temporary)
      throw error
    }
    try Directory.syncRename(of: place)
  }

  /// Removes the unfinished writes that crashes left in a directory; none of them was ever a
  /// record. May block on the disk.
  ///
  /// For the start of the one process that writes there.
  package static func removeOrphans(in path: String) throws(FileFailure) {
    let directory = try Directory(path)
    let orphans = try directory.names().filter { $0.hasPrefix(".") && $0.hasSuffix(unfinished) }
    if orphans.isEmpty { return }
    for name in orphans { try directory.remove(name) }
    try directory.sync()
  }

  /// Removes a record, durable; nothing happens if there is none. May block on the disk.
  package static func remove(_ path: String) throws(FileFailure) {
    let place = try FilePlace(path)
    let directory = try Directory(place.directory)
    if try directory.remove(place.name) { try directory.sync() }
  }

  /// Removes all records of a directory but the newest. May block on the disk.
  package static func prune(_ path: String, keeping limit: Int) throws(FileFailure) {
    let directory = try Directory(path)
    var records: [(name: String, changed: Int64)] = []
    for name in try directory.names() {
      // Another process may be pruning too.
      guard let facts = try directory.facts(of: name) else { continue }
      records.append((name, facts.changedNanoseconds))
    }
    records.sort { $0.changed > $1.changed }
    for record in records.dropFirst(limit) { try directory.remove(record.name) }
  }

  /// The names of the records in a directory, sorted; none if it does not exist. May block on the
  /// disk.
  ///
  /// Names that begin with a dot (what a crash left of an unfinished write) are not among them.
  package static func list(_ directory: String) throws(FileFailure) -> [String] {
    let names = try ifPresent { () throws(FileFailure) in try Directory(directory).names() }
    return names?.filter { !$0.hasPrefix(".") } ?? []
  }

  /// Makes sure that there is a directory that only this process's user can enter. May block on the
  /// disk.
  ///
  /// One that exists is narrowed to 0700; one that belongs to somebody else is refused. Its parent
  /// must exist.
  package static func makeDirectory(_ path: String) throws(FileFailure) {
    let place = try FilePlace(path)
    let parent = try Directory(place.directory)
    let (result, code) = (mkdir(path, 0o700), errno)
    if result != 0 && code != EEXIST { throw FileFailure("make directory", path, code: code) }
    let directory = try Directory(path)
    let facts = try directory.facts()
    guard facts.userID == geteuid() else {
      throw FileFailure(
        .notPermitted, path,
        "use directory \(path): it belongs to user \(facts.userID), not to \(geteuid()); "
          + "give it to the user that Keyturn runs as.")
    }
    if facts.mode != 0o700 { try directory.setMode(0o700) }
    if result == 0 { try parent.sync() }
  }

  private static func header(of content: [UInt8], _ version: Int) -> [UInt8] {
    Array("keyturn-record \(version) sha256:\(Digest.sha256(content).hex)\n".utf8)
  }

  /// The version of a whole record that is newer than ``version``; nil if it is damaged.
  private static func newerVersion(of bytes: [UInt8]) -> Int? {
    guard let end = bytes.firstIndex(of: 0x0A) else { return nil }
    let words = String(decoding: bytes[..<end], as: UTF8.self).split(separator: " ")
    guard words.count == 3, let newer = Int(words[1]), newer > version,
      bytes[...end].elementsEqual(header(of: Array(bytes[(end + 1)...]), newer))
    else { return nil }
    return newer
  }
}
