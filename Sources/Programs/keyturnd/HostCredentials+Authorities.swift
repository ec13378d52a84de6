// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import AgentLinks
import Crypto
import Files
import JSONCoding
import Model
import TLS
import Threads

// Which CAs are trusted: those of the host's file, and what came over the links in place of them.

extension HostCredentials {
  var authorities: AuthoritiesAnswer {
    let (number, signer) = turn.withLock { ($0.authorities, $0.signer) }
    let context = identity.context
    return AuthoritiesAnswer(
      number: number, trusted: context.authorityDigests,
      own: context.authority.flatMap(Digest.init(bytes:)),
      revocations: signer.flatMap(Digest.init(bytes:)),
      people: identity.sightings.compactMap { sighting in
        Digest(bytes: sighting.authority).map {
          AuthoritiesAnswer.Person(
            role: sighting.principal.role, name: sighting.principal.name, authority: $0,
            at: sighting.at, validUntil: sighting.validUntil)
        }
      })
  }

  func trust(_ list: SignedAuthorities) throws(Refusal) {
    let cut = try turn.withLock { (turn) throws(Refusal) -> (@Sendable () -> Void)? in
      let current = identity.context
      let attempt = "change the CAs that \(current.principal.name) trusts"
      let new: Authorities
      do throws(Refusal) {
        new = try list.verified(cluster: current.principal.cluster) { current.isSigned($0, $1) }
        try Self.check(new, turn, current)
      } catch { throw Refusal(error.code, "\(attempt): \(error.message)") }
      do {
        try DurableRecord.makeDirectory(state)
        try DurableRecord.write(
          path(.authorities), JSON.encode(KeptAuthorities(from: fileAuthorities, list: new)))
        try identity.trust(new.pem)
      } catch { throw Refusal(.file, "\(attempt): \(error)") }
      turn.authorities = new.number
      return turn.onRefused
    }
    cut?()
  }

  /// Whatever an operator's command does in whatever order, this agent does not shut itself out.
  private static func check(
    _ new: Authorities, _ turn: Turn, _ current: TLSContext
  ) throws(Refusal) {
    var keys: [[UInt8]] = []
    for certificate in new.certificates {
      do throws(CertificateFailure) {
        keys.append(try TrustedAuthority(certificatePEM: certificate).key)
      } catch { throw Refusal(.validation, error.description) }
    }
    let isSame = Set(keys) == Set(current.authorities.map(\.key))
    guard new.number > turn.authorities || (isSame && new.number == turn.authorities) else {
      throw Refusal(
        .validation,
        "its list of trusted CAs has number \(turn.authorities), this has \(new.number)")
    }
    guard let own = current.authority, keys.contains(own) else {
      throw Refusal(
        .validation,
        "its certificate in use is of a CA that would be trusted no more: keyturn pki rotate-ca --issue first"
      )
    }
    if let signer = turn.signer, !keys.contains(signer) {
      throw Refusal(
        .validation,
        "its list of revoked certificates is signed by a CA that would be trusted no more: keyturn pki rotate-ca --issue first"
      )
    }
  }
}
