// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import Linux

/// An open directory: the one place where the project creates, renames and removes files.
///
/// All its operations name their file relative to the open descriptor, so that a directory that is
/// moved or replaced meanwhile does no harm. They may block on the disk.
struct Directory: ~Copyable {
  let path: String
  private let descriptor: FileDescriptor

  init(_ path: String) throws(FileFailure) {
    self.path = path
    descriptor = FileDescriptor(
      owning: try fileCall("open directory", path) {
        Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      })
  }

  private func path(of name: String) -> String { path == "/" ? "/\(name)" : "\(path)/\(name)" }

  /// Opens a file for reading without following a link; nil if there is none.
  func open(_ name: String) throws(FileFailure) -> FileDescriptor? {
    let (directory, path) = (descriptor.raw, path(of: name))
    return try ifPresent { () throws(FileFailure) in
      FileDescriptor(
        owning: try fileCall("open", path) {
          openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        })
    }
  }

  /// Creates a file that must not exist yet, 0600, lets `prepare` give it its final owner, labels
  /// and mode, and makes it durable. Whatever fails, the file is gone again.
  ///
  /// `prepare` runs before the first byte, so that no byte is ever less protected than in the end,
  /// and after the last, because a write clears set-id bits and capabilities.
  ///
  /// If fsync fails, the file is discarded: the kernel marks the pages clean, so a second fsync
  /// would succeed without writing them.
  func create(
    _ name: String, _ bytes: [UInt8],
    prepare: (borrowing FileDescriptor) throws(FileFailure) -> Void
  ) throws(FileFailure) {
    let directory = descriptor.raw
    let path = path(of: name)
    let file = FileDescriptor(
      owning: try fileCall("create", path) {
        openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
      })
    do throws(FileFailure) {
      try prepare(file)
      try Directory.write(bytes, to: file, path: path)
      try prepare(file)
      try Directory.sync(file, path: path)
      do throws(Errno) {
        try file.close()
      } catch {
        throw FileFailure("close", path, code: error.code)
      }
    } catch {
      _ = unlinkat(directory, name, 0)
      throw error
    }
  }

  /// Renames `old` to `new`, replacing an existing file.
  func rename(_ old: String, to new: String) throws(FileFailure) {
    let directory = descriptor.raw
    _ = try fileCall("rename \(path(of: old)) to", path(of: new)) {
      renameat(directory, old, directory, new)
    }
  }

  /// Removes a file; false if there is none.
  @discardableResult
  func remove(_ name: String) throws(FileFailure) -> Bool {
    let (directory, path) = (descriptor.raw, path(of: name))
    return try ifPresent { () throws(FileFailure) in
      try fileCall("remove", path) { unlinkat(directory, name, 0) }
    } != nil
  }

  /// Makes what was created, renamed and removed in it durable.
  func sync() throws(FileFailure) { try Directory.sync(descriptor, path: path) }

  /// The same for a directory in which `target` was just renamed; a failure says that the file is
  /// in place all the same.
  static func syncRename(of target: FilePlace) throws(FileFailure) {
    do throws(FileFailure) {
      try Directory(target.directory).sync()
    } catch {
      throw FileFailure(
        error.kind, target.path,
        "replace \(target.path): the new version is in place, but a power failure may undo that: "
          + error.message)
    }
  }

  /// Opens a file, creates it first if need be, and locks it until it is closed or the process
  /// ends; nil if another process has the lock. Does not wait.
  func lock(_ name: String) throws(FileFailure) -> FileDescriptor? {
    let directory = descriptor.raw
    let path = path(of: name)
    let file = FileDescriptor(
      owning: try fileCall("create", path) {
        openat(directory, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
      })
    let raw = file.raw
    do throws(Errno) {
      _ = try retrying("flock") { flock(raw, LOCK_EX | LOCK_NB) }
    } catch {
      if error.code == EWOULDBLOCK { return nil }
      throw FileFailure("lock", path, code: error.code)
    }
    return file
  }

  /// The facts of a file in it, or of the symbolic link of that name; nil if there is none.
  func facts(of name: String) throws(FileFailure) -> FileFacts? {
    try ifPresent { () throws(FileFailure) in
      try FileFacts(of: descriptor, name, path: path(of: name))
    }
  }

  /// The names in it without `.` and `..`, sorted.
  func names() throws(FileFailure) -> [String] {
    let directory = descriptor.raw
    // The stream owns its descriptor, and has an offset of its own.
    let copy = FileDescriptor(
      owning: try fileCall("list", path) {
        openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      })
    let raw = copy.release()
    let (stream, code) = (fdopendir(raw), errno)
    guard let stream else {
      _ = Glibc.close(raw)
      throw FileFailure("list", path, code: code)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      let (entry, code) = (readdir(stream), errno)
      guard let entry else {
        if code != 0 { throw FileFailure("list", path, code: code) }
        return names.sorted()
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  func facts() throws(FileFailure) -> FileFacts { try FileFacts(of: descriptor, path: path) }

  func setMode(_ mode: UInt32) throws(FileFailure) {
    let raw = descriptor.raw
    _ = try fileCall("change the mode of", path) { fchmod(raw, mode) }
  }

  private static func write(
    _ bytes: [UInt8], to file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) {
    let raw = file.raw
    var written = 0
    while written < bytes.count {
      let rest = bytes[written...]
      written += try fileCall("write", path) {
        rest.withUnsafeBytes { Glibc.write(raw, $0.baseAddress, $0.count) }
      }
    }
  }

  /// fsync(2), once: not even an interrupted one is repeated.
  static func sync(_ file: borrowing FileDescriptor, path: String) throws(FileFailure) {
    let (result, code) = (fsync(file.raw), errno)
    if result != 0 { throw FileFailure("make durable (fsync)", path, code: code) }
  }
}

/// An absolute path as its directory and the name in it.
struct FilePlace: Sendable, Hashable {
  let path: String
  let directory: String
  let name: String

  init(_ path: String) throws(FileFailure) {
    guard path.utf8.first == 0x2F, let slash = path.lastIndex(of: "/"), !path.utf8.contains(0)
    else {
      throw FileFailure(.invalid, path, "\(path): the path must be absolute.")
    }
    let name = String(path[path.index(after: slash)...])
    guard !name.isEmpty, name != ".", name != ".." else {
      throw FileFailure(.invalid, path, "\(path): the path must end in the name of a file.")
    }
    self.path = path
    self.name = name
    directory = slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
