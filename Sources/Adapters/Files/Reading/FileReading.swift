// SPDX-License-Identifier: Apache-2.0
internal import CLinux
package import Crypto
internal import Glibc
internal import Linux

/// What the kernel says of a file.
package struct FileFacts: Sendable, Hashable {
  /// The permission bits, 0 to 0o7777.
  package var mode: UInt32
  package var userID: UInt32
  package var groupID: UInt32
  /// Its size, bytes; 0 for the files of /proc.
  package var sizeBytes: UInt64
  /// When its content, name, owner or mode last changed, nanoseconds since 1970.
  package var changedNanoseconds: Int64
  /// The same file has the same device and inode.
  package var device: UInt64
  package var inode: UInt64
  let isRegular: Bool
  let isSymbolicLink: Bool
  let links: UInt32
  let isImmutable: Bool
  let isMountPoint: Bool

  /// Mode and owner, for people.
  var permissions: String { "mode \(String(mode, radix: 8)), owner \(userID):\(groupID)" }

  /// The facts of an open file, or of `name` in an open directory. Does not block on a local file
  /// system.
  init(of file: borrowing FileDescriptor, _ name: String = "", path: String) throws(FileFailure) {
    let raw = file.raw
    var found = kt_file_facts()
    _ = try fileCall("stat", path) { kt_stat_file(raw, name, &found) }
    mode = found.mode & 0o7777
    userID = found.user
    groupID = found.group
    sizeBytes = found.bytes
    changedNanoseconds = found.changed_nanoseconds
    device = found.device
    inode = found.inode
    isRegular = found.mode & S_IFMT == S_IFREG
    isSymbolicLink = found.mode & S_IFMT == S_IFLNK
    links = found.links
    isImmutable = found.immutable != 0 || found.append_only != 0
    isMountPoint = found.mount_point != 0
  }
}

/// The bytes of a file and what the kernel says of it, read through one descriptor.
package struct FileContent: Sendable {
  package var bytes: [UInt8]
  package var facts: FileFacts

  package var digest: Digest { Digest.sha256(bytes) }
}

/// Reads whole files of a bounded size.
package enum FileReading {
  /// What becomes of a symbolic link as the last part of the path.
  package enum Links: Sendable { case follow, refuse }

  /// Reads a regular file. May block on the disk.
  ///
  /// Throws `absent`, `symbolicLink` (only with ``Links/refuse``), `notRegular`, `tooLarge`,
  /// `notPermitted` or `system`.
  package static func read(
    _ path: String, limitBytes: Int, links: Links = .follow, in tree: FileTree = .own
  ) throws(FileFailure) -> FileContent {
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == .refuse ? O_NOFOLLOW : 0)
    let file = try tree.open(path, flags)
    return try content(of: file, path: path, limitBytes: limitBytes)
  }

  /// The same, nil if there is no such file. May block on the disk.
  package static func readIfPresent(
    _ path: String, limitBytes: Int, links: Links = .follow, in tree: FileTree = .own
  ) throws(FileFailure) -> FileContent? {
    try ifPresent { () throws(FileFailure) in
      try read(path, limitBytes: limitBytes, links: links, in: tree)
    }
  }

  /// Whether `path` is a directory, or a link to one; false if there is nothing. Does not block on
  /// a local file system.
  package static func isDirectory(_ path: String) throws(FileFailure) -> Bool {
    let found = try ifPresent { () throws(FileFailure) in try Directory(path) }
    return found != nil
  }

  /// Whether `path` is a regular file, or a link to one; false if there is nothing. Needs no right
  /// to read it. Does not block on a local file system.
  package static func isRegularFile(_ path: String) throws(FileFailure) -> Bool {
    var facts = stat()
    let found = try ifPresent { () throws(FileFailure) in
      try fileCall("stat", path) { stat(path, &facts) }
    }
    return found != nil && facts.st_mode & S_IFMT == S_IFREG
  }

  /// The names in a directory, sorted; nil if there is none, or it cannot be read.
  package static func names(in directory: String) -> [String]? {
    guard let stream = opendir(directory) else { return nil }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Whether `path` is a pipe, or something else that is read once, in order; false if there is
  /// nothing. Does not open it: a writer would take that for its reader.
  package static func isStream(_ path: String) -> Bool {
    var facts = stat()
    return stat(path, &facts) == 0 && [S_IFIFO, S_IFCHR].contains(facts.st_mode & S_IFMT)
  }

  /// Reads a stream to its end. Blocks until its writers close it.
  package static func readStream(
    _ path: String, limitBytes: Int
  ) throws(FileFailure) -> [UInt8] {
    let raw = try fileCall("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
    return try bytes(of: FileDescriptor(owning: raw), path: path, limitBytes: limitBytes)
  }

  /// Reads standard input to its end. It may be of any kind. Blocks until its writer closes it.
  package static func readStandardInput(limitBytes: Int) throws(FileFailure) -> [UInt8] {
    let copy = try fileCall("read", "standard input") { fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) }
    return try bytes(
      of: FileDescriptor(owning: copy), path: "standard input", limitBytes: limitBytes)
  }

  /// All bytes of an open regular file from its offset on.
  static func content(
    of file: borrowing FileDescriptor, path: String, limitBytes: Int
  ) throws(FileFailure) -> FileContent {
    let facts = try FileFacts(of: file, path: path)
    guard facts.isRegular else {
      throw FileFailure(.notRegular, path, "read \(path): it is not a regular file; name one.")
    }
    return FileContent(bytes: try bytes(of: file, path: path, limitBytes: limitBytes), facts: facts)
  }

  private static func bytes(
    of file: borrowing FileDescriptor, path: String, limitBytes: Int
  ) throws(FileFailure) -> [UInt8] {
    let raw = file.raw
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = try fileCall("read", path) { Glibc.read(raw, &chunk, chunk.count) }
      if count == 0 { return bytes }
      if bytes.count + count > limitBytes {
        throw FileFailure(
          .tooLarge, path, "read \(path): it is larger than \(limitBytes) bytes, the limit for it.")
      }
      bytes += chunk[..<count]
    }
  }
}
