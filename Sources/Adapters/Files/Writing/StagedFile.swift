// SPDX-License-Identifier: Apache-2.0
package import Crypto
internal import Glibc
internal import Linux
internal import Model

/// A new version of a file: beside it, durable, with the old one's owner, mode, extended attributes
/// and access list, not yet visible under its name.
///
/// ```
/// absent --stage--> staged --install--> installed --syncDirectory--> durable
///                   staged --discard--> absent
/// ```
///
/// Its only resource is the target's ``WriterLock``: after a crash, target, tag and two digests
/// restore it, and each operation may be repeated. It refuses a target that a rename would not
/// really replace (symbolic link, hard links, mount point, immutable file) or that is not the
/// planned version. A refusal leaves the old file intact and nothing beside it.
package struct StagedFile: Sendable {
  /// The file that is to be replaced, absolute.
  package var target: String { lock.target }
  /// Tells the stagings of different rollouts apart: ``Name`` characters.
  package let tag: String
  /// What the target must be when this is installed; nil: it must not exist.
  package let old: Digest?
  /// What the target will be.
  package let new: Digest

  private let lock: WriterLock
  private let name: String
  private var place: FilePlace { lock.place }

  /// Where the new version is, `.NAME.keyturn-TAG` in the target's directory.
  package var path: String {
    place.directory == "/" ? "/\(name)" : "\(place.directory)/\(name)"
  }

  /// The staged file that ``stage(_:under:tag:expecting:)`` made before a crash. Touches nothing.
  package init(under lock: WriterLock, tag: String, old: Digest?, new: Digest) throws(FileFailure) {
    if let problem = Name.problem(in: tag) {
      let target = lock.target
      throw FileFailure(.invalid, target, "stage \(target): tag \"\(tag)\": \(problem).")
    }
    self.lock = lock
    name = StagedFile.prefix(of: lock.place) + tag
    self.tag = tag
    self.old = old
    self.new = new
  }

  /// Writes a new version of the lock's target, durable, with the old one's attributes. May block
  /// on the disk.
  ///
  /// `old` is the digest of the version that the new one was made from, nil if there was none: then
  /// the new file is 0600 and belongs to `owner`, or else to the calling process's user. What an
  /// earlier attempt with this tag left is replaced. Throws `changed` if the target is not `old`.
  package static func stage(
    _ bytes: [UInt8], under lock: WriterLock, tag: String, expecting old: Digest?,
    owner: UserAccount? = nil
  ) throws(FileFailure) -> StagedFile {
    let target = lock.target
    let staged = try StagedFile(under: lock, tag: tag, old: old, new: Digest.sha256(bytes))
    if bytes.count > Limits.environmentFileBytes {
      throw FileFailure(
        .tooLarge, target,
        "stage \(target): the new version has \(bytes.count) bytes, "
          + "\(Limits.environmentFileBytes) are allowed.")
    }
    let directory = try Directory(staged.place.directory)
    let current = try directory.open(staged.place.name)
    try staged.expect(old, in: try staged.inspect(current)?.digest)
    try directory.remove(staged.name)
    try directory.create(staged.name, bytes) { (file) throws(FileFailure) in
      try staged.carryOver(from: current, to: file)
      if old == nil, let owner { try FileAttributes.set(owner: owner, of: file, path: staged.path) }
    }
    do throws(FileFailure) {
      try directory.sync()
    } catch {
      _ = try? directory.remove(staged.name)
      throw error
    }
    return staged
  }

  /// Puts the new version in the place of the old one, atomically. May block on the disk.
  ///
  /// A compare-and-swap: throws `changed` if the target is no longer the version that this was
  /// staged against, and `damaged` if the staged file is not what was written. Owner and mode are
  /// compared again too, since they may have been narrowed meanwhile. Does nothing if the target is
  /// the new version already. The rename is durable only after ``syncDirectory(of:)``.
  package func install() throws(FileFailure) {
    let directory = try Directory(place.directory)
    let current = try directory.open(place.name)
    let found = try inspect(current)
    if found?.digest == new {
      try directory.remove(name)
      return
    }
    try expect(old, in: found?.digest)
    guard let staged = try directory.open(name) else { throw damaged("is gone") }
    let content = try FileReading.content(
      of: staged, path: path, limitBytes: Limits.environmentFileBytes)
    if content.digest != new || content.facts.links != 1 { throw damaged("was altered") }
    do throws(FileFailure) {
      if try carryOver(from: current, to: staged) { try Directory.sync(staged, path: path) }
    } catch {
      // After a failed fsync a second one would succeed without having done anything.
      _ = try? directory.remove(name)
      throw error
    }
    // A program that ignores our lock can lose a write only between here and the rename, two system
    // calls later.
    guard try directory.facts(of: place.name) == found?.facts else {
      throw FileFailure(
        .changed, target,
        "replace \(target): it changed while it was being replaced; check it and plan again.")
    }
    try directory.rename(name, to: place.name)
  }

  /// Makes an installed file's rename durable. May block on the disk.
  ///
  /// A separate call, because the protocol issues the restart in between. If it throws, the new
  /// version is in place nevertheless.
  package static func syncDirectory(of target: String) throws(FileFailure) {
    try Directory.syncRename(of: FilePlace(target))
  }

  /// Removes the staged file, if it is there. May block on the disk. An installed file is not
  /// touched.
  package func discard() throws(FileFailure) {
    let directory = try Directory(place.directory)
    if try directory.remove(name) { try directory.sync() }
  }

  /// The tags of all staged files beside `target`, sorted: after a crash, those that no rollout
  /// knows are orphans. May block on the disk. None if the directory does not exist.
  package static func tags(beside target: String) throws(FileFailure) -> [String] {
    let place = try FilePlace(target)
    let prefix = prefix(of: place)
    let names = try ifPresent { () throws(FileFailure) in try Directory(place.directory).names() }
    return (names ?? []).filter { $0.hasPrefix(prefix) }
      .map { String($0.dropFirst(prefix.count)) }.filter { Name.problem(in: $0) == nil }
  }

  /// Removes the staged files beside the lock's target whose tag is not in `known`, and returns
  /// their tags. May block on the disk.
  ///
  /// Under the lock they can only be those of a process that is gone.
  @discardableResult
  package static func removeOrphans(
    under lock: WriterLock, except known: [String]
  ) throws(FileFailure) -> [String] {
    let orphans = try tags(beside: lock.target).filter { !known.contains($0) }
    if orphans.isEmpty { return [] }
    let directory = try Directory(lock.place.directory)
    for tag in orphans { try directory.remove(prefix(of: lock.place) + tag) }
    try directory.sync()
    return orphans
  }

  /// Whether `target` could be replaced: throws the refusal that ``stage(_:under:tag:expecting:)``
  /// would throw for the kind of file that it is, and gives its content, nil if there is none. May
  /// block on the disk.
  package static func inspect(_ target: String) throws(FileFailure) -> FileContent? {
    let place = try FilePlace(target)
    let directory = try Directory(place.directory)
    guard let file = try directory.open(place.name) else { return nil }
    return try replaceable(file, path: target)
  }

  /// Throws why `target` could not be replaced: the kind of file that it is, or a directory that
  /// cannot be written. May block on the disk. Writes nothing.
  package static func check(_ target: String) throws(FileFailure) {
    _ = try inspect(target)
    let directory = try FilePlace(target).directory
    do throws(FileFailure) {
      _ = try fileCall("write into", directory) { access(directory, W_OK | X_OK) }
    } catch {
      if error.kind != .readOnly { throw error }
      throw FileFailure(
        .readOnly, directory,
        "write into \(directory): it is read-only for the agent; if its unit makes it so, systemctl "
          + "edit keyturnd, add [Service] and ReadWritePaths=\(directory), then systemctl restart "
          + "keyturnd; else remount the file system read-write.")
    }
  }

  private static func prefix(of place: FilePlace) -> String { ".\(place.name).keyturn-" }

  /// The open target; nil if there is none.
  private func inspect(_ current: borrowing FileDescriptor?) throws(FileFailure) -> FileContent? {
    switch current {
    case .some(let file): try StagedFile.replaceable(file, path: target)
    case .none: nil
    }
  }

  private func damaged(_ what: String) -> FileFailure {
    FileFailure(
      .damaged, target,
      "replace \(target): the staged file \(path) \(what); nothing was changed, apply again.")
  }

  private func expect(_ expected: Digest?, in found: Digest?) throws(FileFailure) {
    if found == expected { return }
    let what =
      switch (expected, found) {
      case (nil, _): "there is one now, and there was none when the change was planned"
      case (_, nil): "it is gone since the change was planned"
      case (let expected?, let found?):
        "it was changed since the change was planned (then \(expected), now \(found))"
      }
    throw FileFailure(.changed, target, "replace \(target): \(what); look at it and plan again.")
  }

  /// True if the new file had not had the attributes before.
  @discardableResult
  private func carryOver(
    from current: borrowing FileDescriptor?, to file: borrowing FileDescriptor
  ) throws(FileFailure) -> Bool {
    switch current {
    case .some(let old): return try FileAttributes.carryOver(from: old, to: file, path: path)
    case .none: return try FileAttributes.set(mode: 0o600, of: file, path: path)
    }
  }

  private static func replaceable(
    _ file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) -> FileContent {
    let content = try FileReading.content(
      of: file, path: path, limitBytes: Limits.environmentFileBytes)
    let facts = content.facts
    if facts.isMountPoint {
      throw FileFailure(
        .mountPoint, path,
        "replace \(path): something is mounted on it, so that it cannot be replaced in one step; "
          + "mount its directory instead, or unmount it.")
    }
    if facts.links != 1 {
      throw FileFailure(
        .hardLinks, path,
        "replace \(path): it has \(facts.links) names (hard links), and the others would keep the "
          + "old content; remove them (find / -xdev -samefile \(path)).")
    }
    if facts.isImmutable {
      throw FileFailure(
        .immutable, path,
        "replace \(path): it is immutable or append-only; if that is not meant, chattr -i -a \(path)."
      )
    }
    return content
  }
}
