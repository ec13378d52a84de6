// SPDX-License-Identifier: Apache-2.0
import API
import KeyManager
import Secrets
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Another API key on an encrypted cluster, under a client that writes and reads. Each test leaves
  /// the nodes with the API key of the lab's settings, which the Key Managers know again.
  @Suite(.serialized, .lab(nodes: 5, keyManagers: 2))
  struct RotationTests {
    let lab: Lab
    private let old: APIKey

    /// Identities of the test's own, by what their policy lacks; nil for the one that may do what the
    /// present one may.
    private static let seeds: [(lacks: String?, apiKey: String)] = [
      (nil, "k1:b_6Dhm4iqaGR1gd_CkAA_otcPtgaqS2Xixb_G95TJV8"),
      ("KEY:GENERATE", "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"),
      ("KEY:DECRYPT", "k1:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"),
      ("KEY:STATUS", "k1:AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM"),
    ]

    init() throws {
      lab = try #require(Lab.current)
      old = try APIKey(Secret(lab.apiKey))
      try lab.encrypt()
      try lab.expect(["proof"], status: 0, [])
      var statements = ""
      for (lacks, text) in Self.seeds {
        let identity = try APIKey(Secret(text)).identity.text
        statements += """
          policy = json.loads(json.dumps(enclave["policies"]["aistor"]))
          policy["allow"].pop("\(lacks ?? "")", None)
          enclave["policies"]["without-\(lacks ?? "nothing")"] = policy
          enclave["identities"]["\(identity)"] = {
              "privilege": "user", "policy": "without-\(lacks ?? "nothing")"}

          """
      }
      try lab.changeEnclave(
        statements
          + "enclave[\"identities\"][\"\(old.identity)\"] = {\"privilege\": \"user\", \"policy\": \"aistor\"}",
        at: lab.keyManagers)
    }

    private func rotation(to apiKey: String) throws -> [String] {
      ["rotate", "api-key", "--yes", "--api-key-file", try lab.file("new-key", apiKey + "\n")]
    }

    /// That every server runs with that API key.
    private func expectInUse(
      _ apiKey: String, at location: SourceLocation = #_sourceLocation
    ) throws {
      for node in lab.nodes {
        let isInUse = try lab.environment(of: node).contains("MINIO_KMS_API_KEY=\(apiKey)")
        #expect(isInUse, "\(node)", sourceLocation: location)
      }
    }

    @Test(
      "an identity that lacks one right is refused, which is named, and nothing is touched",
      arguments: seeds.filter { $0.lacks != nil }.map { ($0.lacks ?? "", $0.apiKey) })
    func lesser(right: String, apiKey: String) throws {
      let (footprint, states) = (try lab.footprint(), try lab.keyManagerStates())
      let outcome = try lab.keyturn(rotation(to: apiKey))
      let said = outcome.stdout + outcome.stderr
      #expect(outcome.status == 7, "\(said)")
      for words in [right, try APIKey(Secret(apiKey)).identity.text, "nothing was touched"] {
        #expect(said.contains(words), "\(words): \(said)")
      }
      #expect(!said.contains("rm-identity") && !said.contains(apiKey), "\(said)")
      try lab.expectUntouched(since: footprint)
      #expect(try lab.keyManagerStates() == states)
      try expectInUse(lab.apiKey)
    }

    @Test("when one start fails all servers go back to the old API key, and no object is lost")
    func rolledBack() throws {
      let client = try ObjectClient(lab)
      try client.awaitWrites(on: lab.nodes)
      try lab.exec(
        "minio-3",
        "echo 'once fatal Unable to initialize backend: it fails once' >/run/standin-minio")
      defer { _ = try? lab.exec("minio-3", "rm /run/standin-minio") }
      let outcome = try lab.keyturn(rotation(to: Self.seeds[0].apiKey))
      #expect(outcome.status == 10, "\(outcome.stdout)\(outcome.stderr)")
      #expect(!(outcome.stdout + outcome.stderr).contains("rm-identity"), "\(outcome.stdout)")
      try expectInUse(lab.apiKey)
      try client.awaitWrites(on: lab.nodes)
      try client.finish()
      try lab.expect(["status"], status: 0, [])
      try lab.expect(["proof", "--now"], status: 0, [])
    }

    @Test(
      "objects from before, during and after the rotation are read, and the old identity opens the key until all are confirmed"
    )
    func rotated() throws {
      let apiKey = Self.seeds[0].apiKey
      let proof = try #require(try lab.keyProofs(of: "minio-1").answer.proofs.all.first)
      func expectBothOpen(at location: SourceLocation = #_sourceLocation) throws {
        for host in lab.keyManagers {
          for key in [old, try APIKey(Secret(apiKey))] {
            let status = try lab.opening(proof, with: key, at: host)
            #expect(status == "200", "\(host) \(key.identity)", sourceLocation: location)
          }
        }
      }
      let client = try ObjectClient(lab)
      try client.awaitWrites(on: lab.nodes)
      try expectBothOpen()

      let rotate = try lab.startHeld(rotation(to: apiKey) + ["--json"])
      try expectBothOpen()
      // Four servers write with the new API key, and the fifth has not been started.
      try lab.release(except: "minio-5")
      try client.awaitWrites(on: lab.nodes.dropLast())
      try expectBothOpen()
      let early = rotate.lines.map(\.text)
      #expect(!early.contains { $0.contains("rm-identity") }, "\(early)")
      try lab.release()
      let outcome = try rotate.outcome()
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stdout.contains("rm-identity \(old.identity)"), "\(outcome.stdout)")
      #expect(!(outcome.stdout + outcome.stderr).contains(apiKey))
      try expectInUse(apiKey)

      // As it says.
      try lab.changeEnclave(
        "del enclave[\"identities\"][\"\(old.identity)\"]", at: lab.keyManagers)
      #expect(try lab.opening(proof, with: old, at: "kms-1") == "403")
      try client.awaitWrites(on: lab.nodes)
      try client.finish()
      try lab.expect(["status"], status: 0, [])
      try lab.expect(["proof", "--now"], status: 0, [])
    }
  }
}
