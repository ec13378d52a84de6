// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Linux

/// The files of the host as one of its processes sees them: from its root, with the mounts of its
/// mount namespace.
///
/// A service often has another view than systemd (PrivateTmp=, ProtectHome= and similar), and so
/// has this program. Reading another process' tree needs CAP_SYS_PTRACE (proc(5), /proc/PID/root).
package struct FileTree: Sendable, Hashable {
  /// Prefix of all paths; empty for this process' own tree.
  let root: String
  /// The list of its mounts, which poll(2) tells the changes of.
  let mounts: String

  /// That of this process.
  package static let own = FileTree(root: "", mounts: "/proc/self/mountinfo")

  /// That of another process, while it runs. 1 is systemd, and so the host's own.
  package static func of(pid: Int32) -> FileTree {
    FileTree(root: "/proc/\(pid)/root", mounts: "/proc/\(pid)/mountinfo")
  }

  /// How a path that has no symbolic link on its way is reached from here.
  func place(_ path: String) -> String { "\(root)\(path)" }

  /// Opens a file. Every link on the way leads to where it leads that process.
  ///
  /// Name by name, because the kernel would resolve an absolute link from this process' root.
  /// openat2(2) could do it in one call, but RestrictSUIDSGID= blocks it.
  func open(_ path: String, _ flags: Int32) throws(FileFailure) -> FileDescriptor {
    if root.isEmpty {
      return FileDescriptor(owning: try fileCall("open", path) { Glibc.open(path, flags) })
    }
    let directory = O_RDONLY | O_DIRECTORY | O_CLOEXEC
    var place: FileDescriptor
    do throws(FileFailure) {
      place = FileDescriptor(owning: try fileCall("open", root) { Glibc.open(root, directory) })
    } catch {
      // Must not be taken for a missing file.
      throw FileFailure(
        .system, path,
        "open \(path) as the process of \(root) sees it: \(error.message) The process may have ended; else see that keyturnd runs as root with CAP_SYS_PTRACE."
      )
    }
    let walk = try PathWalk(path, in: self, trusting: nil)
    guard walk.exists else { throw FileFailure("open", path, code: ENOENT) }
    let names = PathWalk.components(walk.real)
    for (index, name) in names.enumerated() {
      // A link here was made after the walk.
      let kind = (index == names.count - 1 ? flags : directory) | O_NOFOLLOW
      let raw = place.raw
      place = FileDescriptor(owning: try fileCall("open", path) { openat(raw, name, kind) })
    }
    return place
  }
}
