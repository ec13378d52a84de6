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
    #expect(list.entries.map(\.name) == ["alice", "bob"] && list.number == 3)
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

  private static func list(_ number: Int, _ entries: [(Role, String, Int64)]) -> Revocations {
    Revocations(
      cluster: "prod", number: number,
      entries: entries.map { .init(role: $0.0, name: $0.1, issuedUntil: $0.2) })
  }

  /// Lists of one, two or three of four entries, in different orders and under different numbers, some of a holder twice.
  private static var many: [Revocations] {
    let entries: [(Role, String, Int64)] = [
      (.operator, "bob", 10), (.node, "minio-1", 20), (.operator, "bob", 30), (.observer, "bob", 5),
    ]
    return [1, 2].flatMap { number in
      entries.indices.flatMap { first in
        entries.indices.flatMap { second in
          [
            list(number, [entries[first]]), list(number, [entries[first], entries[second]]),
            list(number, [entries[second], entries[first], entries[3]]),
          ]
        }
      }
    } + [list(0, []), list(3, [])]
  }

  @Test(
    "two lists become one that lacks nothing of either: the same whoever merges them, and under no number that one of them has for anything else"
  )
  func merged() {
    for one in Self.many {
      #expect(one.merged(with: one) == one)
      for other in Self.many {
        let all = one.merged(with: other)
        #expect(JSON.encode(all) == JSON.encode(other.merged(with: one)))
        #expect(all.lacks(of: one) == nil && all.lacks(of: other) == nil)
        let (high, low) = one.number > other.number ? (one, other) : (other, one)
        #expect(
          all.number > high.number || all == high && (high.number > low.number || one == other))
        // Whoever has that has nothing more to take.
        #expect(all.merged(with: one) == all && all.merged(with: other) == all)
      }
    }
  }

  @Test("lists that say the same in another order are brought together under a number beyond both")
  func reordered() {
    let one = Self.list(6, [(.node, "a", 1), (.node, "b", 2)])
    let other = Self.list(6, [(.node, "b", 2), (.node, "a", 1)])
    #expect(one.merged(with: other) == Self.list(7, [(.node, "a", 1), (.node, "b", 2)]))
  }

  @Test("two operators who bring the same lists together give their list the same bytes")
  func concurrent() {
    let host = Self.list(5, [(.node, "minio-1", 20)])
    let (here, there) = (
      Self.list(5, [(.operator, "bob", 3)]), Self.list(4, [(.operator, "eve", 4)])
    )
    let orders = [[host, here, there], [there, host, here], [here, there, host]].map { lists in
      lists.dropFirst().reduce(lists[0]) { $0.merged(with: $1) }
    }
    for all in orders {
      for other in orders { #expect(all.merged(with: other) == other.merged(with: all)) }
      #expect(all.entries.map(\.name) == ["minio-1", "bob", "eve"])
    }
  }

  @Test(
    "a number beyond the bound is a problem before the list is written, as nobody would read it")
  func numberBound() {
    var list = Self.list(Limits.count - 1, [])
    list.add(.node, "minio-1", issuedUntil: 1)
    #expect(list.problem == nil && list.number == Limits.count)
    list.add(.node, "minio-2", issuedUntil: 1)
    #expect(list.problem?.contains("its number") == true)
  }

  @Test(
    "an entry of a time that has not come yet is known, and whose certificates it makes worthless")
  func ahead() {
    let list = Self.list(2, [(.node, "minio-1", 100), (.operator, "bob", 300), (.node, "c", 200)])
    #expect(list.ahead(of: 300) == nil && list.ahead(of: 299)?.name == "bob")
    #expect(list.ahead(of: 50)?.name == "bob")
    // One that is issued in the very second of the entry does not count.
    #expect(list.refusal(of: .node, "minio-1", issuedAt: 100)?.issuedUntil == 100)
    #expect(list.refusal(of: .node, "minio-1", issuedAt: 101) == nil)
    #expect(list.refusal(of: .operator, "minio-1", issuedAt: 1) == nil)
  }
}
