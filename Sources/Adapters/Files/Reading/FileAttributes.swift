// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import Linux

/// The attributes of a file that must survive its replacement.
enum FileAttributes {
  static let accessList = "system.posix_acl_access"

  /// The kernel keeps these two itself, and they are digests of the content: copied, they would be
  /// wrong.
  private static let measured: Set<String> = ["security.ima", "security.evm"]

  /// Gives `new` the owner, the extended attributes (access list and security label among them) and
  /// the mode of `old`; true if it did not have them yet. `new` never has wider permissions than
  /// `old`, unless it had them before.
  static func carryOver(
    from old: borrowing FileDescriptor, to new: borrowing FileDescriptor, path: String
  ) throws(FileFailure) -> Bool {
    let raw = new.raw
    let want = try FileFacts(of: old, path: path)
    let have = try FileFacts(of: new, path: path)
    var changed = false
    if have.mode & ~want.mode != 0 {
      changed = true
      _ = try fileCall("narrow the mode of", path) { fchmod(raw, have.mode & want.mode) }
    }
    let attributes = try names(of: old, path: path).filter { !measured.contains($0) }
    // Labels before anyone else becomes the owner; a new owner takes capabilities away.
    for name in attributes where isLabel(name) {
      if try copy(name, from: old, to: new, path: path) { changed = true }
    }
    if (have.userID, have.groupID) != (want.userID, want.groupID) {
      changed = true
      _ = try fileCall("give owner \(want.userID):\(want.groupID) to", path) {
        fchown(raw, want.userID, want.groupID)
      }
    }
    for name in attributes where !isLabel(name) {
      if try copy(name, from: old, to: new, path: path) { changed = true }
    }
    if !attributes.contains(accessList) {
      if try removeAccessList(of: new, path: path) { changed = true }
    }
    // Last: a new owner clears, and an access list sets, some of these bits.
    if try setMode(want.mode, of: new, path: path) { changed = true }
    return changed
  }

  /// `security.selinux` and its like.
  private static func isLabel(_ name: String) -> Bool {
    name.hasPrefix("security.") && name != "security.capability"
  }

  /// True if `new` did not have it.
  private static func copy(
    _ name: String, from old: borrowing FileDescriptor, to new: borrowing FileDescriptor,
    path: String
  ) throws(FileFailure) -> Bool {
    let raw = new.raw
    guard let value = try value(of: name, of: old, path: path) else { return false }
    let present = try self.value(of: name, of: new, path: path)
    if present == value { return false }
    do throws(FileFailure) {
      _ = try fileCall("set the extended attribute \(name) of", path) {
        kt_xattr_set(raw, name, value, value.count)
      }
    } catch {
      // A security module that runs gives every new file a label. One that does not (SELinux turned
      // off) has left a label that means nothing, and that only CAP_SYS_ADMIN could set.
      if error.kind == .notPermitted, present == nil, isLabel(name) { return false }
      throw error
    }
    return true
  }

  /// Sets the mode of a new file and removes an access list inherited from its directory; true if
  /// either was needed.
  @discardableResult
  static func set(
    mode: UInt32, of file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) -> Bool {
    let removed = try removeAccessList(of: file, path: path)
    return try setMode(mode, of: file, path: path) || removed
  }

  /// True if it had another.
  private static func setMode(
    _ mode: UInt32, of file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) -> Bool {
    if try FileFacts(of: file, path: path).mode == mode { return false }
    let raw = file.raw
    _ = try fileCall("set mode \(String(mode, radix: 8)) of", path) { fchmod(raw, mode) }
    return true
  }

  static func set(
    owner: UserAccount, of file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) {
    let raw = file.raw
    _ = try fileCall("give owner \(owner.userID):\(owner.groupID) to", path) {
      fchown(raw, owner.userID, owner.groupID)
    }
  }

  private static func removeAccessList(
    of file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) -> Bool {
    guard try names(of: file, path: path).contains(accessList) else { return false }
    let raw = file.raw
    _ = try fileCall("remove the inherited access list of", path) {
      kt_xattr_remove(raw, accessList)
    }
    return true
  }

  private static func names(
    of file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) -> [String] {
    let raw = file.raw
    // XATTR_LIST_MAX: the kernel has no longer list.
    var buffer = [CChar](repeating: 0, count: 64 << 10)
    let count: Int32
    do throws(Errno) {
      count = try retrying("flistxattr") { kt_xattr_list(raw, &buffer, buffer.count) }
    } catch {
      if error.code == ENOTSUP { return [] }
      throw FileFailure("list the extended attributes of", path, code: error.code)
    }
    return buffer[..<Int(count)].split(separator: 0).map { name in
      String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// Nil if there is none.
  static func value(
    of name: String, of file: borrowing FileDescriptor, path: String
  ) throws(FileFailure) -> [UInt8]? {
    let raw = file.raw
    // XATTR_SIZE_MAX: the kernel has no longer value.
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    do throws(Errno) {
      let count = try retrying("fgetxattr") { kt_xattr_get(raw, name, &buffer, buffer.count) }
      return Array(buffer[..<Int(count)])
    } catch {
      if [ENODATA, ENOTSUP].contains(error.code) { return nil }
      throw FileFailure("read the extended attribute \(name) of", path, code: error.code)
    }
  }
}
