// SPDX-License-Identifier: Apache-2.0
internal import Crypto
package import KeyManager
package import Model
internal import Sockets
internal import Threads

/// Has a Key Manager make a data key, and keeps of it what proves the key (docs/decisions/0058-key-proofs.md).
package enum KeyProofMaker {
  private static let attempt = "make a key proof"

  /// Asks one endpoint after the other until one makes it, and has it opened: through another endpoint if one answers,
  /// else through the same. Blocks until the deadline at the longest.
  ///
  /// Changes nothing at the Key Manager: a data key is not kept there.
  ///
  /// - Parameter known: what the very host that makes it must open first, over the same connection: behind a load balancer
  ///   the next one may meet another host.
  /// - Throws: `guarded` if a Key Manager does not open what another one has encrypted, or what is known; else
  ///   `keyManager`.
  package static func make(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, known: [KeyProof],
    for binding: KeyProof.Binding, by node: String, deadline: Instant
  ) throws(Refusal) -> KeyProof {
    let probes = KeyManagerProbe.probes(settings, surroundings, [], deadline)
    var failures: [String] = []
    for (index, endpoint) in probes.enumerated() {
      guard let subject = endpoint.subject else { continue }
      // Half of it is for the check.
      let probe = endpoint.with(share: 2 * (probes.count - index), until: deadline)
      do throws(ProbeFailure) {
        let proof = try generate(probe, subject, settings, known, binding, node)
        let others = probes[(index + 1)...] + probes[..<index]
        try check(proof, others + [endpoint], subject)
        return proof
      } catch {
        if error.isOtherKey { throw Refusal(.guarded, "\(attempt): \(error.text)") }
        failures.append("\(probe.endpoint): \(error.text)")
      }
    }
    throw Refusal(.keyManager, "\(attempt): \(failures.joined(separator: "; "))")
  }

  private static func generate(
    _ probe: EndpointProbe, _ subject: EndpointProbe.Subject, _ settings: KeyManagerSettings,
    _ known: [KeyProof], _ binding: KeyProof.Binding, _ node: String
  ) throws(ProbeFailure) -> KeyProof {
    let request = GenerateKeyRequest(
      name: subject.sseKey, associatedData: binding.associatedData,
      length: UInt32(KeyProof.plaintextBytes))
    return try withSession(probe, staysOnHost: !known.isEmpty) { session throws(ProbeFailure) in
      for proof in known {
        try require(
          try session.open(proof, subject),
          orOther: "\(probe.endpoint) does not open the key proof of version \(proof.version)")
      }
      var made: KeyProof?
      let answer = try session.send(Frame(.keyGenerate, request), subject) { key in
        guard key.ciphertext.count <= Limits.proofCiphertextBytes else { return }
        made = KeyProof(
          binding: binding, version: key.version, source: KeySource(settings).digest,
          ciphertext: key.ciphertext,
          commitment: KeyProof.commitment(
            binding, ciphertext: key.ciphertext, plaintext: key.plaintext),
          madeBy: node, madeAt: Clock.realtimeMicroseconds())
      }
      if let made { return made }
      throw ProbeFailure(
        answer.problem
          ?? "KEY:GENERATE: the encrypted data key is longer than \(Limits.proofCiphertextBytes) bytes"
      )
    }
  }

  /// Throws if the first endpoint that answers does not open it, or opens it whatever it was bound to.
  private static func check(
    _ proof: KeyProof, _ probes: [EndpointProbe], _ subject: EndpointProbe.Subject
  ) throws(ProbeFailure) {
    var failure = ProbeFailure("no endpoint was asked to open it")
    for (index, endpoint) in probes.enumerated() {
      let probe = endpoint.with(share: probes.count - index, until: endpoint.deadline)
      do throws(ProbeFailure) {
        return try withSession(probe) { session throws(ProbeFailure) in
          try require(
            try session.open(proof, subject),
            orOther:
              "\(probe.endpoint) does not open what another Key Manager has encrypted just now with \(settingText(subject)), so they do not have the same key"
          )
          // A ciphertext that opens with any associated data could be another program's.
          var other = proof
          other.binding.cluster += " "
          let question = Frame(.keyDecrypt, other.question(keyName: subject.sseKey))
          if case .told = try session.send(question, subject) {
            throw ProbeFailure(
              "the Key Manager ignores the associated data of KEY:DECRYPT, to which the data key is bound"
            )
          }
        }
      } catch {
        if error.isOtherKey { throw error }
        failure = error
      }
    }
    throw failure
  }

  /// Throws if it is not opened.
  private static func require(
    _ opening: KeyManagerSession.Opening, orOther text: String
  ) throws(ProbeFailure) {
    switch opening {
    case .opened: return
    case .otherKey(let why), .versionMissing(let why):
      var failure = ProbeFailure("\(text): \(why)")
      failure.isOtherKey = true
      throw failure
    case .denied(let text), .failed(let text): throw ProbeFailure(text)
    }
  }

  private static func settingText(_ subject: EndpointProbe.Subject) -> String {
    "key \"\(subject.sseKey)\" of enclave \"\(subject.enclave)\""
  }

  /// Runs `body` on a connection to the first address that takes one. Blocks until the deadline at the longest.
  private static func withSession<Result>(
    _ probe: EndpointProbe, staysOnHost: Bool = false,
    _ body: (inout KeyManagerSession) throws(ProbeFailure) -> Result
  ) throws(ProbeFailure) -> Result {
    var failure = ProbeFailure("its name has no address")
    for address in try probe.resolve().prefix(Limits.endpointAddresses) {
      var session = KeyManagerSession(probe, address, staysOnHost: staysOnHost)
      do throws(ProbeFailure) { _ = try session.secure(try session.dial()) } catch {
        failure = error
        continue
      }
      defer { session.close() }
      return try body(&session)
    }
    throw failure
  }
}

extension EndpointProbe {
  /// The same with a part of the time that is left: one that is silent must not use up that of the others.
  fileprivate func with(share count: Int, until deadline: Instant) -> EndpointProbe {
    var probe = self
    let left = max(0, deadline.milliseconds(since: Clock.now()))
    probe.deadline = Clock.now().advanced(byMilliseconds: left / max(count, 1))
    return probe
  }
}
