// SPDX-License-Identifier: Apache-2.0
import Agent
import Files
import Linux
import Model

/// inotify on this host's files.
struct HostFileWatch: FileWatchPort {
  private let files: FileWatch
  /// As systemd sees them.
  private let host = FileTree.of(pid: 1)

  init() throws(Errno) { files = try FileWatch(tree: host) }

  func watch(_ places: [String]) throws(Refusal) {
    do throws(Errno) { try files.watch(places) } catch { throw Self.refusal(error) }
  }

  func wait(until deadline: Instant?) throws(Refusal) -> Bool {
    do throws(Errno) { return try files.wait(until: deadline) } catch { throw Self.refusal(error) }
  }

  func wake() { files.wake() }

  func mark(of path: String) throws(Refusal) -> FileMark {
    do throws(FileFailure) {
      guard
        let file = try FileReading.readIfPresent(
          path, limitBytes: Limits.environmentFileBytes, in: host)
      else { return FileMark(digest: nil, mode: 0, userID: 0, groupID: 0, inode: 0) }
      return FileMark(
        digest: file.digest, mode: file.facts.mode, userID: file.facts.userID,
        groupID: file.facts.groupID, inode: file.facts.inode)
    } catch { throw error.refusal }
  }

  private static func refusal(_ error: Errno) -> Refusal {
    Refusal(
      .failed,
      "\(error); where the limit is reached raise fs.inotify.max_user_watches or max_user_instances (sysctl)"
    )
  }
}
