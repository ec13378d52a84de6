// SPDX-License-Identifier: Apache-2.0
import API
import AgentLinks
import Crypto
import JSONCoding
import Model
import Secrets
@testable import TLS
import Testing

/// What a host's agent and the commands of root beside it use, by what is in the state directory.
@Suite("the credentials of a host")
struct KeptCredentialsTests {
  private typealias Record = KeptCredentials.Record

  private struct Fixture {
    let ca: CertificateAuthority
    init() throws { ca = try CertificateAuthority.create(cluster: "prod") }

    /// A node's pair, valid for these seconds from now.
    func pair(_ seconds: ClosedRange<Int>, name: String = "minio-1") throws -> TLS.Credentials {
      try ca.issue(role: .node, name: name, validSeconds: seconds)
    }
    /// What was put on the host.
    func issued(_ seconds: ClosedRange<Int>) throws -> TLSContext {
      let pair = try pair(seconds)
      return try TLSContext.mutual(
        certificatePEM: pair.certificatePEM, keyPEM: pair.keyPEM,
        caPEM: ca.credentials.certificatePEM)
    }
    func signed<List>(_ list: List) throws -> SignedList<List> {
      let bytes = JSON.encode(list)
      return SignedList(
        list: String(decoding: bytes, as: UTF8.self),
        signature: Base64URL.encode(try ca.sign(bytes)))
    }
  }

  private static func bytes(_ pair: TLS.Credentials) -> [UInt8] {
    Array(pair.certificatePEM.utf8) + pair.keyPEM.withBytes(Array.init)
  }

  private static func kept(
    _ issued: TLSContext, _ records: [Record: [UInt8]], unreadable: Bool = false
  ) -> KeptCredentials {
    KeptCredentials(issued: issued, state: "/state") { path in
      let record = records.first { $0.key.path(in: "/state") == path }
      if unreadable, record != nil { throw Refusal(.file, "everybody can write \(path)") }
      return record?.value
    }
  }

  /// A day after the host has joined.
  private static let expired = -90_000 ... -3_600
  private static let valid = -1_800...90_000

  @Test("a host that has only what was put there uses that, and has nothing to tell")
  func issued() throws {
    let issued = try Fixture().issued(Self.valid)
    let kept = Self.kept(issued, [:])
    #expect(kept.identity.context === issued && kept.problems.isEmpty)
    #expect(kept.authoritiesNumber == 0 && kept.revocations == nil)
  }

  @Test("once what was put there has expired, what it was renewed by is used")
  func renewed() throws {
    let fixture = try Fixture()
    let renewed = try fixture.pair(Self.valid)
    let kept = Self.kept(try fixture.issued(Self.expired), [.certificate: Self.bytes(renewed)])
    #expect(kept.identity.context.certificatePEM == renewed.certificatePEM)
    #expect(kept.problems.isEmpty)
    // A file to join with that was put there since is newer.
    let later = try fixture.issued(-60...90_000)
    #expect(
      Self.kept(later, [.certificate: Self.bytes(renewed)]).identity.context.certificatePEM
        == later.certificatePEM)
  }

  @Test("a record that cannot be read, or is another holder's, is told, and not used")
  func unusable() throws {
    let fixture = try Fixture()
    let issued = try fixture.issued(Self.valid)
    let bytes = Self.bytes(try fixture.pair(-60...90_000))
    let other = Self.bytes(try fixture.pair(-60...90_000, name: "minio-2"))
    for (kept, words) in [
      (Self.kept(issued, [.certificate: bytes], unreadable: true), "everybody can write"),
      (Self.kept(issued, [.certificate: other]), "minio-2"),
      (Self.kept(issued, [.authorities: [1]]), "the trusted CAs in /state are not used"),
      (Self.kept(issued, [.revocations: [1]]), "the list of revoked certificates in /state"),
    ] {
      #expect(kept.identity.context.certificatePEM == issued.certificatePEM)
      #expect(kept.problems.map(\.priority) == [.error])
      #expect(kept.problems.allSatisfy { $0.message.contains(words) }, "\(kept.problems)")
    }
  }

  @Test("after a change of the CA the trust and the certificate that came over the links are used")
  func authorities() throws {
    let (former, next) = (try Fixture(), try Fixture())
    let issued = try former.issued(Self.valid)
    let renewed = try next.pair(Self.valid)
    func record(from: [Digest]) throws -> [UInt8] {
      JSON.encode(
        KeptAuthorities(
          from: from,
          list: Authorities(
            cluster: "prod", number: 3, certificates: [next.ca.credentials.certificatePEM])))
    }
    let kept = Self.kept(
      issued,
      [
        .authorities: try record(from: issued.authorityDigests),
        .certificate: Self.bytes(renewed),
        .revocations: JSON.encode(try next.signed(Revocations(cluster: "prod", number: 7))),
      ])
    #expect(kept.problems.isEmpty, "\(kept.problems)")
    #expect(kept.authoritiesNumber == 3)
    let context = kept.identity.context
    #expect(context.certificatePEM == renewed.certificatePEM)
    #expect(context.authority != nil && context.authorityDigests != issued.authorityDigests)
    #expect(context.revocations.current?.number == 7)
    #expect(kept.revocations?.signer == context.authority)
    // Where a person has put another CA there since, that counts.
    let stale = Self.kept(issued, [.authorities: try record(from: [.sha256([1])])])
    #expect(stale.authoritiesNumber == 0)
    #expect(stale.identity.context.authorityDigests == issued.authorityDigests)
    #expect(stale.problems.map(\.priority) == [.notice])
  }

  @Test("a certificate that was revoked is not used where there is another one")
  func revoked() throws {
    let fixture = try Fixture()
    let renewed = try fixture.pair(-1_000...80_000)
    // A clock that is an hour ahead has issued it: alone for that the other one is used.
    let issued = try fixture.issued(3_600...90_000)
    let begin = try CertificateInfo(pem: renewed.certificatePEM).notBefore
    for (until, isRevoked) in [(begin + 299, false), (begin + 300, true)] {
      var list = Revocations(cluster: "prod")
      list.add(.node, "minio-1", issuedUntil: until)
      let kept = Self.kept(
        issued,
        [
          .certificate: Self.bytes(renewed), .revocations: JSON.encode(try fixture.signed(list)),
        ])
      #expect(
        kept.identity.context.certificatePEM
          == (isRevoked ? issued.certificatePEM : renewed.certificatePEM))
      #expect(kept.problems.isEmpty)
    }
  }
}
