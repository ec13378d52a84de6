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
      ("{}", "AAAA", "cluster"), ("x", "AAAA", "revocation list"),
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
