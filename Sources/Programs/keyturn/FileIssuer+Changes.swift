// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import Files
import JSONCoding
import Model
import Operator
import TLS
import Threads

// What an authority signs of a cluster that lives: renewed certificates, what is revoked, which CAs are trusted.

extension FileIssuer {
  func renew(
    _ request: CertificateRequestAnswer, of principal: Principal, days: Int?,
    former: AuthorityCertificate?
  ) throws(Refusal) -> String {
    try requireCounts(principal.role, principal.name)
    do throws(CertificateFailure) {
      return try authority.renew(
        request.certificate, of: principal, request: request.request, days: days,
        former: former?.pem)
    } catch {
      throw FileWorkshop.refusal("renew the certificate of \(principal.name)", error)
    }
  }

  func reissue(
    _ certificate: [UInt8], of principal: Principal, days: Int?, former: AuthorityCertificate
  ) throws(Refusal) -> String {
    try requireCounts(principal.role, principal.name)
    do throws(CertificateFailure) {
      return try authority.reissue(
        String(decoding: certificate, as: UTF8.self), of: principal, days: days,
        former: former.pem)
    } catch {
      throw FileWorkshop.refusal("issue another certificate to \(principal.name)", error)
    }
  }

  private func signed<List>(_ list: List) throws(CertificateFailure) -> SignedList<List> {
    let bytes = JSON.encode(list)
    return SignedList(
      list: String(decoding: bytes, as: UTF8.self),
      signature: Base64URL.encode(try authority.sign(bytes)))
  }

  // MARK: trusted CAs

  private var trustedPath: String { "\(directory)/trusted.pem" }

  /// What whoever gets a certificate is to trust, PEM: during a change both CAs.
  func trusted() throws -> String {
    if let problem = try FileTrust.problem(of: trustedPath) {
      throw Refusal(.failed, "\(problem): take that right away (chmod go-w)")
    }
    guard
      let file = try FileReading.readIfPresent(trustedPath, limitBytes: Limits.recordFileBytes)
    else { return certificate.pem }
    let blocks = CertificateInfo.blocks(inPEM: file.bytes)
    guard try blocks.contains(where: { try FileWorkshop.certificate($0).key == certificate.key })
    else {
      throw Refusal(
        .failed, "\(trustedPath) has not the CA of \(directory)/ca.pem: remove it, or put it right")
    }
    return blocks.joined()
  }

  func giveTrust(in authorities: [AuthorityCertificate]) throws(Refusal) {
    do {
      if let problem = try FileTrust.problem(of: trustedPath) {
        throw Refusal(.failed, "\(problem): take that right away (chmod go-w)")
      }
      try NewFile.replace(
        trustedPath, Array(authorities.map(\.pem).joined().utf8), mode: 0o644)
    } catch { throw FileWorkshop.refusal("write \(trustedPath)", error) }
  }

  func sign(_ authorities: Authorities) throws(Refusal) -> SignedAuthorities {
    do throws(CertificateFailure) { return try signed(authorities) } catch {
      throw FileWorkshop.refusal("sign the list of trusted CAs", error)
    }
  }

  // MARK: revoked certificates

  private var revocationsPath: String { "\(directory)/revocations.json" }

  func adoptRevocations(of other: String) throws(Refusal) -> Revocations? {
    guard
      let theirs = try FileIssuer(
        directory: other, authority: authority, certificate: certificate
      ).revoked()
    else { return nil }
    return try add(theirs, "take over \(other)/revocations.json")
  }

  func takeBack(_ list: SignedRevocations) throws(Refusal) -> Revocations? {
    let authorities: String
    do { authorities = try trusted() } catch {
      throw FileWorkshop.refusal("verify a list of revoked certificates", error)
    }
    let theirs = try FileWorkshop().verify(list, of: cluster, by: authorities)
    return try add(theirs, "take back the list of revoked certificates")
  }

  /// What the list says with all of `theirs`; nil if it had that already.
  private func add(_ theirs: Revocations, _ attempt: String) throws(Refusal) -> Revocations? {
    let own = try revoked()
    let all = own?.merged(with: theirs) ?? theirs
    if all == own { return nil }
    do {
      try write(all)
      return all
    } catch { throw FileWorkshop.refusal(attempt, error) }
  }

  func noteNothingRevoked() throws(Refusal) {
    if try revoked() != nil { return }
    do { try write(Revocations(cluster: cluster)) } catch {
      throw FileWorkshop.refusal("begin the list of revoked certificates", error)
    }
  }

  /// What cannot be read again is not written.
  private func write(_ list: Revocations) throws {
    if let problem = list.problem { throw Refusal(.failed, problem) }
    let bytes = JSON.encode(list)
    guard bytes.count <= Limits.revocationBytes else {
      throw Refusal(
        .failed, "it would have \(bytes.count) bytes, \(Limits.revocationBytes) are allowed")
    }
    try NewFile.replace(revocationsPath, bytes, mode: 0o644)
  }

  func revoked() throws(Refusal) -> Revocations? {
    let attempt = "use the list of revoked certificates, \(revocationsPath)"
    do {
      if let problem = try FileTrust.problem(of: revocationsPath) {
        throw Refusal(
          .failed,
          "\(problem), and what it says is signed: take that right away (chmod go-w), and look at it"
        )
      }
      guard
        let file = try FileReading.readIfPresent(
          revocationsPath, limitBytes: Limits.revocationBytes)
      else { return nil }
      let list: Revocations
      do throws(JSONFailure) { list = try JSON.decode(Revocations.self, from: file.bytes) } catch {
        throw Self.damaged("\(error)")
      }
      if let problem = list.problem { throw Self.damaged(problem) }
      guard list.cluster == cluster else {
        throw Refusal(.failed, "it is of cluster \(list.cluster), not \(cluster)")
      }
      return list
    } catch { throw FileWorkshop.refusal(attempt, error) }
  }

  private static func damaged(_ problem: String) -> Refusal {
    Refusal(
      .failed,
      "\(problem); put the copy of it there, or move it away: the next command that needs it takes back what the hosts have, once all of them answer (docs/use/runbooks.md, \"Revoke a certificate\")"
    )
  }

  func revocations() throws(Refusal) -> SignedRevocations? {
    guard let list = try revoked(), !list.entries.isEmpty else { return nil }
    do throws(CertificateFailure) { return try signed(list) } catch {
      throw FileWorkshop.refusal("sign the list of revoked certificates, \(revocationsPath)", error)
    }
  }

  /// Longer than any kernel's tick (CONFIG_HZ is 100 at the least).
  private static let tickMicroseconds: Int64 = 20_000

  private static var now: Int64 { Clock.realtimeMicroseconds() / 1_000_000 }

  func revoke(
    _ holders: [(role: Role, name: String)], trustsClock: Bool
  ) throws(Refusal) -> SignedRevocations {
    var list = try revoked() ?? Revocations(cluster: cluster)
    do {
      // A clock that was set back would revoke less than it says.
      guard try Self.now >= CertificateInfo(pem: certificate.pem).notBefore else {
        throw Refusal(
          .failed, "this machine's clock is behind the CA's certificate: set it right")
      }
      if let entry = list.ahead(of: Self.now), !trustsClock { try Self.wait(for: entry) }
      let now = Self.now
      for holder in holders { list.add(holder.role, holder.name, issuedUntil: now) }
      let signed = try signed(list)
      // Before anybody gets it: a number must not be given twice.
      try write(list)
      // What is issued from now on counts: it is of a later second, also by time(2), which OpenSSL asks and which is up
      // to a tick of the kernel's behind.
      Self.sleep(untilAfter: now)
      return signed
    } catch {
      throw FileWorkshop.refusal("make the list of revoked certificates, \(revocationsPath)", error)
    }
  }

  private static func sleep(untilAfter second: Int64) {
    while Clock.realtimeMicroseconds() < (second + 1) * 1_000_000 + tickMicroseconds {
      Clock.sleep(until: .inMilliseconds(20))
    }
  }

  /// Until the time of an entry has come, if that is soon.
  private static func wait(for entry: Revocations.Entry) throws(Refusal) {
    let now = now
    guard entry.issuedUntil - now <= Limits.revocationWaitSeconds else {
      throw Refusal(
        .failed,
        "its entry of \(entry.role.rawValue) \(entry.name) is of \(CalendarTime.text(seconds: entry.issuedUntil)), and this machine's clock says \(CalendarTime.text(seconds: now)): one of the two is wrong; set this clock right if it is this one, and else go on with --clock-is-right: certificates that were issued by the clock that was ahead may then still count"
      )
    }
    sleep(untilAfter: entry.issuedUntil)
  }

  /// Refuses to issue what would not count: as far as that is known here.
  func requireCounts(_ role: Role, _ name: String) throws(Refusal) {
    guard let entry = try revoked()?.refusal(of: role, name, issuedAt: Self.now) else { return }
    throw Refusal(
      .failed,
      "issue a certificate to \(role.rawValue) \(name): those that are issued until \(CalendarTime.text(seconds: entry.issuedUntil)) are revoked (\(revocationsPath)), and this machine's clock says \(CalendarTime.text(seconds: Self.now)): it was revoked by a clock that was ahead, or this one is behind; set it right, wait until then, or take another name"
    )
  }
}
