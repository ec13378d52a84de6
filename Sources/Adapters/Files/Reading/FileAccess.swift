// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Whether somebody else could read a file, by what the kernel would look at: owner, mode and
/// access list (acl(5)) of the file and of each directory on the way, links followed. Not security
/// modules, nor what a service's own mount namespace hides from it.
package enum FileAccess {
  /// What keeps the account from reading the file, for people; nil if nothing does, or there is no
  /// such file. May block on the disk.
  package static func obstacle(
    reading path: String, as account: UserAccount, in tree: FileTree = .own
  ) throws(FileFailure) -> String? {
    _ = try FilePlace(path)
    var obstacle: String?
    _ = try PathWalk.follow(path, in: tree) { step throws(FileFailure) in
      let wanted = step.isLast ? read : search
      if step.facts.isSymbolicLink { return true }
      if try permits(step.facts, in: tree.place(step.parent), step.name, account, wanted) {
        return true
      }
      let (kind, verb) = step.isLast ? ("file", "read") : ("directory", "searched")
      obstacle = "the \(kind) \(step.path) (\(step.facts.permissions)) cannot be \(verb)"
      return false
    }
    return obstacle
  }

  private static let read: UInt32 = 4
  static let write: UInt32 = 2
  private static let search: UInt32 = 1

  private static func permits(
    _ facts: FileFacts, in directory: String, _ name: String, _ account: UserAccount,
    _ wanted: UInt32
  ) throws(FileFailure) -> Bool {
    if facts.userID == account.userID { return facts.mode >> 6 & wanted != 0 }
    // Without any right in its mask the kernel does not look at the list (acl_permission_check).
    if facts.mode & 0o070 != 0, let list = try accessList(of: name, in: directory) {
      return permits(list, facts, account, wanted)
    }
    let bits = account.groupIDs.contains(facts.groupID) ? facts.mode >> 3 : facts.mode
    return bits & wanted != 0
  }

  /// The order of acl(5): a named user, then all groups that fit, then others.
  private static func permits(
    _ list: [Entry], _ facts: FileFacts, _ account: UserAccount, _ wanted: UInt32
  ) -> Bool {
    func masked(_ entry: Entry) -> Bool { self.masked(entry, in: list) & wanted != 0 }
    if let user = list.first(where: { $0.tag == .user && $0.id == account.userID }) {
      return masked(user)
    }
    let groups = list.filter { entry in
      switch entry.tag {
      case .owningGroup: account.groupIDs.contains(facts.groupID)
      case .group: account.groupIDs.contains(entry.id)
      default: false
      }
    }
    if !groups.isEmpty { return groups.contains(where: masked) }
    return list.contains { $0.tag == .other && $0.permissions & wanted != 0 }
  }

  /// What an entry grants behind the list's mask, which does not hold for owner and others.
  static func masked(_ entry: Entry, in list: [Entry]) -> UInt32 {
    entry.permissions & (list.first { $0.tag == .mask }?.permissions ?? 7)
  }

  struct Entry {
    /// linux/posix_acl.h.
    enum Tag: UInt32 {
      case owner = 0x01
      case user = 0x02
      case owningGroup = 0x04
      case group = 0x08
      case mask = 0x10
      case other = 0x20
    }
    var tag: Tag
    var permissions: UInt32
    var id: UInt32
  }

  /// The entries of linux/posix_acl_xattr.h: version 2 in 4 bytes, then tag, permissions and id in
  /// 2, 2 and 4 bytes each, little-endian. Nil if there is no list.
  static func accessList(of name: String, in directory: String) throws(FileFailure) -> [Entry]? {
    let path = directory.hasSuffix("/") ? "\(directory)\(name)" : "\(directory)/\(name)"
    guard let file = try Directory(directory).open(name),
      let bytes = try FileAttributes.value(of: FileAttributes.accessList, of: file, path: path)
    else { return nil }
    func number(_ offset: Int, _ count: Int) -> UInt32 {
      bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    guard bytes.count >= 4, number(0, 4) == 2 else {
      throw FileFailure(
        .system, path, "read the access list of \(path): it has an unknown form; look with getfacl."
      )
    }
    return stride(from: 4, through: bytes.count - 8, by: 8).compactMap { offset in
      Entry.Tag(rawValue: number(offset, 2)).map {
        Entry(tag: $0, permissions: number(offset + 2, 2), id: number(offset + 4, 4))
      }
    }
  }
}
