// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A user and the groups that a process of theirs is in, as numbers.
package struct UserAccount: Sendable, Hashable {
  package var userID: UInt32
  package var groupID: UInt32
  /// All groups, the primary one among them.
  package var groupIDs: Set<UInt32>

  package init(userID: UInt32, groupID: UInt32, groupIDs: Set<UInt32> = []) {
    self.userID = userID
    self.groupID = groupID
    self.groupIDs = groupIDs.union([groupID])
  }

  /// Looks names and numbers up as systemd does for `User=`, `Group=` (empty: the user's own) and
  /// `SupplementaryGroups=`; nil if a name is not known. May block on the user database.
  package init?(user: String, group: String, supplementaryGroups: [String]) {
    let entry = UserAccount.user(user)
    guard let userID = entry?.user ?? UInt32(user),
      let groupID = group.isEmpty ? entry?.group : UserAccount.group(group)
    else { return nil }
    var groups = entry.map { UserAccount.groups(of: $0.name, $0.group) } ?? []
    for name in supplementaryGroups {
      guard let group = UserAccount.group(name) else { return nil }
      groups.insert(group)
    }
    self.init(userID: userID, groupID: groupID, groupIDs: groups)
  }

  private static let bufferBytes = 64 << 10

  private static func user(_ name: String) -> (name: String, user: UInt32, group: UInt32)? {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: bufferBytes) { buffer in
      guard let base = buffer.baseAddress else { return nil }
      let result =
        if let number = UInt32(name) {
          getpwuid_r(number, &entry, base, buffer.count, &found)
        } else {
          getpwnam_r(name, &entry, base, buffer.count, &found)
        }
      guard result == 0, let found, let name = found.pointee.pw_name else { return nil }
      return (String(cString: name), found.pointee.pw_uid, found.pointee.pw_gid)
    }
  }

  private static func group(_ name: String) -> UInt32? {
    if let number = UInt32(name) { return number }
    var entry = Glibc.group()
    var found: UnsafeMutablePointer<Glibc.group>?
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: bufferBytes) { buffer in
      guard let base = buffer.baseAddress,
        getgrnam_r(name, &entry, base, buffer.count, &found) == 0, let found
      else { return nil }
      return found.pointee.gr_gid
    }
  }

  private static func groups(of user: String, _ primary: UInt32) -> Set<UInt32> {
    // NGROUPS_MAX of the kernel.
    var groups = [gid_t](repeating: 0, count: 65_536)
    var count = Int32(groups.count)
    guard getgrouplist(user, primary, &groups, &count) >= 0 else { return [primary] }
    return Set(groups.prefix(Int(count)))
  }
}
