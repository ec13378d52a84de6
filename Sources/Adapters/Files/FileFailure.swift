// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Linux
package import Model

/// Why a file could not be read, staged, replaced or removed.
///
/// The message says what was attempted, on what, what happened and what to do next; it holds
/// nothing of the content.
package struct FileFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// What kind of failure it is; tests and callers branch on this, never on the message.
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    /// There is no such file or directory.
    case absent
    /// The path, a tag or a mode cannot be used.
    case invalid
    /// It is a symbolic link, which a rename would replace by a file.
    case symbolicLink
    /// It is a directory, a device, a pipe or a socket.
    case notRegular
    /// It has other names, which would keep the old content.
    case hardLinks
    /// Something is mounted on it (a bind-mounted file), so it cannot be renamed over.
    case mountPoint
    /// It, or its directory, is immutable or append-only.
    case immutable
    /// It is larger than its limit.
    case tooLarge
    /// It is not, or no longer, what the caller expected.
    case changed
    /// Its checksum does not fit its content.
    case damaged
    /// A newer version of the program wrote it.
    case newer
    /// Another process has its lock.
    case busy
    /// The disk or the quota is full.
    case diskFull
    /// The file system is mounted read-only.
    case readOnly
    /// The kernel does not permit it.
    case notPermitted
    /// Any other error of the kernel or the disk.
    case system
  }

  package var kind: Kind
  /// The file that it is about.
  package var path: String
  /// Whole sentences for a person.
  package var message: String

  package init(_ kind: Kind, _ path: String, _ message: String) {
    self.kind = kind
    self.path = path
    self.message = message
  }

  package var description: String { message }

  /// As a refusal: a changed file refuses the vote, everything else concerns the file.
  package var refusal: Refusal { Refusal(kind == .changed ? .vote : .file, message) }

  /// The failure of a system call: `attempt` is what was done, for example `create`, `path` on
  /// what.
  init(_ attempt: String, _ path: String, code: Int32) {
    let (kind, advice): (Kind, String) =
      switch code {
      case ENOENT, ENOTDIR: (.absent, "check the path")
      case ENOSPC, EDQUOT: (.diskFull, "free some space on its file system and try again")
      case EROFS:
        (
          .readOnly,
          "remount its file system read-write, or, where only the agent's sandbox is read-only, "
            + "add the directory: systemctl edit keyturnd, [Service] ReadWritePaths=DIRECTORY, then "
            + "systemctl restart keyturnd, and try again"
        )
      case ELOOP: (.symbolicLink, "name the file itself instead of a symbolic link")
      case EBUSY: (.mountPoint, "something is mounted on it; unmount that and try again")
      case EACCES, EPERM:
        (
          .notPermitted,
          "check who runs this, owner and mode of the file and of the directories above it, its attributes "
            + "(lsattr), and, for the agent, its unit's sandbox"
        )
      case EEXIST: (.invalid, "it is there already, and nothing is overwritten; name another place")
      case ENXIO, EISDIR: (.notRegular, "name a regular file")
      case ENAMETOOLONG, EINVAL: (.invalid, "check the path")
      default: (.system, "check the disk and the kernel's log")
      }
    self.init(kind, path, "\(attempt) \(path): \(Errno.text(code)); \(advice).")
  }
}

/// Nil if there is no such file or directory.
func ifPresent<Value: ~Copyable>(
  _ body: () throws(FileFailure) -> Value
) throws(FileFailure) -> Value? {
  do throws(FileFailure) { return try body() } catch {
    if error.kind == .absent { return nil }
    throw error
  }
}

/// Repeats `call` while a signal interrupts it.
func fileCall<Result: FixedWidthInteger & SignedInteger>(
  _ attempt: String, _ path: String, _ call: () -> Result
) throws(FileFailure) -> Result {
  do throws(Errno) {
    return try retrying(attempt, call)
  } catch {
    throw FileFailure(attempt, path, code: error.code)
  }
}
