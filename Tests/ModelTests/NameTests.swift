// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite struct NameTests {
  @Test(
    "letters, digits, dot, underscore and hyphen after a letter or digit are a name",
    arguments: ["a", "0", "minio-1", "A.b_c-D", "a-", String(repeating: "n", count: 64)])
  func right(text: String) {
    #expect(Name.problem(in: text) == nil)
  }

  @Test(
    "anything else is not, and the problem says why",
    arguments: [
      ("", "empty"), (String(repeating: "n", count: 65), "65 characters"), ("-a", "begin"),
      (".a", "begin"), ("_a", "begin"), ("a/b", "only"), ("a b", "only"), ("a\n", "only"),
      ("a\u{e9}", "only"), ("\u{e9}", "begin"), ("a\0", "only"), ("a:b", "only"),
    ])
  func wrong(text: String, problem: String) {
    #expect(Name.problem(in: text)?.contains(problem) == true)
  }
}

@Suite struct PrincipalTests {
  @Test("a principal is read from its own URI", arguments: Role.allCases)
  func roundTrip(role: Role) {
    let principal = Principal(cluster: "prod-1", role: role, name: "minio-1.example.net")
    #expect(principal.uri == "keyturn://prod-1/\(role.rawValue)/minio-1.example.net")
    #expect(Principal(uri: principal.uri) == principal)
  }

  @Test(
    "a URI of any other form is no principal",
    arguments: [
      "", "keyturn://", "keyturn://c/node", "keyturn://c/node/", "keyturn:///node/n",
      "keyturn://c/node/n/", "keyturn://c/node/n/x", "keyturn://c//n", "keyturn://c/root/n",
      "keyturn://c/Node/n", "KEYTURN://c/node/n", "https://c/node/n", "keyturn:/c/node/n",
      "keyturn://c/node/a b", "keyturn://c/node/n%2F", "keyturn://-c/node/n", " keyturn://c/node/n",
      "keyturn://c/node/n\n", "keyturn://c/node/n?x", "keyturn://u@c/node/n",
    ])
  func refused(uri: String) {
    #expect(Principal(uri: uri) == nil)
  }
}
