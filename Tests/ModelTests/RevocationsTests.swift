// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Model
import Testing

@Suite("revoked certificates")
struct RevocationsTests {
  private static func principal(
    _ role: Role = .operator, _ name: String = "alice", cluster: String = "prod"
  ) -> Principal { Principal(cluster: cluster, role: role, name: name) }

  @Test("what was issued until then counts no more, what is issued afterwards does")
  func until() {
    var list = Revocations(cluster: "prod")
    list.add(.operator, "alice", issuedUntil: 1_000_000)
    let alice = Self.principal()
    // A certificate begins 300 s before it is issued.
    #expect(list.revoked(alice, validFrom: 999_700) != nil)
    #expect(list.revoked(alice, validFrom: 999_701) == nil)
    #expect(list.revoked(alice, validFrom: 0) != nil)
    #expect(list.number == 1)
  }

  @Test(
    "it is told since when, and what helps: a node gets another file to join with, a person another certificate"
  )
  func told() throws {
    var list = Revocations(cluster: "prod")
    for (role, name) in [(Role.node, "minio-1"), (.operator, "alice")] {
      list.add(role, name, issuedUntil: 1_900_000_000)
    }
    let node = try #require(list.revoked(Self.principal(.node, "minio-1"), validFrom: 0))
    #expect(
      node.text
        == "the certificate of keyturn://prod/node/minio-1 was revoked on 2030-03-17T17:46:40Z: keyturn pki issue --replace minio-1 where the authority's key is makes a file with another one; then keyturn join --replace minio-1.join on that host"
    )
    let alice = try #require(list.revoked(Self.principal(), validFrom: 0))
    #expect(alice.remedy.contains("keyturn pki issue --role operator --name alice"))
    #expect(!alice.text.contains("--replace") && alice.statement.contains("on 2030-03-17"))
  }

  @Test("nobody else's: another name, role or cluster")
  func others() {
    var list = Revocations(cluster: "prod")
    list.add(.node, "minio-1", issuedUntil: 1_000_000)
    #expect(list.revoked(Self.principal(.node, "minio-1"), validFrom: 0) != nil)
    for other in [
      Self.principal(.node, "minio-11"), Self.principal(.operator, "minio-1"),
      Self.principal(.node, "minio-1", cluster: "test"),
    ] {
      #expect(list.revoked(other, validFrom: 0) == nil)
    }
  }

  @Test("one entry for a holder, the later one; each change has a number of its own")
  func again() {
    var list = Revocations(cluster: "prod")
    list.add(.operator, "alice", issuedUntil: 1_000)
    list.add(.operator, "bob", issuedUntil: 1_000)
    list.add(.operator, "alice", issuedUntil: 2_000)
    #expect(list.entries.map(\.name) == ["bob", "alice"] && list.number == 3)
    #expect(list.revoked(Self.principal(), validFrom: 1_700) != nil)
  }

  @Test("what is revoked once stays so: a clock that was set back, a list that lacks an entry")
  func monotonic() {
    var list = Revocations(cluster: "prod")
    list.add(.operator, "alice", issuedUntil: 2_000)
    var other = list
    list.add(.operator, "alice", issuedUntil: 1_000)
    #expect(list.entries.map(\.issuedUntil) == [2_000])
    #expect(list.lacks(of: other) == nil && other.lacks(of: list) == nil)
    other.add(.node, "minio-1", issuedUntil: 5)
    #expect(list.lacks(of: other)?.name == "minio-1" && other.lacks(of: list) == nil)
    other.add(.operator, "alice", issuedUntil: 2_001)
    list.add(.node, "minio-1", issuedUntil: 5)
    #expect(list.lacks(of: other)?.name == "alice")
  }

  @Test("numbers out of their range are not decoded, too many entries and bad names are problems")
  func bounds() {
    for text in [
      #"{"cluster":"prod","number":-1,"entries":[]}"#,
      #"{"cluster":"prod","number":99999999999999,"entries":[]}"#,
      #"{"cluster":"prod","number":1,"entries":[{"role":"root","name":"a","issuedUntil":1}]}"#,
      #"{"cluster":"prod","number":1,"entries":[{"role":"node","name":"a","issuedUntil":9999999999999999}]}"#,
    ] {
      #expect(throws: JSONFailure.self) {
        try JSON.decode(Revocations.self, from: Array(text.utf8))
      }
    }
    var list = Revocations(cluster: "prod")
    list.entries = (0...Limits.revocations).map {
      .init(role: .node, name: "n\($0)", issuedUntil: 1)
    }
    #expect(list.problem?.contains("entries") == true)
    list.entries = [.init(role: .node, name: "a b", issuedUntil: 1)]
    #expect(list.problem?.contains("a b") == true)
  }

  @Test(
    "two lists become one that lacks nothing of either, under a number that neither gave to anything else"
  )
  func merged() {
    var old = Revocations(cluster: "prod")
    old.add(.operator, "alice", issuedUntil: 10)
    // The same.
    #expect(old.merged(with: old) == old)
    var later = old
    later.add(.node, "minio-1", issuedUntil: 20)
    #expect(old.merged(with: later) == later && later.merged(with: old) == later)
    // Both went on.
    var other = old
    other.add(.node, "minio-2", issuedUntil: 30)
    for all in [later.merged(with: other), other.merged(with: later)] {
      #expect(all.number == 3 && all.entries.count == 3)
      #expect(all.lacks(of: later) == nil && all.lacks(of: other) == nil)
    }
    // One has all, and the other the higher number.
    var high = Revocations(cluster: "prod", number: 7)
    high.entries = old.entries
    #expect(later.merged(with: high).number == 8 && high.merged(with: later).number == 8)
    #expect(high.merged(with: later).entries.count == 2)
    #expect(high.merged(with: old) == high && old.merged(with: high) == high)
  }
}
