// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite struct VersionTests {
  @Test("the version names the commit that the program was built from, where it is known")
  func line() {
    #expect(
      Version.line(of: "keyturn", commit: "0123456789ab+")
        == "keyturn \(Version.text) (0123456789ab+)")
    #expect(Version.line(of: "keyturnd", commit: "") == "keyturnd \(Version.text)")
  }
}
