// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite("the end of an own certificate")
struct OwnCertificateTests {
  private static let day: Int64 = 86_400
  private static let end: Int64 = 1_800_000_000

  private static func finding(
    _ before: Int64, life: Int64 = 90 * day, role: Role = .node
  ) -> Finding? {
    OwnCertificate(
      principal: Principal(cluster: "prod", role: role, name: "minio-1"), validFrom: end - life,
      validUntil: end
    ).finding(at: end - before)
  }

  @Test(
    "nothing is said until a third of its life is left",
    arguments: [(90, 30), (397, 132), (825, 275)] as [(Int64, Int64)])
  func early(life: Int64, third: Int64) {
    let exact = life * Self.day / 3
    #expect(exact / Self.day == third)
    #expect(Self.finding(exact, life: life * Self.day) == nil)
    #expect(Self.finding(exact - 1, life: life * Self.day) != nil)
  }

  @Test(
    "from then on the days are counted, and afterwards the date is told",
    arguments: [
      (30 * day - 1, "expires in 29 days, on 2027-01-15T08:00:00Z"),
      (day, "expires in 1 day, on"), (day - 1, "expires within a day, on"),
      (-1, "expired on 2027-01-15T08:00:00Z: its connections are refused"),
    ])
  func late(before: Int64, words: String) throws {
    let message = try #require(Self.finding(before)?.message)
    #expect(message.hasPrefix("the certificate of keyturn://prod/node/minio-1 "), "\(message)")
    #expect(message.contains(words), "\(message)")
  }

  @Test("one to join with is always due")
  func joining() {
    #expect(Self.finding(Self.day, life: Self.day) != nil)
    #expect(Self.finding(7 * Self.day, life: 7 * Self.day + 300) != nil)
    #expect(Self.finding(8 * Self.day, life: 8 * Self.day) == nil)
  }

  @Test("an agent's is renewed over its links unless it has expired; a person's is issued")
  func remedies() {
    for role in [Role.node, .witness] {
      #expect(Self.finding(1, role: role)?.remedy?.contains("keyturn pki renew minio-1") == true)
      #expect(Self.finding(-1, role: role)?.remedy?.contains("pki issue --join minio-1") == true)
    }
    for role in [Role.operator, .observer] {
      #expect(Self.finding(1, role: role)?.remedy?.contains("keyturn pki issue") == true)
    }
  }

  @Test("one that ends with its CA is not renewed: the CA is changed")
  func withAuthority() {
    let principal = Principal(cluster: "prod", role: .node, name: "minio-1")
    for (authority, words) in [(Self.end, "change the CA"), (Self.end + 1, "keyturn pki renew")] {
      let own = OwnCertificate(
        principal: principal, validFrom: Self.end - 90 * Self.day, validUntil: Self.end,
        authorityUntil: authority)
      #expect(own.finding(at: Self.end - Self.day)?.remedy?.contains(words) == true)
    }
  }

  @Test("a certificate whose ends are the wrong way round is due, and nothing traps")
  func reversed() {
    #expect(Self.finding(Self.day, life: -Self.day) != nil)
  }
}
