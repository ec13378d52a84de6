// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Linux

/// Files and directories that must not be there yet: nothing is ever overwritten.
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

  /// Makes a directory that only its owner can enter; one that is there stays as it is. Its parent
  /// must exist. May block on the disk.
  package static func makeDirectory(_ path: String) throws(FileFailure) {
    let place = try FilePlace(absolute(path))
    let (result, code) = (mkdir(place.path, 0o700), errno)
    if result != 0 {
      if code == EEXIST { return }
      throw FileFailure("make directory", path, code: code)
    }
    try Directory(place.directory).sync()
  }

  /// The path from the root, without a slash at its end.
  static func absolute(_ path: String) throws(FileFailure) -> String {
    var path = path
    while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
    if path.hasPrefix("/") { return path }
    let (directory, code) = (getcwd(nil, 0), errno)
    guard let directory else { throw FileFailure("find the directory of", path, code: code) }
    defer { free(directory) }
    return "\(String(cString: directory))/\(path)"
  }
}
