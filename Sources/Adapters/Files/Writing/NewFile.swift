// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Linux

/// Files and directories of an operator's. Only ``replace(_:_:mode:)`` overwrites anything.
package enum NewFile {
  /// Creates a file with this content, durable. May block on the disk.
  ///
  /// Throws `system` (File exists) if there is anything of that name; whatever fails, no file is
  /// left.
  package static func create(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(FileFailure) {
    let place = try FilePlace(absolute(path))
    let directory = try Directory(place.directory)
    try directory.create(place.name, bytes) { (file) throws(FileFailure) in
      let raw = file.raw
      _ = try fileCall("change the mode of", path) { fchmod(raw, mode) }
    }
    try directory.sync()
  }

  /// Puts a file with this content and mode in place, whatever is there, in one step that survives a crash. May block on
  /// the disk.
  package static func replace(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(FileFailure) {
    let place = try FilePlace(absolute(path))
    let directory = try Directory(place.directory)
    let temporary = ".\(place.name).keyturn-new"
    try directory.remove(temporary)
    try directory.create(temporary, bytes) { (file) throws(FileFailure) in
      let raw = file.raw
      _ = try fileCall("change the mode of", path) { fchmod(raw, mode) }
    }
    do throws(FileFailure) {
      try directory.rename(temporary, to: place.name)
    } catch {
      _ = try? directory.remove(temporary)
      throw error
    }
    try Directory.syncRename(of: place)
  }

  /// Makes a directory, by default one that only its owner can enter; one that is there stays as it is. Its parent
  /// must exist. May block on the disk.
  package static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(FileFailure) {
    let place = try FilePlace(absolute(path))
    let (result, code) = (mkdir(place.path, mode), errno)
    if result != 0 {
      if code == EEXIST { return }
      throw FileFailure("make directory", path, code: code)
    }
    try Directory(place.directory).sync()
  }

  /// Makes a symbolic link, durable; false if something is there already, which stays. May block on the disk.
  package static func link(_ path: String, to target: String) throws(FileFailure) -> Bool {
    let place = try FilePlace(absolute(path))
    let (result, code) = (symlink(target, place.path), errno)
    if result != 0 {
      if code == EEXIST { return false }
      throw FileFailure("make the link", path, code: code)
    }
    try Directory(place.directory).sync()
    return true
  }

  /// The path from the root, without a slash at its end.
  package static func absolute(_ path: String) throws(FileFailure) -> String {
    var path = path
    while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
    if path.hasPrefix("/") { return path }
    let (directory, code) = (getcwd(nil, 0), errno)
    guard let directory else { throw FileFailure("find the directory of", path, code: code) }
    defer { free(directory) }
    return "\(String(cString: directory))/\(path)"
  }
}
