// SPDX-License-Identifier: Apache-2.0
import API
import JSONCoding
import Model
import Operator
import TLS
import Testing
import Threads

@testable import keyturn

/// The list of revoked certificates beside the authority's key.
@Suite("an authority in files")
struct FileIssuerTests {
  private struct Fixture {
    let place: Place
    let issuer: FileIssuer

    init() throws {
      place = try Place()
      issuer = try Self.authority("\(place.path)/pki")
    }

    static func authority(_ directory: String) throws -> FileIssuer {
      try FileWorkshop().makeAuthority(
        cluster: "prod", directory: directory, days: nil, passphrase: nil)
      let made = try FileWorkshop().authority(in: directory, passphrase: nil)
      return try #require(made as? FileIssuer)
    }

    func signed(_ list: Revocations) throws -> SignedRevocations {
      let bytes = JSON.encode(list)
      return SignedRevocations(
        list: String(decoding: bytes, as: UTF8.self),
        signature: Base64URL.encode(try issuer.authority.sign(bytes)))
    }

    func write(_ list: Revocations) throws {
      try place.write("pki/revocations.json", JSON.encode(list))
    }

    var written: Revocations? {
      place.bytes("pki/revocations.json").flatMap { try? JSON.decode(Revocations.self, from: $0) }
    }
  }

  private static func list(_ number: Int, _ entries: [(String, Int64)]) -> Revocations {
    Revocations(
      cluster: "prod", number: number,
      entries: entries.map { .init(role: .node, name: $0.0, issuedUntil: $0.1) })
  }

  private static var now: Int64 { Clock.realtimeMicroseconds() / 1_000_000 }

  private static func refusal(_ body: () throws -> Void) -> Refusal? {
    do {
      try body()
      return nil
    } catch { return error as? Refusal }
  }

  @Test("what a host's list has is taken back, once, and with what is there already")
  func takenBack() throws {
    let fixture = try Fixture()
    let issuer = fixture.issuer
    #expect(try issuer.revoked() == nil && issuer.revocations() == nil)
    let first = Self.list(3, [("minio-1", 5)])
    #expect(try issuer.takeBack(fixture.signed(first)) == first)
    #expect(fixture.written == first)
    #expect(try issuer.takeBack(fixture.signed(first)) == nil)
    #expect(try issuer.takeBack(fixture.signed(Self.list(2, [("minio-1", 4)]))) == nil)
    let both = try issuer.takeBack(fixture.signed(Self.list(3, [("a", 9)])))
    #expect(both == Self.list(4, [("a", 9), ("minio-1", 5)]) && fixture.written == both)
  }

  @Test(
    "a list that the CA has not signed is not taken back, and one of a CA that is trusted beside it is"
  )
  func signedByOthers() throws {
    let (fixture, other) = (try Fixture(), try Fixture())
    let theirs = try other.signed(Self.list(3, [("minio-1", 5)]))
    let refused = Self.refusal { _ = try fixture.issuer.takeBack(theirs) }
    #expect(refused?.code == .validation, "a host's fault: \(String(describing: refused))")
    #expect(fixture.written == nil)
    try fixture.issuer.giveTrust(in: [fixture.issuer.certificate, other.issuer.certificate])
    #expect(try fixture.issuer.takeBack(theirs)?.number == 3)
  }

  @Test(
    "what could not be read again is not written: numbers beyond the bound, a file that others can write"
  )
  func notWritten() throws {
    let fixture = try Fixture()
    let last = Self.list(Limits.count, [("minio-1", 5)])
    try fixture.write(last)
    let theirs = try fixture.signed(Self.list(Limits.count, [("minio-2", 5)]))
    let refused = Self.refusal { _ = try fixture.issuer.takeBack(theirs) }
    #expect(refused?.code == .failed && refused?.message.contains("its number") == true)
    #expect(fixture.written == last)
    #expect(
      Self.refusal { _ = try fixture.issuer.revoke([(.node, "a")], trustsClock: false) }?.message
        .contains("its number") == true)
    try fixture.place.change("pki/revocations.json", mode: 0o666)
    let written = Self.refusal { _ = try fixture.issuer.takeBack(theirs) }
    #expect(written?.code == .failed && written?.message.contains("everybody can write") == true)
  }

  @Test("a damaged list is said to be one, with what helps")
  func damaged() throws {
    let fixture = try Fixture()
    for text in ["{", #"{"cluster":"prod","number":-1,"entries":[]}"#] {
      try fixture.place.write("pki/revocations.json", Array(text.utf8))
      let refused = Self.refusal { _ = try fixture.issuer.revoked() }
      #expect(refused?.message.contains("put the copy of it there, or move it away") == true)
    }
  }

  @Test("a list of nobody is written where there is none, is no lost one, and is not sent")
  func nobody() throws {
    let fixture = try Fixture()
    try fixture.issuer.noteNothingRevoked()
    #expect(fixture.written == Revocations(cluster: "prod"))
    #expect(try fixture.issuer.revoked() != nil && fixture.issuer.revocations() == nil)
    let list = Self.list(3, [("minio-1", 5)])
    try fixture.write(list)
    try fixture.issuer.noteNothingRevoked()
    #expect(fixture.written == list)
  }

  @Test("who is revoked loses what was issued until now, and keeps what is issued next")
  func revoked() throws {
    let fixture = try Fixture()
    let issuer = fixture.issuer
    _ = try issuer.issue(
      role: .node, name: "minio-1", addresses: ["h"], days: nil,
      directory: "\(fixture.place.path)/one")
    let signed = try issuer.revoke([(.node, "minio-1")], trustsClock: false)
    _ = try issuer.issue(
      role: .node, name: "minio-1", addresses: ["h"], days: nil,
      directory: "\(fixture.place.path)/two")
    let list = try #require(try issuer.revoked())
    #expect(signed.list == String(decoding: JSON.encode(list), as: UTF8.self) && list.number == 1)
    func isRevoked(_ name: String) throws -> Bool {
      let pem = String(
        decoding: try #require(fixture.place.bytes("\(name)/cert.pem")), as: UTF8.self)
      let info = try CertificateInfo(pem: pem)
      return list.revoked(try #require(info.principal), validFrom: info.notBefore) != nil
    }
    #expect(try isRevoked("one") && !isRevoked("two"))
  }

  @Test(
    "an entry that is a little ahead of this clock is waited for; the list is sent without a wait")
  func waited() throws {
    let fixture = try Fixture()
    let ahead = Self.now + 2
    try fixture.write(Self.list(1, [("minio-9", ahead)]))
    #expect(try fixture.issuer.revocations() != nil && Self.now <= ahead)
    _ = try fixture.issuer.revoke([(.node, "minio-1")], trustsClock: false)
    let until = fixture.written?.entries.first { $0.name == "minio-1" }?.issuedUntil
    #expect(try #require(until) > ahead)
  }

  @Test(
    "one that is far ahead is told, and blocks until this clock is said to be right; the list can be sent"
  )
  func farAhead() throws {
    let fixture = try Fixture()
    let before = Self.list(1, [("minio-9", Self.now + Limits.revocationWaitSeconds + 60)])
    try fixture.write(before)
    #expect(try fixture.issuer.revocations() != nil)
    let refused = Self.refusal {
      _ = try fixture.issuer.revoke([(.node, "minio-1")], trustsClock: false)
    }
    #expect(refused?.message.contains("its entry of node minio-9 is of ") == true)
    #expect(refused?.message.contains("--clock-is-right") == true && fixture.written == before)
    _ = try fixture.issuer.revoke([(.node, "minio-1")], trustsClock: true)
    let until = fixture.written?.entries.first { $0.name == "minio-1" }?.issuedUntil
    #expect(try #require(until) <= Self.now)
    // Its holder would get what does not count.
    let worthless = Self.refusal {
      _ = try fixture.issuer.issue(
        role: .node, name: "minio-9", addresses: ["h"], days: nil,
        directory: "\(fixture.place.path)/nine")
    }
    #expect(worthless?.message.contains("take another name") == true)
    #expect(fixture.place.bytes("nine/cert.pem") == nil)
  }
}
