// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Whether another user could change a file: by owner and mode of the file, its directory, and
/// every directory and link on the path. Users with write access through an access list (acl(5))
/// count as the group, as the kernel shows it in the mode.
package enum FileTrust {
  /// How a user other than root and the process's own could change or replace the file or
  /// directory, for people; nil if none could. A missing file is judged by the directory that it
  /// would be created in. May block on the disk.
  package static func problem(of path: String) throws(FileFailure) -> String? {
    let path = try NewFile.absolute(path)
    let owners: Set<UInt32> = [0, geteuid()]
    var places: [PathWalk.Step] = []
    var problem: String?
    let missing = try PathWalk.follow(path, in: .own) { step throws(FileFailure) in
      if !step.facts.isSymbolicLink {
        places.append(step)
      } else if !owners.contains(step.facts.userID) {
        problem = "user \(step.facts.userID) owns the link \(step.path)"
      }
      return problem == nil
    }
    if let problem { return problem }
    let isFile = places.last?.facts.isRegular ?? false
    for (index, place) in places.enumerated() {
      let isOnWay = missing != nil || index < places.count - (isFile ? 2 : 1)
      if let problem = self.problem(place.path, place.facts, owners, isOnWay: isOnWay) {
        return problem
      }
    }
    return nil
  }

  /// - Parameter isOnWay: only part of the path. A sticky directory protects entries of other
  ///   users, and a system group with write access, as on /usr/local, is accepted.
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
