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

  func adoptRevocations(of other: String) throws(Refusal) {
    guard
      let theirs = try FileIssuer(
        directory: other, authority: authority, certificate: certificate
      ).revoked()
    else { return }
    _ = try add(theirs, "take over \(other)/revocations.json")
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
      if let problem = all.problem { throw Refusal(.failed, problem) }
      try NewFile.replace(revocationsPath, JSON.encode(all), mode: 0o644)
      return all
    } catch { throw FileWorkshop.refusal(attempt, error) }
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
      let list = try JSON.decode(Revocations.self, from: file.bytes)
      if let problem = list.problem { throw Refusal(.failed, problem) }
      guard list.cluster == cluster else {
        throw Refusal(.failed, "it is of cluster \(list.cluster), not \(cluster)")
      }
      return list
    } catch { throw FileWorkshop.refusal(attempt, error) }
  }

  /// Longer than any kernel's tick (CONFIG_HZ is 100 at the least).
  private static let tickMicroseconds: Int64 = 20_000

  func revocations(
    adding holders: [(role: Role, name: String)]
  ) throws(Refusal) -> SignedRevocations? {
    let known = try revoked()
    if known == nil, holders.isEmpty { return nil }
    var list = known ?? Revocations(cluster: cluster)
    let now = Clock.realtimeMicroseconds() / 1_000_000
    do {
      // A clock that was set back would revoke less than it says.
      let begin = try CertificateInfo(pem: certificate.pem).notBefore
      guard now >= max(begin, list.entries.map(\.issuedUntil).max() ?? begin) else {
        throw Refusal(
          .failed,
          "this machine's clock is behind the CA's certificate or the last entry of the list: set it right"
        )
      }
      for holder in holders { list.add(holder.role, holder.name, issuedUntil: now) }
      if let problem = list.problem { throw Refusal(.failed, problem) }
      guard list.number <= Limits.count else {
        throw Refusal(.failed, "its number has come to its end")
      }
      let signed = try signed(list)
      // Before anybody gets it: a number must not be given twice.
      if !holders.isEmpty {
        try NewFile.replace(revocationsPath, Array(signed.list.utf8), mode: 0o644)
        // What is issued from now on counts: it is of a later second, also by time(2), which OpenSSL asks and which is
        // up to a tick of the kernel's behind.
        while Clock.realtimeMicroseconds() < (now + 1) * 1_000_000 + Self.tickMicroseconds {
          Clock.sleep(until: .inMilliseconds(20))
        }
      }
      return signed
    } catch {
      throw FileWorkshop.refusal("make the list of revoked certificates, \(revocationsPath)", error)
    }
  }
}
