// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The path to a file, name by name, with links resolved: its steps, and whether an untrusted user
/// could change where it leads or what the file contains.
package struct PathWalk: Sendable, Hashable {
  /// Every step in order, without a link in its path; the file last.
  package private(set) var steps: [String] = []
  /// Whether the file is there.
  package private(set) var exists = true
  /// The first step that an untrusted user may write, for people; nil if there is none.
  package private(set) var foreign: String?
  /// When the file, or a link on the way to it, was changed last (ctime), nanoseconds since
  /// 1970-01-01 UTC; 0 if it is missing.
  package private(set) var changedNanoseconds: Int64 = 0

  /// Who may write.
  package struct Trust: Sendable, Hashable {
    package var users: Set<UInt32>
    package var groups: Set<UInt32>

    /// Root with its group, and a user with its group in the user database, whatever groups its
    /// processes have. A user that does not exist, as that of DynamicUser= while nothing runs, owns
    /// nothing.
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
    var linksChanged: Int64 = 0
    let missing = try Self.follow(path, in: tree) { step throws(FileFailure) in
      steps.append(step.path)
      if step.facts.isSymbolicLink {
        linksChanged = max(linksChanged, step.facts.changedNanoseconds)
        return true
      }
      if step.path != "/" {
        changedNanoseconds = max(linksChanged, step.facts.changedNanoseconds)
      }
      if let trust, foreign == nil, let who = try Self.writer(step, tree, trust) {
        foreign = "\(who) may write \(step.path) (\(step.facts.permissions))"
      }
      return true
    }
    guard let missing else { return }
    steps.append(missing)
    exists = false
    changedNanoseconds = 0
  }

  /// One place on the way.
  struct Step {
    /// Without a link in it.
    let path: String
    /// The directory that it is in, and its name there.
    let parent: String
    let name: String
    let facts: FileFacts
    /// Whether nothing follows it.
    let isLast: Bool
  }

  /// Calls `visit` for the root, then for every link, directory and file on the way, until it
  /// returns false. Returns the path of what is missing; nil if nothing is. Blocks on the disk.
  static func follow(
    _ path: String, in tree: FileTree, _ visit: (Step) throws(FileFailure) -> Bool
  ) throws(FileFailure) -> String? {
    var directory = ""
    var rest = components(path)
    var links = 0
    let root = try Directory(tree.place("/")).facts()
    let first = Step(path: "/", parent: "/", name: ".", facts: root, isLast: rest.isEmpty)
    guard try visit(first) else { return nil }
    while !rest.isEmpty {
      let name = rest.removeFirst()
      if name == ".." {
        directory = String(
          directory.prefix(upTo: directory.lastIndex(of: "/") ?? directory.endIndex))
        continue
      }
      let parent = directory.isEmpty ? "/" : directory
      let whole = "\(directory)/\(name)"
      guard let facts = try facts(of: name, in: tree.place(parent)) else {
        return ([whole] + rest).joined(separator: "/")
      }
      let step = Step(path: whole, parent: parent, name: name, facts: facts, isLast: rest.isEmpty)
      guard try visit(step) else { return nil }
      if facts.isSymbolicLink {
        links += 1
        if links > linkLimit { throw FileFailure("follow", path, code: ELOOP) }
        let target = try destination(of: tree.place(whole))
        if target.hasPrefix("/") { directory = "" }
        rest = components(target) + rest
      } else {
        directory = whole
      }
    }
    return nil
  }

  /// The path of the file without a link on its way.
  package var real: String { steps.last ?? "/" }

  /// Nil if there is none, also where a file stands in a directory's place.
  private static func facts(of name: String, in parent: String) throws(FileFailure) -> FileFacts? {
    try ifPresent { () throws(FileFailure) in try Directory(parent).facts(of: name) } ?? nil
  }

  static func components(_ path: String) -> [String] {
    path.split(separator: "/").map(String.init).filter { $0 != "." }
  }

  private static func destination(of link: String) throws(FileFailure) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = try fileCall("read the link", link) { readlink(link, &buffer, buffer.count) }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// A user or group that may write and is not trusted; nil if there is none.
  private static func writer(
    _ step: Step, _ tree: FileTree, _ trust: Trust
  ) throws(FileFailure) -> String? {
    let facts = step.facts
    // The owner can always change the mode.
    if !trust.users.contains(facts.userID) { return "user \(facts.userID)" }
    if facts.mode & 0o002 != 0 { return "every user" }
    // With an access list these bits are its mask.
    if facts.mode & 0o020 == 0 { return nil }
    guard let list = try FileAccess.accessList(of: step.name, in: tree.place(step.parent)) else {
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
