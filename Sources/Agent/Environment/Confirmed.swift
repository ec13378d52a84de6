// SPDX-License-Identifier: Apache-2.0
internal import API
package import Crypto
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit

/// What is remembered of a file: enough to tell that it is another one, and no byte of it.
package struct FileMark: Sendable, Codable, Hashable {
  /// Of its bytes; nil if there is no file.
  package var digest: Digest?
  package var mode: UInt32
  package var userID: UInt32
  package var groupID: UInt32
  /// Tells it from another one of the same content in its place.
  package var inode: UInt64

  package init(digest: Digest?, mode: UInt32, userID: UInt32, groupID: UInt32, inode: UInt64) {
    self.digest = digest
    self.mode = mode
    self.userID = userID
    self.groupID = groupID
    self.inode = inode
  }

  /// There is no file.
  static let none = FileMark(digest: nil, mode: 0, userID: 0, groupID: 0, inode: 0)
}

/// What the server's environment came from when a start was confirmed last, by digests: what drift
/// is measured against, also by an agent that was restarted.
struct Confirmed: Sendable, Codable, Hashable {
  struct File: Sendable, Codable, Hashable {
    var path: String
    var mark: FileMark
  }

  var rollout: String
  var files: [File]
  /// Of what the unit adds to the environment.
  var unitEnvironment: Digest
  /// Of which files the unit consists of.
  var unitFiles: Digest

  /// The same after a rollout that has replaced one of the files and restarted nothing.
  func replacing(_ content: MemberContent, mark: FileMark, _ rollout: String) -> Confirmed {
    var result = self
    var mark = mark
    // What was voted on counts, not what has been made of it since.
    mark.digest = content.after
    result.files.removeAll { $0.path == content.path }
    result.files.append(File(path: content.path, mark: mark))
    result.rollout = rollout
    return result
  }
}

extension UnitState {
  /// Of all that the unit contributes to the environment, and who gets it.
  var environmentDigest: Digest {
    .ofFields(
      ["keyturn unit 1"] + environmentFiles.map { "\($0.isOptional ? "-" : "")\($0.path)" } + [""]
        + environment + [""] + passEnvironment + [""] + unsetEnvironment + ["", user, group, ""]
        + execStart + sandbox.fields)
  }

  /// Of both.
  var digest: Digest { .ofFields([environmentDigest.hex, filesDigest.hex]) }

  /// Of the files that it consists of.
  var filesDigest: Digest { .ofFields(["keyturn unit files 1", fragmentPath] + dropIns) }
}

extension UnitSandbox {
  /// All of it, for a digest; nothing of a unit that leaves everything as it is.
  fileprivate var fields: [String] {
    if self == UnitSandbox() { return [] }
    let flags = "\(privateTmp) \(privateDevices) \(hasExtensions)"
    return ["", flags, protectHome, root, pamName, ""] + mounts + [""] + inaccessible
  }
}

extension DriftWatch {
  /// Remembers what the confirmed start was made from, durable when it returns. Repeating it does
  /// no harm. Blocks on the disk.
  func keepConfirmed(_ rollout: Rollout) throws(Refusal) {
    if !rollout.restartsServers { return try keepReplaced(rollout) }
    let view = ServerView(site)
    guard let unit = view.unit else { return }
    let server = try view.wholeServer()
    var files: [Confirmed.File] = []
    for path in paths(server) {
      var mark = try site.ports.watch.mark(of: path)
      // What was started with counts, not what has been made of it since.
      if let content = rollout.content(of: site.node), content.path == path {
        mark.digest = content.after
      }
      files.append(.init(path: path, mark: mark))
    }
    let confirmed = Confirmed(
      rollout: rollout.id, files: files, unitEnvironment: unit.environmentDigest,
      unitFiles: unit.filesDigest)
    try keep(confirmed)
  }

  /// A rollout that restarted nothing has replaced one file; of the rest, a unit that was edited above all, what the
  /// server was started with counts still.
  private func keepReplaced(_ rollout: Rollout) throws(Refusal) {
    guard let confirmed, let content = rollout.content(of: site.node) else { return }
    let mark = try site.ports.watch.mark(of: content.path)
    try keep(confirmed.replacing(content, mark: mark, rollout.id))
  }
}
