// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite("the end of an own certificate")
struct OwnCertificateTests {
  private static let day: Int64 = 86_400
  private static let end: Int64 = 1_800_000_000

  private static func words(_ before: Int64) -> String? {
    OwnCertificate(
      principal: Principal(cluster: "prod", role: .node, name: "minio-1"), validUntil: end
    ).finding(at: end - before)?.message
  }

  @Test("nothing is said until 30 days before it")
  func early() {
    #expect(Self.words(400 * Self.day) == nil)
    #expect(Self.words(30 * Self.day) == nil)
  }

  @Test(
    "from then on the days are counted, and afterwards the date is told",
    arguments: [
      (30 * day - 1, "expires in 29 days, on 2027-01-15T08:00:00Z"),
      (day, "expires in 1 day, on"), (day - 1, "expires within a day, on"),
      (-1, "expired on 2027-01-15T08:00:00Z: its connections are refused"),
    ])
  func late(before: Int64, words: String) throws {
    let message = try #require(Self.words(before))
    #expect(message.hasPrefix("the certificate of keyturn://prod/node/minio-1 "), "\(message)")
    #expect(message.contains(words), "\(message)")
  }
}
