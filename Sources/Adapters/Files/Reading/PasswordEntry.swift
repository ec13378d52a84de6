// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Linux

/// A user as the host's user database has it, for programs that are static.
///
/// Those must not load the modules of nsswitch.conf(5), which are made for the host's own libc, as ``UserAccount`` does.
/// So this reads /etc/passwd, and asks getent(1) for everybody else.
package struct PasswordEntry {
  package let account: UserAccount

  private static let file = "/etc/passwd"
  private static let program = "/usr/bin/getent"
  private static let fileBytes = 1 << 20
  private static let lineBytes = 4096

  /// - Parameter user: a name or a number; nil if nobody has it.
  package init?(of user: String) {
    if user.isEmpty { return nil }
    let own = try? FileReading.read(Self.file, limitBytes: Self.fileBytes).bytes
    if let entry = Self(of: user, in: own ?? []) {
      self = entry
      return
    }
    guard let entry = Self(of: user, in: Self.ask(for: user)) else { return nil }
    self = entry
  }

  /// - Parameter lines: as in passwd(5).
  init?(of user: String, in lines: [UInt8]) {
    let name = Array(user.utf8)
    for line in lines.split(separator: 0x0A) {
      let fields = line.split(separator: 0x3A, omittingEmptySubsequences: false)
      guard fields.count >= 4, fields[0].elementsEqual(name) || fields[2].elementsEqual(name),
        let userID = UInt32(String(decoding: fields[2], as: UTF8.self)),
        let groupID = UInt32(String(decoding: fields[3], as: UTF8.self))
      else { continue }
      account = UserAccount(userID: userID, groupID: groupID)
      return
    }
    return nil
  }

  /// What getent prints of a user, at most a line; empty if nothing. Blocks on the user database.
  private static func ask(for user: String) -> [UInt8] {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return [] }
    let output = FileDescriptor(owning: ends[0])
    let input = FileDescriptor(owning: ends[1])
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, input.raw, STDOUT_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    // Without the server's environment, which may hold anything. A name that begins with - is none of its options.
    let words = [program, "--", "passwd", user]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for text in arguments { free(text) } }
    var environment: [UnsafeMutablePointer<CChar>?] = [nil]
    var process: pid_t = 0
    guard posix_spawn(&process, program, &actions, nil, &arguments, &environment) == 0 else {
      return []
    }
    try? input.close()
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: lineBytes)
    while bytes.count < lineBytes,
      let count = try? retrying("read", { read(output.raw, &buffer, lineBytes) }),
      count > 0
    { bytes += buffer[..<count] }
    var status: Int32 = 0
    _ = try? retrying("wait for getent") { waitpid(process, &status, 0) }
    return status == 0 ? bytes : []
  }
}
