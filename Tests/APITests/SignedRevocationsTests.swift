// SPDX-License-Identifier: Apache-2.0
import API
import JSONCoding
import Model
import Testing

@Suite("signed lists of revoked certificates")
struct SignedRevocationsTests {
  private static let good =
    #"{"cluster":"prod","number":2,"entries":[{"role":"operator","name":"alice","issuedUntil":5}]}"#

  private static func verify(_ list: String, _ signature: String = "AAAA") throws -> Revocations {
    try SignedRevocations(list: list, signature: signature).verified(cluster: "prod") {
      $0 == Array(list.utf8) && $1 == [0, 0, 0]
    }
  }

  @Test("a list whose bytes are signed is taken as it stands")
  func taken() throws {
    let list = try Self.verify(Self.good)
    #expect(list.number == 2 && list.entries.map(\.name) == ["alice"])
  }

  @Test(
    "everything else is refused, and says why",
    arguments: [
      (good, "AAAB", "not signed"), (good, "", "not signed"), (good, "%", "not signed"),
      ("{}", "AAAA", "cluster"), ("x", "AAAA", "list of revoked certificates"),
      (good.replacing("prod", with: "test"), "AAAA", "of cluster test, not prod"),
      (good.replacing("alice", with: "a b"), "AAAA", "a b"),
      (good + String(repeating: " ", count: Limits.revocationBytes), "AAAA", "bytes"),
    ])
  func refused(_ list: String, _ signature: String, _ words: String) {
    let refusal = #expect(throws: Refusal.self) { try Self.verify(list, signature) }
    #expect(refusal?.code == .validation)
    #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
  }
}

@Suite("signed lists of trusted CAs")
struct SignedAuthoritiesTests {
  private static let good = #"{"cluster":"prod","number":2,"certificates":["a","b"]}"#

  private static func verify(_ list: String, _ signature: String = "AAAA") throws -> Authorities {
    try SignedAuthorities(list: list, signature: signature).verified(cluster: "prod") {
      $0 == Array(list.utf8) && $1 == [0, 0, 0]
    }
  }

  @Test("a list whose bytes are signed is taken as it stands")
  func taken() throws {
    let list = try Self.verify(Self.good)
    #expect(list.number == 2 && list.certificates == ["a", "b"] && list.pem == "ab")
  }

  @Test(
    "everything else is refused, and says why",
    arguments: [
      (good, "AAAB", "not signed"), (good, "%", "not signed"), ("x", "AAAA", "trusted CAs"),
      (good.replacing("prod", with: "test"), "AAAA", "of cluster test, not prod"),
      (good.replacing(#""a","b""#, with: ""), "AAAA", "has 0 CAs"),
      (good.replacing(#""a""#, with: #""a","c""#), "AAAA", "has 3 CAs, 1 to 2 are allowed"),
      (good.replacing("2", with: "-1"), "AAAA", "number"),
      (
        good.replacing(#""a""#, with: "\"\(String(repeating: "a", count: 8_193))\""), "AAAA",
        "more than the 8192 bytes"
      ),
      (good + String(repeating: " ", count: Limits.authoritiesBytes), "AAAA", "bytes"),
    ])
  func refused(_ list: String, _ signature: String, _ words: String) {
    let refusal = #expect(throws: Refusal.self) { try Self.verify(list, signature) }
    #expect(refusal?.code == .validation)
    #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
  }
}
