// SPDX-License-Identifier: Apache-2.0
@testable import Files
import Testing

@Suite("A user without the modules of the user database")
struct PasswordEntryTests {
  private static let lines = Array(
    """
    root:x:0:0:root:/root:/bin/sh
    short:x:7
    minio-user:x:7300:7301::/nonexistent:/usr/sbin/nologin
    bad:x:a:1:::
    7300:x:8000:8001:::
    """.utf8)

  @Test(
    "a user is found by name and by number, the first line that has it",
    arguments: [
      ("root", 0, 0), ("minio-user", 7300, 7301), ("0", 0, 0), ("7300", 7300, 7301),
      ("8000", 8000, 8001),
    ])
  func found(user: String, userID: UInt32, groupID: UInt32) {
    let account = PasswordEntry(of: user, in: Self.lines)?.account
    #expect(account == UserAccount(userID: userID, groupID: groupID))
  }

  @Test(
    "lines that are short or no numbers have nobody", arguments: ["short", "bad", "", "minio", "x"])
  func nobody(user: String) { #expect(PasswordEntry(of: user, in: Self.lines) == nil) }

  @Test("this host's users are those of its database; who is in none is nobody")
  func host() {
    let same = UserAccount(user: "root", group: "", supplementaryGroups: [])
    #expect(PasswordEntry(of: "root")?.account.userID == same?.userID)
    // getent is asked, and takes none of these for an option.
    for user in ["no-such-user-here", "--help", "-s", ""] {
      #expect(PasswordEntry(of: user) == nil)
    }
  }
}
