// SPDX-License-Identifier: Apache-2.0
import CLinux
import Files
import Glibc
import Linux

/// All that a replacement of a file must keep or change: its bytes, owner, mode and extended
/// attributes.
struct FileSnapshot: Hashable {
  var bytes: [UInt8]
  var mode: UInt32
  var user: UInt32
  var group: UInt32
  var attributes: [String: [UInt8]] = [:]

  /// Nil if there is no such file.
  init?(_ path: String) throws {
    guard let file = try FileReading.readIfPresent(path, limitBytes: 4 << 20) else { return nil }
    bytes = file.bytes
    (mode, user, group) = (file.facts.mode, file.facts.userID, file.facts.groupID)
    let opened = FileDescriptor(owning: open(path, O_RDONLY | O_CLOEXEC))
    var names = [CChar](repeating: 0, count: 64 << 10)
    let count = max(0, kt_xattr_list(opened.raw, &names, names.count))
    for name in names[..<Int(count)].split(separator: 0) {
      let name = String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      attributes[name] = attribute(name, of: opened)
    }
  }

  /// What acl(5) gives a process with this user and this one group: 4 read, 2 write, 1 execute.
  func rights(user: UInt32, group: UInt32) -> UInt32 {
    let (owners, groups, others) = (mode >> 6 & 7, mode >> 3 & 7, mode & 7)
    guard let list = attributes[accessListName] else {
      return user == self.user ? owners : group == self.group ? groups : others
    }
    if user == self.user { return owners }
    // The group bits are the mask.
    var ofGroups: UInt32?
    for entry in stride(from: 4, to: list.count, by: 8).map({ Array(list[$0..<$0 + 8]) }) {
      let (tag, rights) = (entry[0], UInt32(entry[2]))
      let id = entry[4...].reversed().reduce(0) { $0 << 8 | UInt32($1) }
      if tag == 2 && id == user { return rights & groups }
      if tag == 4 && group == self.group || tag == 8 && id == group {
        ofGroups = (ofGroups ?? 0) | rights & groups
      }
    }
    return ofGroups ?? others
  }

  /// Whether somebody may do something with this file that they may not with the other.
  func isWider(than other: FileSnapshot) -> Bool {
    let users = [user, other.user, accessListUser, 65534]
    let groups = [group, other.group, 65534]
    return users.contains { user in
      // Root may do everything with every file.
      user != 0
        && groups.contains { group in
          rights(user: user, group: group) & ~other.rights(user: user, group: group) != 0
        }
    }
  }
}

let accessListName = "system.posix_acl_access"
let accessListUser: UInt32 = 4321
/// acl(5) as the kernel stores it: user::rw-, user:4321:r--, group::r--, mask::r--, other::---.
let accessList: [UInt8] = {
  var bytes: [UInt8] = [2, 0, 0, 0]
  let nobody = UInt32.max
  let entries: [(tag: UInt8, rights: UInt8, id: UInt32)] = [
    (1, 6, nobody), (2, 4, accessListUser), (4, 4, nobody), (16, 4, nobody), (32, 0, nobody),
  ]
  for entry in entries {
    bytes += [entry.tag, 0, entry.rights, 0]
    for shift: UInt32 in [0, 8, 16, 24] {
      bytes.append(UInt8(truncatingIfNeeded: entry.id >> shift))
    }
  }
  return bytes
}()

func attribute(_ name: String, of file: borrowing FileDescriptor) -> [UInt8]? {
  var buffer = [UInt8](repeating: 0, count: 256)
  let count = kt_xattr_get(file.raw, name, &buffer, buffer.count)
  return count < 0 ? nil : Array(buffer[..<Int(count)])
}

/// False if the file system or the kernel does not permit it.
func setAttribute(_ name: String, _ value: [UInt8], of path: String) -> Bool {
  let file = FileDescriptor(owning: open(path, O_RDONLY | O_CLOEXEC))
  return kt_xattr_set(file.raw, name, value, value.count) == 0
}
