// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Whether somebody else could change what stands at a path: the owner and the mode of it, of the directory that it
/// is in, and of every directory and link on the way. Whoever may write through an access list (acl(5)) counts as
/// the group, as the kernel shows it in the mode.
package enum FileTrust {
  /// How somebody other than root and the process's own user could change the file or directory, or put another one
  /// in its place, for people; nil if nobody could. If there is nothing of that name the directory counts that it
  /// would be made in. May block on the disk.
  package static func problem(of path: String) throws(FileFailure) -> String? {
    let path = try NewFile.absolute(path)
    let owners: Set<UInt32> = [0, geteuid()]
    var places: [(path: String, facts: FileFacts)] = [("/", try Directory("/").facts())]
    var rest = PathWalk.components(path)
    var directory = ""
    var links = 0
    var isThere = true
    while !rest.isEmpty {
      let name = rest.removeFirst()
      if name == ".." {
        directory = String(
          directory.prefix(upTo: directory.lastIndex(of: "/") ?? directory.endIndex))
        continue
      }
      let whole = "\(directory)/\(name)"
      guard let facts = try Directory(directory.isEmpty ? "/" : directory).facts(of: name) else {
        isThere = false
        break
      }
      if facts.isSymbolicLink {
        links += 1
        if links > PathWalk.linkLimit { throw FileFailure("follow", path, code: ELOOP) }
        if !owners.contains(facts.userID) { return "user \(facts.userID) owns the link \(whole)" }
        let target = try PathWalk.destination(of: whole)
        if target.hasPrefix("/") { directory = "" }
        rest = PathWalk.components(target) + rest
        continue
      }
      places.append((whole, facts))
      directory = whole
    }
    let isFile = places.last?.facts.isRegular ?? false
    for (index, place) in places.enumerated() {
      let isOnWay = !isThere || index < places.count - (isFile ? 2 : 1)
      if let problem = problem(place.path, place.facts, owners, isOnWay: isOnWay) { return problem }
    }
    return nil
  }

  /// - Parameter isOnWay: it is only gone through: what is in it and another's cannot be removed from a sticky one,
  ///   and a group of the system's, as of /usr/local, is let be.
  private static func problem(
    _ path: String, _ facts: FileFacts, _ owners: Set<UInt32>, isOnWay: Bool
  ) -> String? {
    if !owners.contains(facts.userID) { return "user \(facts.userID) owns \(path)" }
    let isSticky = facts.mode & 0o1000 != 0
    let forbidden: UInt32 = isOnWay ? (isSticky ? 0 : 0o002) : 0o022
    if facts.mode & forbidden == 0 { return nil }
    let who = facts.mode & 0o002 != 0 ? "everybody" : "group \(facts.groupID)"
    return "\(who) can write \(path) (mode \(String(facts.mode, radix: 8)))"
  }
}
