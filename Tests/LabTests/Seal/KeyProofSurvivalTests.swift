// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Threads

extension LabTests {
  /// What key proofs outlive: nodes that lose their state, and Key Managers that are replaced or
  /// restored. Each test leaves the cluster sealed and proven.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 3))
  struct KeyProofSurvivalTests {
    let lab: Lab
    private static let kms2 = "https://kms-2.example.net:7373"

    /// kms-3 is a spare host: no server asks it.
    init() throws {
      lab = try #require(Lab.current)
      let server = "https://kms-1.example.net:7373,\(Self.kms2)"
      let outcome = try lab.keyturn(
        "apply", "--yes", "--settings", try lab.settings(["MINIO_KMS_SERVER": server]))
      try #require(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      try expectProven()
    }

    /// Every node has a proof, and opens it; a rollout passes.
    private func expectProven(at location: SourceLocation = #_sourceLocation) throws {
      try lab.expect(["status"], status: 0, [], at: location)
      try lab.expect(
        ["proof", "--now"], status: 0, ["through 2 Key Managers"], at: location)
    }

    private func expectRollout(at location: SourceLocation = #_sourceLocation) throws {
      let outcome = try lab.keyturn("restart", "--yes")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)", sourceLocation: location)
      try expectProven(at: location)
    }

    /// As if the hosts were installed again: what their agents had on disk is gone.
    private func reimage(_ nodes: [String]) throws {
      for node in nodes {
        try lab.exec(
          node, "systemctl stop keyturnd && find /var/lib/keyturn -mindepth 1 -delete")
      }
      for node in nodes { try lab.exec(node, "systemctl start keyturnd") }
    }

    /// The digests that all nodes have alike.
    private func digests(at location: SourceLocation = #_sourceLocation) throws -> [String] {
      let digests = try lab.keyProofDigests()
      #expect(Set(digests.values).count == 1, "\(digests)", sourceLocation: location)
      return digests.values.first ?? []
    }

    @Test("a restarted agent has its proofs, and a node that was installed again takes the others'")
    func reimaged() throws {
      let before = try digests()
      #expect(!before.isEmpty)
      try lab.exec("minio-1", "systemctl restart keyturnd")
      try expectProven()
      #expect(try digests() == before)

      let counts = try lab.commandCounts()
      try reimage(["minio-2"])
      try expectProven()
      #expect(try digests() == before)
      #expect(try lab.commandCounts()["KEY:CREATE"] == counts["KEY:CREATE"])
      let journal = try lab.exec(
        "minio-2", "journalctl -q -o cat -u keyturnd | grep 'key proof of'")
      #expect(journal.contains("taken from the other nodes"), "\(journal)")
    }

    @Test("a majority that lost everything gets seal and proofs back from the node that has them")
    func majority() throws {
      let before = try digests()
      let lost = ["minio-1", "minio-2"]
      try reimage(lost)
      // The one that is left may not speak for all by itself: docs/use/seal.md says
      // what a person does.
      try lab.expect(["status"], status: 1, ["SEAL: UNKNOWN", "the seals are not the same"])
      let footprint = try lab.footprint()
      let refused = try lab.keyturn("restart", "--yes")
      #expect(refused.status == 4, "\(refused.stdout)\(refused.stderr)")
      try lab.expectUntouched(since: footprint)
      for node in lost {
        try lab.exec(node, "systemctl stop keyturnd")
        for name in ["seal", "seal.digest"] {
          let record = try lab.exec("minio-3", "base64 /var/lib/keyturn/\(name)")
          try lab.exec(
            node, "umask 077 && base64 -d >/var/lib/keyturn/\(name)", input: record)
        }
        try lab.exec(node, "systemctl start keyturnd")
      }
      try expectProven()
      #expect(try digests() == before)
      for node in lost {
        let journal = try lab.exec(node, "journalctl -q -o cat -u keyturnd | grep 'key proof of'")
        #expect(journal.hasSuffix("taken from the other nodes\n"), "\(node): \(journal)")
      }
      try expectRollout()
    }

    @Test("a Key Manager on another host with the same keys passes; with other keys it does not")
    func replaced() throws {
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      let before = try digests()
      let state = "/var/lib/minkms/state.json"
      // The spare has what a new installation has: a key of that name, and not its bytes.
      let bytes = "enclave[\"keys\"][key][\"versions\"][0][\"bytes\"]"
      try lab.changeEnclave("\(bytes) = \"\(String(repeating: "B", count: 43))=\"", at: ["kms-3"])
      try lab.replaceCertificate(of: "kms-3", names: ["kms-2.example.net", "kms-3.example.net"])
      try lab.exec("kms-2", "systemctl stop minkms")
      try lab.addNames("10.77.1.13 kms-2.example.net")
      try lab.onEachNode("sed -i '/10.77.1.12/d' /etc/hosts")
      let footprint = try lab.footprint()
      try lab.expect(["status"], status: 1, ["ANOTHER KEY AT \(Self.kms2)"])
      let refused = try lab.rollOut("off")
      #expect(refused.status == 6, "\(refused.stdout)\(refused.stderr)")
      #expect((refused.stdout + refused.stderr).contains("answered by kms-3 ("))
      try lab.expectUntouched(since: footprint)

      // The old host's state, as an operator would restore it there.
      let record = try lab.exec("kms-2", "base64 \(state)")
      try lab.exec("kms-3", "base64 -d >\(state)", input: record)
      try lab.restartKeyManager("kms-3")
      try expectProven()
      #expect(try digests() == before)
      try expectRollout()
      #expect(try digests() == before)
    }

    @Test("a backup with the right key, restored after a wrong one, passes")
    func restored() throws {
      let before = try digests()
      let hosts = ["kms-1", "kms-2"]
      let state = "/var/lib/minkms/state.json"
      for host in hosts { try lab.exec(host, "cp \(state) /root/backup.json") }
      let footprint = try lab.footprint()
      let bytes = "enclave[\"keys\"][key][\"versions\"][0][\"bytes\"]"
      try lab.changeEnclave("\(bytes) = \"\(String(repeating: "C", count: 43))=\"", at: hosts)
      try lab.expect(
        ["status"], status: 1, ["ANOTHER KEY AT https://kms-1.example.net:7373", "2 of 2 links"])
      #expect(try lab.rollOut("off").status == 6)
      try lab.expectUntouched(since: footprint)

      for host in hosts {
        try lab.exec(host, "cat /root/backup.json >\(state)")
        try lab.restartKeyManager(host)
      }
      try expectProven()
      #expect(try digests() == before)
      try expectRollout()
    }
  }
}
