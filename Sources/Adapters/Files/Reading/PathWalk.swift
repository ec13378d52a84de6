// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The way to a file, name by name, links resolved: what is on it, and who else than those trusted could change where
/// it leads, or what the file says.
package struct PathWalk: Sendable, Hashable {
  /// Every place that was passed, without a link in it, in order; the file last.
  package private(set) var steps: [String] = []
  /// Whether the file is there.
  package private(set) var exists = true
  /// The first thing on the way that somebody else may write, for people; nil if there is none.
  package private(set) var foreign: String?
  /// When the file, or a link on the way to it, was changed last (ctime), nanoseconds since 1970-01-01 UTC; 0 if it is
  /// not there.
  package private(set) var changedNanoseconds: Int64 = 0

  /// Who may write.
  package struct Trust: Sendable, Hashable {
    /// Users by their numbers.
    package var users: Set<UInt32>
    /// Groups by their numbers.
    package var groups: Set<UInt32>

    /// Root, its group, and a user with the group that the user database gives it, whatever groups its processes
    /// have. One that does not exist, as that of DynamicUser= while nothing runs, owns nothing.
    ///
    /// - Parameter user: its name or number; nil for root only.
    package init(user: String?) {
      self.init(user.flatMap { UserAccount(user: $0, group: "", supplementaryGroups: []) })
    }

    /// Root, its group, and a user with its own group.
    package init(_ account: UserAccount? = nil) {
      users = [0]
      groups = [0]
      if let account {
        users.insert(account.userID)
        groups.insert(account.groupID)
      }
    }
  }

  /// The kernel's own limit (path_resolution(7)).
  static let linkLimit = 40

  /// Walks along an absolute path. Blocks on the disk.
  ///
  /// - Parameter trust: nil where it does not matter who may write.
  package init(_ path: String, in tree: FileTree, trusting trust: Trust?) throws(FileFailure) {
    var directory = ""
    var rest = Self.components(path)
    var links = 0
    var linksChanged: Int64 = 0
    try note(Directory(tree.place("/")).facts(), "/", tree, ".", in: "/", trust)
    while !rest.isEmpty {
      let name = rest.removeFirst()
      if name == ".." {
        directory = String(
          directory.prefix(upTo: directory.lastIndex(of: "/") ?? directory.endIndex))
        continue
      }
      let parent = directory.isEmpty ? "/" : directory
      let whole = "\(directory)/\(name)"
      guard let facts = try Self.facts(of: name, in: tree.place(parent)) else {
        steps.append(([whole] + rest).joined(separator: "/"))
        exists = false
        changedNanoseconds = 0
        return
      }
      if facts.isSymbolicLink {
        steps.append(whole)
        links += 1
        linksChanged = max(linksChanged, facts.changedNanoseconds)
        if links > Self.linkLimit { throw FileFailure("follow", path, code: ELOOP) }
        let target = try Self.destination(of: tree.place(whole))
        if target.hasPrefix("/") { directory = "" }
        rest = Self.components(target) + rest
        continue
      }
      try note(facts, whole, tree, name, in: parent, trust)
      directory = whole
      changedNanoseconds = max(linksChanged, facts.changedNanoseconds)
    }
  }

  /// The path of the file without a link on its way.
  package var real: String { steps.last ?? "/" }

  /// Nil if there is none, also where a file stands in a directory's place.
  private static func facts(of name: String, in parent: String) throws(FileFailure) -> FileFacts? {
    do throws(FileFailure) { return try Directory(parent).facts(of: name) } catch {
      if error.kind == .absent { return nil }
      throw error
    }
  }

  static func components(_ path: String) -> [String] {
    path.split(separator: "/").map(String.init).filter { $0 != "." }
  }

  static func destination(of link: String) throws(FileFailure) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = try fileCall("read the link", link) { readlink(link, &buffer, buffer.count) }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private mutating func note(
    _ facts: FileFacts, _ path: String, _ tree: FileTree, _ name: String, in parent: String,
    _ trust: Trust?
  ) throws(FileFailure) {
    steps.append(path)
    guard let trust, foreign == nil, let who = try Self.writer(facts, tree, name, in: parent, trust)
    else {
      return
    }
    foreign =
      "\(who) may write \(path) (mode \(String(facts.mode, radix: 8)), owner \(facts.userID):\(facts.groupID))"
  }

  /// Somebody who is not trusted and may write; nil if there is nobody.
  private static func writer(
    _ facts: FileFacts, _ tree: FileTree, _ name: String, in parent: String, _ trust: Trust
  ) throws(FileFailure) -> String? {
    // An owner can give himself every right.
    if !trust.users.contains(facts.userID) { return "user \(facts.userID)" }
    if facts.mode & 0o002 != 0 { return "every user" }
    // With an access list these bits are its mask.
    if facts.mode & 0o020 == 0 { return nil }
    let directory = tree.place(parent == "/" ? "/" : parent)
    guard let list = try FileAccess.accessList(of: name, in: directory) else {
      return trust.groups.contains(facts.groupID) ? nil : "group \(facts.groupID)"
    }
    for entry in list where FileAccess.masked(entry, in: list) & FileAccess.write != 0 {
      switch entry.tag {
      case .user: if !trust.users.contains(entry.id) { return "user \(entry.id)" }
      case .group: if !trust.groups.contains(entry.id) { return "group \(entry.id)" }
      case .owningGroup:
        if !trust.groups.contains(facts.groupID) { return "group \(facts.groupID)" }
      case .owner, .mask, .other: break
      }
    }
    return nil
  }
}
