// SPDX-License-Identifier: Apache-2.0
import Crypto
import KeyManager
import Model
import Testing

@Suite("Witness: whom it serves, and what proves that it reached the one that asked")
struct WitnessTests {
  private static let inventory = Inventory(
    cluster: "prod",
    nodes: [.init(name: "minio-1", address: "m1"), .init(name: "minio-2", address: "m2")],
    keyManagers: [.init(name: "kms-1", address: "k1", witness: "k1:7377")])
  private static let now = Instant(nanoseconds: 1_000_000_000_000)

  private static func principal(_ role: Role, _ name: String, of cluster: String = "prod")
    -> Principal
  { Principal(cluster: cluster, role: role, name: name) }

  @Test(
    "only a node of the inventory is served, and what it gets is itself",
    arguments: [
      (principal(.node, "minio-1"), nil),
      (principal(.node, "minio-9"), WitnessAdmission.Refused.unknownNode),
      (principal(.node, "kms-1"), .unknownNode),
      (principal(.operator, "minio-1"), .role),
      (principal(.observer, "minio-1"), .role),
      (principal(.witness, "minio-1"), .role),
      (principal(.node, "minio-1", of: "other"), .cluster),
    ])
  func admitted(principal: Principal, refused: WitnessAdmission.Refused?) throws {
    var admission = WitnessAdmission(Self.inventory)
    switch admission.admit(principal, at: Self.now) {
    case .success(let node): #expect(node.name == "minio-1" && refused == nil)
    case .failure(let reason): #expect(reason == refused)
    }
  }

  @Test("a burst is taken, one more is not, and another node is not kept from asking by it")
  func rate() throws {
    var admission = WitnessAdmission(Self.inventory)
    let node = Self.principal(.node, "minio-1")
    for _ in 0..<Limits.witnessBurst {
      _ = try admission.admit(node, at: Self.now).get()
    }
    #expect(throws: WitnessAdmission.Refused.rate) {
      try admission.admit(node, at: Self.now).get()
    }
    _ = try admission.admit(Self.principal(.node, "minio-2"), at: Self.now).get()
    let later = Self.now.advanced(byMilliseconds: Limits.witnessRefillMilliseconds)
    _ = try admission.admit(node, at: later).get()
    #expect(throws: WitnessAdmission.Refused.rate) { try admission.admit(node, at: later).get() }
  }

  @Test("refusals are counted by reason, and each caller's is logged once for each")
  func counted() {
    var admission = WitnessAdmission(Self.inventory)
    let eve = Self.principal(.operator, "eve")
    let mallory = Self.principal(.operator, "mallory")
    let isLogged = [
      (WitnessAdmission.Refused.role, eve), (.role, eve), (.request, eve), (.role, mallory),
    ]
    .map { admission.count($0, of: $1) }
    #expect(isLogged == [true, false, true, true])
    #expect(admission.refused == [.role: 3, .request: 1])
  }

  @Test("only so many callers are remembered for the log; all are counted")
  func bounded() {
    var admission = WitnessAdmission(Self.inventory)
    let logged = (0...Limits.witnessRemembered).count {
      admission.count(.unknownNode, of: Self.principal(.node, "x\($0)"))
    }
    #expect(logged == Limits.witnessRemembered)
    #expect(admission.refused[.unknownNode] == Limits.witnessRemembered + 1)
  }

  // MARK: the nonce

  @Test(
    "the proof is given to the witness that has the nonce, for as long as it holds, and no other")
  func proof() {
    var handed = HandedOut()
    let (nonce, challenge) = (Digest.sha256([1]), Digest.sha256([2]))
    handed.handOut(nonce, to: "kms-1", at: Self.now)
    let name = ReachProof.name(of: nonce)
    func proof(
      _ name: Digest, to witness: String = "kms-1", after milliseconds: Int = 0
    ) -> Digest? {
      var handed = handed
      return handed.proof(
        of: name, challenge: challenge, node: "minio-1", to: witness,
        at: Self.now.advanced(byMilliseconds: milliseconds))
    }
    let expected = ReachProof.proof(
      nonce: nonce, challenge: challenge, node: "minio-1", witness: "kms-1")
    #expect(proof(name) == expected)
    #expect(proof(name, after: Limits.nonceMilliseconds - 1) == expected)
    #expect(proof(name, after: Limits.nonceMilliseconds) == nil)
    #expect(proof(name, to: "kms-2") == nil)
    // The nonce itself is no name, and no other name opens it.
    #expect(proof(nonce) == nil)
    #expect(proof(.sha256([3])) == nil)
  }

  @Test("every part of the proof counts")
  func parts() {
    let (a, b) = (Digest.sha256([1]), Digest.sha256([2]))
    let proofs = [
      ReachProof.proof(nonce: a, challenge: a, node: "n", witness: "w"),
      ReachProof.proof(nonce: b, challenge: a, node: "n", witness: "w"),
      ReachProof.proof(nonce: a, challenge: b, node: "n", witness: "w"),
      ReachProof.proof(nonce: a, challenge: a, node: "m", witness: "w"),
      ReachProof.proof(nonce: a, challenge: a, node: "n", witness: "v"),
      ReachProof.name(of: a),
    ]
    #expect(Set(proofs).count == proofs.count)
  }

  @Test("as many nonces as the limit are answered for; one more pushes out the oldest")
  func nonces() {
    func nonce(_ number: Int) -> Digest { Digest.ofFields(["\(number)"]) }
    var handed = HandedOut()
    for number in 0..<Limits.nonces { handed.handOut(nonce(number), to: "kms-1", at: Self.now) }
    func isKnown(_ number: Int) -> Bool {
      handed.proof(
        of: ReachProof.name(of: nonce(number)), challenge: nonce(0), node: "minio-1", to: "kms-1",
        at: Self.now) != nil
    }
    #expect(isKnown(0))
    handed.handOut(nonce(Limits.nonces), to: "kms-1", at: Self.now)
    #expect(!isKnown(0) && isKnown(1) && isKnown(Limits.nonces))
  }
}
