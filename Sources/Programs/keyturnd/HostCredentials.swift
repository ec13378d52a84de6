// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import AgentLinks
import Crypto
import Files
import JSONCoding
import Model
import Secrets
import TLS
import Threads

/// The agent's certificate and key, and which certificates of others count no more: what a person put on the host, and
/// what came over the links since, which is in the state directory.
struct HostCredentials: CredentialPort {
  let identity: TLSIdentity
  let state: String
  let turn = Lock(Turn())

  /// Requests and what comes for them are taken one after the other.
  struct Turn {
    /// The last request. A restart forgets it, and it is made again.
    var request: (its: CertificateRequest, until: Instant)?
    /// What is done once others' certificates count no more.
    var onRefused: (@Sendable () -> Void)?
    /// The number of the list of trusted CAs; 0 for those of the host's file.
    var authorities = 0
    /// The list of revoked certificates in use.
    var revocations: SignedRevocations?
    /// The key of the CA that signed the one that the next start reads.
    var signer: [UInt8]?
  }

  /// The CAs of the host's file.
  let fileAuthorities: [Digest]

  /// - Parameters:
  ///   - issued: what a person put on the host.
  ///   - state: the state directory, which need not be there yet.
  ///   - log: gets a line for what cannot be used, and one that says what is.
  init(
    issued: TLSContext, state: String, log: (_ priority: LogPriority, _ message: String) -> Void
  ) {
    self.state = state
    let kept = KeptCredentials(issued: issued, state: state) { try DurableRecord.read($0) }
    for problem in kept.problems { log(problem.priority, problem.message) }
    (identity, fileAuthorities) = (kept.identity, kept.fileAuthorities)
    turn.update {
      $0.authorities = kept.authoritiesNumber
      $0.revocations = kept.revocations?.signed
      $0.signer = kept.revocations?.signer
    }
    let own = identity.context
    log(
      .information,
      "the certificate \(identity.isRenewed ? "that it was renewed by" : "that was put on the host") is used: \(own.own.validityText(at: Clock.realtimeMicroseconds() / 1_000_000))"
    )
    if let revoked = revocation {
      log(.error, "\(revoked.statement): the other agents refuse this one; \(revoked.remedy)")
    }
  }

  func path(_ record: KeptCredentials.Record) -> String { record.path(in: state) }

  var certificate: OwnCertificate { identity.context.ownCertificate }

  func request() throws(Refusal) -> CertificateRequestAnswer {
    let context = identity.context
    return try turn.withLock { (turn) throws(Refusal) in
      let request: CertificateRequest
      // Whoever asks while another one's certificate is on its way gets the same: neither makes the other's void.
      if let kept = turn.request, kept.until > Clock.now() {
        request = kept.its
      } else {
        do throws(CertificateFailure) {
          request = try CertificateRequest(for: context.principal)
        } catch { throw Refusal(.failed, error.description) }
        turn.request = (request, .inMilliseconds(Limits.certificateRequestMilliseconds))
      }
      return CertificateRequestAnswer(
        request: request.pem, certificate: context.certificatePEM)
    }
  }

  func install(_ certificate: String) throws(Refusal) {
    try turn.withLock { (turn) throws(Refusal) in
      let current = identity.context
      let attempt = "install a certificate on \(current.principal.name)"
      let key: [UInt8]
      do throws(CertificateFailure) {
        key = try CertificateInfo(pem: certificate).publicKeyDigest
      } catch { throw Refusal(.validation, "\(attempt): \(error)") }
      // It has come before: the answer was lost, or another one has signed the same request.
      if key == current.own.publicKeyDigest, identity.isRenewed { return }
      guard let request = turn.request?.its, request.publicKeyDigest == key else {
        throw Refusal(
          .busy,
          "\(attempt): it is for another key than that of its last request: the agent has started since, or it was long ago; run it again"
        )
      }
      let context: TLSContext
      do throws(CertificateFailure) {
        context = try current.renewed(certificatePEM: certificate, keyPEM: request.keyPEM)
      } catch { throw Refusal(.validation, "\(attempt): \(error)") }
      do throws(FileFailure) {
        try DurableRecord.makeDirectory(state)
        try DurableRecord.write(
          path(.certificate),
          Array(context.certificatePEM.utf8) + request.keyPEM.withBytes(Array.init))
      } catch { throw Refusal(.file, error.message) }
      identity.renew(with: context)
      turn.request = nil
    }
  }

  // MARK: revoked certificates

  var revocations: Int? { identity.revocations.current?.number }
  var revocationList: SignedRevocations? { turn.withLock { $0.revocations } }

  var revocation: RevokedCertificate? {
    let context = identity.context
    return identity.revocations.revoked(context.principal, validFrom: context.own.notBefore)
  }

  /// What is done once others' certificates count no more.
  func whenRefused(_ body: @escaping @Sendable () -> Void) { turn.update { $0.onRefused = body } }

  func revoke(_ list: SignedRevocations) throws(Refusal) -> Int {
    let (number, cut, failure) = try turn.withLock {
      (turn) throws(Refusal) -> (Int, (@Sendable () -> Void)?, FileFailure?) in
      // Within the turn: a CA that goes at this moment must not have signed what stays.
      let (new, signer) = try identity.context.verified(list)
      if let current = identity.revocations.current, current != new {
        if let entry = new.lacks(of: current) {
          throw Refusal(
            .validation,
            "its list of revoked certificates has \(entry.role.rawValue) \(entry.name), which this lacks: revocations.json is an older one, or another directory's; bring the two together (docs/use/runbooks.md, \"Revoke a certificate\")"
          )
        }
        guard new.number > current.number else {
          throw Refusal(
            .validation,
            "its list of revoked certificates has number \(current.number), this has \(new.number): use the authority's directory that made the newer one"
          )
        }
      }
      // In force first: whoever is shut out must not stay because a disk is full.
      identity.revocations.replace(by: new)
      turn.revocations = list
      do throws(FileFailure) {
        try DurableRecord.makeDirectory(state)
        try DurableRecord.write(path(.revocations), JSON.encode(list))
      } catch { return (new.number, turn.onRefused, error) }
      // Of what the next start reads: by this it is decided whether a CA may go.
      turn.signer = signer
      return (new.number, turn.onRefused, nil)
    }
    cut?()
    if let failure {
      throw Refusal(
        .file,
        "the list of revoked certificates is in force only until the agent's next start: \(failure.message)"
      )
    }
    return number
  }
}
