// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

private let kms1 = "https://kms-1.example.net:7373"
private let kms2 = "https://kms-2.example.net:7373"
private let both = ["kms-1", "kms-2"]

/// One way in which the SSE key at the Key Managers is not the one that the cluster has encrypted
/// with, or cannot be used.
struct KeyFault: Sendable, CustomTestStringConvertible {
  var name: String
  /// The stand-in's `Faults`; `KEY` is the SSE key's name.
  var json: String
  var hosts = both
  /// How a rollout is refused.
  var exit: Int32
  /// What the refusal says.
  var refusal: [String]
  /// What status says within one look.
  var alarm: [String]

  var testDescription: String { name }

  static let all = [
    KeyFault(
      name: "bytes exchanged under the name", json: #"{"keys": {"KEY": {"bytes": "x"}}}"#, exit: 6,
      refusal: [
        "\(kms1) has another key", "\(kms2) has another key", "invalid ciphertext",
        "do not restart",
      ],
      alarm: ["ANOTHER KEY AT \(kms1)"]),
    KeyFault(
      name: "one of two restored from an old backup",
      json: #"{"keys": {"KEY": {"bytes": "old"}}}"#, hosts: ["kms-2"], exit: 6,
      refusal: ["\(kms2) has another key", "answered by kms-2 (", "the right key is at \(kms1)"],
      alarm: ["ANOTHER KEY AT \(kms2)"]),
    KeyFault(
      name: "deleted and made again under its name",
      json: #"{"keys": {"KEY": {"bytes": "new", "createdAt": 1805306368000000000}}}"#, exit: 6,
      refusal: ["\(kms1) has another key", "\(kms2) has another key"],
      alarm: ["ANOTHER KEY AT \(kms1)"]),
    KeyFault(
      name: "another plaintext, from one that verifies nothing",
      json: #"{"verifiesNothing": true, "keys": {"KEY": {"bytes": "x"}}}"#, hosts: ["kms-1"],
      exit: 6, refusal: ["\(kms1) has another key", "gives another data key"],
      alarm: ["ANOTHER KEY AT \(kms1)"]),
    KeyFault(
      name: "the key is gone", json: #"{"keys": {"KEY": {"lost": [1]}}}"#, exit: 6,
      refusal: ["does not exist in enclave", "encryption has been enabled before"],
      alarm: ["does not exist in enclave"]),
    KeyFault(
      name: "KEY:DECRYPT denied", json: #"{"deny": ["KEY:DECRYPT"]}"#, exit: 7,
      refusal: [kms1, kms2, "may not KEY:DECRYPT"],
      alarm: ["the key proof: KEY:DECRYPT: answered 403"]),
  ]
}

extension LabTests {
  /// Key Managers that have another key than the cluster has encrypted with. Each test leaves the
  /// cluster encrypted, sealed, proven and at rest.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 2))
  struct KeyProofTests {
    let lab: Lab
    private var key: String { lab.setting("MINIO_KMS_SSE_KEY") }

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
      try expect(["proof"], status: 0, [])
    }

    /// What a command says, once it ends with that status and says all of these.
    @discardableResult
    private func expect(
      _ arguments: [String], status: Int32, _ words: [String], seconds: Int = 90,
      at location: SourceLocation = #_sourceLocation
    ) throws -> String {
      let deadline = Instant.inMilliseconds(seconds * 1_000)
      var said = ""
      while Clock.now() < deadline {
        let outcome = try lab.keyturn(arguments)
        said = "\(outcome.status): \(outcome.stdout)\(outcome.stderr)"
        if outcome.status == status, words.allSatisfy({ said.contains($0) }) { return said }
        Clock.sleep(until: .inMilliseconds(1_000))
      }
      Issue.record("keyturn \(arguments): \(words): \(said)", sourceLocation: location)
      return said
    }

    private func setFaults(_ json: String, at hosts: [String]) throws {
      for host in hosts { try lab.setFaults(host, json.replacing("KEY\"", with: "\(key)\"")) }
    }

    /// A rollout that changes nothing that matters.
    private func rollOut(_ value: String) throws -> Subprocess.Outcome {
      try lab.keyturn(
        "apply", "--yes", "--settings", try lab.file("other.env", "MINIO_BROWSER=\(value)\n"))
    }

    @Test(
      "a wrong key refuses a rollout, and on the running cluster is an alarm within one look, until it is mended",
      arguments: KeyFault.all)
    func fault(_ fault: KeyFault) throws {
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      let (footprint, states) = (try lab.footprint(), try lab.keyManagerStates())
      let counts = try lab.commandCounts()
      try setFaults(fault.json, at: fault.hosts)

      let outcome = try rollOut("off")
      #expect(outcome.status == fault.exit, "\(outcome.stdout)\(outcome.stderr)")
      let said = outcome.stdout + outcome.stderr
      for words in fault.refusal + ["nothing was touched: minio-[1-3]: "] {
        #expect(said.contains(words), "\(words): \(said)")
      }
      try expect(["status"], status: 1, fault.alarm)
      try expect(["proof", "--now"], status: fault.exit, [])
      try lab.expectUntouched(since: footprint)
      #expect(try lab.keyManagerStates() == states)
      #expect(try lab.commandCounts()["KEY:CREATE"] == counts["KEY:CREATE"])

      try lab.mend()
      try expect(["status"], status: 0, [])
      try expect(["proof", "--now"], status: 0, [])
    }

    @Test("a key with a new version gets a proof of it, and the old version's still counts")
    func versions() throws {
      // The same bytes at both, as if one had written it and the other taken it.
      let script = """
        import json
        path = "/var/lib/minkms/state.json"
        state = json.load(open(path))
        for enclave in state["enclaves"].values():
            versions = enclave["keys"]["\(key)"]["versions"]
            if len(versions) == 1:
                versions.append(dict(versions[0], number=2, bytes="\(String(repeating: "A", count: 43))="))
        json.dump(state, open(path, "w"))
        """
      for host in both {
        try lab.exec(
          host, "python3 - && systemctl reset-failed minkms; systemctl restart minkms",
          input: script)
      }
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      for node in lab.nodes {
        try expect(["proof", "--json"], status: 0, [node, #""version":2"#])
      }
      let footprint = try lab.footprint()
      try setFaults(#"{"keys": {"KEY": {"lost": [1]}}}"#, at: ["kms-2"])
      let outcome = try rollOut("off")
      #expect(outcome.status == 6, "\(outcome.stdout)\(outcome.stderr)")
      for words in ["\(kms2) has another key", "the key proof of version 1", "key does not exist"] {
        #expect((outcome.stdout + outcome.stderr).contains(words), "\(words): \(outcome.stdout)")
      }
      try lab.expectUntouched(since: footprint)
    }

    @Test("a new way to the key is opened before the rollout, and gets a proof of its own")
    func otherWay() throws {
      defer { _ = try? lab.keyturn("apply", "--yes", "--settings", lab.settings) }
      let one = try lab.settings(["MINIO_KMS_SERVER": kms1])
      try setFaults(#"{"keys": {"KEY": {"bytes": "x"}}}"#, at: ["kms-1"])
      let refused = try lab.keyturn("apply", "--yes", "--settings", one)
      #expect(refused.status == 6, "\(refused.stdout)\(refused.stderr)")
      try lab.mend()
      let outcome = try lab.keyturn("apply", "--yes", "--settings", one)
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      try expect(["proof"], status: 0, [])
      try expect(["proof", "--now"], status: 0, ["through 1 Key Manager"])
    }

    @Test(
      "behind a load balancer one with an old backup is found within three looks, as one of several"
    )
    func loadBalancer() throws {
      let place = "kms-lb.example.net:8443"
      try lab.exec(
        "kms-1", "cat >/run/haproxy.cfg && haproxy -D -f /run/haproxy.cfg -p /run/haproxy.pid",
        input: """
          defaults
            mode tcp
            timeout connect 2s
            timeout client 30s
            timeout server 30s
          listen kms
            bind :8443
            balance roundrobin
            server kms-1 10.77.1.11:7373
            server kms-2 10.77.1.12:7373

          """)
      defer {
        do {
          try lab.mend()
          try lab.encrypt()
          try lab.exec("kms-1", "kill $(cat /run/haproxy.pid)")
        } catch { Issue.record(error) }
      }
      for host in both {
        try lab.replaceCertificate(
          of: host, names: ["\(host).example.net", host, "kms-lb.example.net"])
      }
      try lab.addNames("10.77.1.11 kms-lb.example.net")
      let outcome = try lab.keyturn(
        "apply", "--yes", "--settings",
        try lab.settings(["MINIO_KMS_SERVER": "https://\(place)"]))
      try #require(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      try expect(["proof"], status: 0, [])

      let footprint = try lab.footprint()
      try setFaults(#"{"keys": {"KEY": {"bytes": "old"}}}"#, at: ["kms-2"])
      // Three looks, each with its spread.
      try expect(
        ["status"], status: 1,
        [
          "ANOTHER KEY AT https://\(place)", "kms-2 (",
          "several Key Managers are, or were, behind one name",
        ], seconds: 3 * 70)
      // It stands while the node meets the right one.
      let shown = Instant.inMilliseconds(25_000)
      while Clock.now() < shown {
        let status = try lab.keyturn("status")
        #expect(status.status == 1, "\(status.stdout)\(status.stderr)")
        Clock.sleep(until: .inMilliseconds(1_000))
      }
      #expect(try rollOut("off").status == 6)
      try lab.expectUntouched(since: footprint)
      try setFaults("{}", at: ["kms-2"])
      try expect(["status"], status: 0, [])
    }

    @Test("a data key is in no journal, file or memory of a node, and one request makes a proof")
    func secrets() throws {
      let dataKey = "a-data-key-in-the-clear-of-proof"
      for host in both { try lab.setFaults(host, #"{"dataKey": "\#(dataKey)"}"#) }
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      // As if Keyturn came to the cluster only now.
      try lab.onEachNode("systemctl stop keyturnd && find /var/lib/keyturn -mindepth 1 -delete")
      try lab.onEachNode("systemctl start keyturnd")
      try expect(["proof"], status: 0, [])
      let before = try lab.commandCounts()
      try expect(["proof", "--now"], status: 0, [])
      let after = try lab.commandCounts()
      #expect(after["KEY:CREATE"] == before["KEY:CREATE"])
      for node in lab.nodes {
        try lab.exec(node, "cat >/root/secret", input: dataKey + "\n")
        let found = try lab.exec(
          node,
          """
          { journalctl -q -a -o export; find /var/lib/keyturn /run/keyturn -type f -exec cat {} +; } |
          grep -caF -f /root/secret; rm /root/secret
          """)
        #expect(found == "0\n", "\(node)")
        let agent = try lab.exec(node, "systemctl show keyturnd -P MainPID").filter(\.isNumber)
        #expect(try lab.memory(of: agent, on: node, holds: dataKey) == false, "\(node)")
      }
    }
  }
}
