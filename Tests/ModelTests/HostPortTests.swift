// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite struct HostPortTests {
  @Test(
    "a host and a port are read, and written the same way",
    arguments: [
      ("kms-1.example.net:7373", "kms-1.example.net", 7373), ("192.0.2.1:1", "192.0.2.1", 1),
      ("[::1]:65535", "::1", 65535), ("[fe80::1%eth0]:1", nil, nil),
      ("[2001:DB8::7]:80", "2001:DB8::7", 80),
      ("a_b:1", "a_b", 1),
    ] as [(String, String?, UInt16?)])
  func both(text: String, host: String?, port: UInt16?) {
    let parsed = HostPort(text)
    #expect(parsed?.host == host)
    #expect(parsed?.port == port)
    if let parsed { #expect(parsed.text == text) }
  }

  @Test(
    "a missing port is the default, and without one a refusal",
    arguments: [
      ("kms-1", "kms-1:7373"), ("[::1]", "[::1]:7373"), ("192.0.2.1", "192.0.2.1:7373"),
      ("kms-1:1", "kms-1:1"),
    ])
  func defaultPort(text: String, expected: String) {
    #expect(HostPort(text, defaultPort: 7373)?.text == expected)
    if !text.contains(":1") || text.hasPrefix("[") { #expect(HostPort(text) == nil) }
  }

  @Test(
    "anything else is refused",
    arguments: [
      "", ":", ":1", "a:", "a:0", "a:65536", "a:-1", "a:+1", "a: 1", "a:1 ", "a:1a", "a b:1",
      "a/b:1", "a@b:1", "::1", "::1:80", "2001:db8::7", "[::1", "[]:1", "[::1]1", "[::1]:",
      "[a.b]:x", "[a.b]:1", "[beef]:1",
      "[host]:1", "a:\u{661}", "caf\u{e9}:1", String(repeating: "a", count: 254) + ":1",
    ])
  func refused(text: String) {
    #expect(HostPort(text, defaultPort: 7373) == nil)
  }

  @Test("a name of the greatest length is allowed")
  func longest() {
    #expect(HostPort(String(repeating: "a", count: 253) + ":1") != nil)
  }
}
