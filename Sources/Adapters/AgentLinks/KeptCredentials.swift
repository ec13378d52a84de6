// SPDX-License-Identifier: Apache-2.0
package import API
package import Crypto
internal import JSONCoding
package import Model
internal import Secrets
package import TLS

/// The record of trusted CAs.
package struct KeptAuthorities: Sendable, Codable {
  /// The CAs of the host's file when it was taken. Where a person has put others there since, the file counts.
  package var from: [Digest]
  package var list: Authorities

  package init(from: [Digest], list: Authorities) {
    self.from = from
    self.list = list
  }
}

/// The certificate and the trust of a host: what a person put there, and what came over the links since, which is in the
/// agent's state directory. One choice, for the agent itself and for the commands of root on its host.
package struct KeptCredentials: Sendable {
  package enum Record: String, Sendable {
    /// Certificate and key, PEM, one after the other.
    case certificate
    case authorities, revocations

    package func path(in state: String) -> String { "\(state)/\(rawValue)" }
  }
  /// What cannot be used, and what is used in its place.
  package struct Problem: Sendable, Hashable {
    package var priority: LogPriority
    package var message: String
  }

  package let identity: TLSIdentity
  /// The CAs of the host's file.
  package let fileAuthorities: [Digest]
  /// The number of the list of trusted CAs; 0 for those of the host's file.
  package private(set) var authoritiesNumber = 0
  /// The list of revoked certificates in use, and the key of the CA that signed it.
  package private(set) var revocations: (signed: SignedRevocations, signer: [UInt8]?)?
  package private(set) var problems: [Problem] = []

  /// Blocks on the disk.
  ///
  /// - Parameters:
  ///   - issued: what a person put on the host.
  ///   - state: the state directory, which need not be there yet.
  ///   - read: the content of a record, nil if there is none.
  package init(
    issued: TLSContext, state: String, read: (_ path: String) throws -> [UInt8]?
  ) {
    var problems: [Problem] = []
    fileAuthorities = issued.authorityDigests
    var issued = issued
    do {
      if let bytes = try read(Record.authorities.path(in: state)) {
        let kept = try JSON.decode(KeptAuthorities.self, from: bytes)
        if let problem = kept.list.problem { throw Refusal(.file, problem) }
        if kept.from == fileAuthorities {
          issued = try issued.trusting(kept.list.pem)
          authoritiesNumber = kept.list.number
        } else {
          problems.append(
            Problem(
              priority: .notice,
              message:
                "the trusted CAs in \(state) are not used: the host's ca.pem has other ones since, and counts"
            ))
        }
      }
    } catch {
      problems.append(
        Problem(
          priority: .error,
          message:
            "the trusted CAs in \(state) are not used, but those of the host's file: \(error); if the other agents refuse this one, give it a file to join with (keyturn pki issue --join)"
        ))
    }
    var renewed: TLSContext?
    do {
      if let bytes = try read(Record.certificate.path(in: state)) {
        renewed = try issued.renewed(
          certificatePEM: String(decoding: bytes, as: UTF8.self),
          keyPEM: bytes.withUnsafeBytes(Secret.init), atAnyTime: true)
      }
    } catch {
      problems.append(
        Problem(
          priority: .error,
          message:
            "the renewed certificate in \(state) is not used, but the one that was put on the host: \(error); renew it (keyturn pki renew), or if this agent cannot be reached give it a file to join with (keyturn pki issue --join)"
        ))
    }
    identity = TLSIdentity(issued, renewed: renewed)
    do {
      if let bytes = try read(Record.revocations.path(in: state)) {
        let signed = try JSON.decode(SignedRevocations.self, from: bytes)
        let (list, signer) = try issued.verified(signed)
        identity.revocations.replace(by: list)
        revocations = (signed, signer)
      }
    } catch {
      problems.append(
        Problem(
          priority: .error,
          message:
            "the list of revoked certificates in \(state) is not used, and what is revoked counts here until there is another one: \(error); the agent takes it from nodes that have it, and keyturn pki revoke sends it again"
        ))
    }
    self.problems = problems
  }
}

extension TLSContext {
  /// The keys of the CAs that are trusted.
  package var authorityDigests: [Digest] {
    authorities.compactMap { Digest(bytes: $0.key) }.sorted()
  }

  /// What a list says, and the key of the CA that signed it; refused if none that is trusted here has.
  package func verified(
    _ signed: SignedRevocations
  ) throws(Refusal) -> (list: Revocations, signer: [UInt8]?) {
    var signer: [UInt8]?
    let list = try signed.verified(cluster: principal.cluster) { bytes, signature in
      signer = self.signer(of: bytes, signature)
      return signer != nil
    }
    return (list, signer)
  }
}
