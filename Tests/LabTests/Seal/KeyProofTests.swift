// SPDX-License-Identifier: Apache-2.0
import Crypto
@testable import KeyManager
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

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
      try lab.expect(["proof"], status: 0, [])
    }

    @Test(
      "a wrong key refuses a rollout, and on the running cluster is an alarm within one look, until it is mended",
      arguments: KeyFault.all)
    func fault(_ fault: KeyFault) throws {
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      let (footprint, states) = (try lab.footprint(), try lab.keyManagerStates())
      let counts = try lab.commandCounts()
      try lab.setFaults(fault.json, at: fault.hosts)

      let outcome = try lab.rollOut("off")
      #expect(outcome.status == fault.exit, "\(outcome.stdout)\(outcome.stderr)")
      let said = outcome.stdout + outcome.stderr
      for words in fault.refusal + ["nothing was touched: minio-[1-3]: "] {
        #expect(said.contains(words), "\(words): \(said)")
      }
      try lab.expect(["status"], status: 1, fault.alarm)
      try lab.expect(["proof", "--now"], status: fault.exit, [])
      try lab.expectUntouched(since: footprint)
      #expect(try lab.keyManagerStates() == states)
      #expect(try lab.commandCounts()["KEY:CREATE"] == counts["KEY:CREATE"])

      try lab.mend()
      try lab.expect(["status"], status: 0, [])
      try lab.expect(["proof", "--now"], status: 0, [])
    }

    @Test("a key with a new version gets a proof of it, and the old version's still counts")
    func versions() throws {
      // The same bytes at both, as if one had written it and the other taken it.
      try lab.changeEnclave(
        """
        versions = enclave["keys"][key]["versions"]
        if len(versions) == 1:
            versions.append(dict(versions[0], number=2, bytes="\(String(repeating: "A", count: 43))="))
        """, at: both)
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      for node in lab.nodes {
        try lab.expect(["proof", "--json"], status: 0, [node, #""version":2"#])
      }
      let footprint = try lab.footprint()
      try lab.setFaults(#"{"keys": {"KEY": {"lost": [1]}}}"#, at: ["kms-2"])
      let outcome = try lab.rollOut("off")
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
      try lab.setFaults(#"{"keys": {"KEY": {"bytes": "x"}}}"#, at: ["kms-1"])
      let refused = try lab.keyturn("apply", "--yes", "--settings", one)
      #expect(refused.status == 6, "\(refused.stdout)\(refused.stderr)")
      try lab.mend()
      let outcome = try lab.keyturn("apply", "--yes", "--settings", one)
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      try lab.expect(["proof"], status: 0, [])
      try lab.expect(["proof", "--now"], status: 0, ["through 1 Key Manager"])
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
      try lab.expect(["proof"], status: 0, [])

      let footprint = try lab.footprint()
      try lab.setFaults(#"{"keys": {"KEY": {"bytes": "old"}}}"#, at: ["kms-2"])
      // Three looks, each with its spread.
      try lab.expect(
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
      #expect(try lab.rollOut("off").status == 6)
      try lab.expectUntouched(since: footprint)
      try lab.setFaults("{}", at: ["kms-2"])
      try lab.expect(["status"], status: 0, [])
    }

    @Test(
      "a data key is in no journal, file, message, memory or core of a node, and one request makes a proof"
    )
    func secrets() throws {
      let dataKey = "a-data-key-in-the-clear-of-proof"
      for host in both { try lab.setFaults(host, #"{"dataKey": "\#(dataKey)"}"#) }
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      // As if Keyturn came to the cluster only now.
      try lab.onEachNode("systemctl stop keyturnd && find /var/lib/keyturn -mindepth 1 -delete")
      try lab.onEachNode("systemctl start keyturnd")
      try lab.expect(["proof"], status: 0, [])
      let before = try lab.commandCounts()
      try lab.expect(["proof", "--now"], status: 0, [])
      let after = try lab.commandCounts()
      #expect(after["KEY:CREATE"] == before["KEY:CREATE"])

      // As it is, and as JSON would hold bytes.
      let bytes = Array(dataKey.utf8)
      let forms =
        [dataKey, bytes.hex]
        + (0..<3).map { Base64URL.encode(Array(bytes.dropFirst($0).prefix(27))) }
      for node in lab.nodes {
        let message = try lab.keyProofs(of: node).text
        #expect(message.contains("commitment"), "\(node): \(message)")
        for form in forms { #expect(!message.contains(form), "\(node)") }
        try lab.exec(
          node, "cat >/root/secret", input: forms.joined(separator: "\n") + "\n")
        let found = try lab.exec(
          node,
          """
          { journalctl -q -a -o export; find /var/lib/keyturn /run/keyturn -type f -exec cat {} +; } |
          grep -caF -f /root/secret || true
          """)
        #expect(found == "0\n", "\(node)")
        let agent = try lab.exec(node, "systemctl show keyturnd -P MainPID").filter(\.isNumber)
        #expect(try lab.memory(of: agent, on: node, holds: dataKey) == false, "\(node)")
        // All that the process has mapped, also what a core would leave out.
        let core = try lab.exec(
          node,
          """
          gcore -a -o /root/core \(agent) >/root/gcore 2>&1 || { cat /root/gcore; exit 1; }
          grep -caF -f /root/secret /root/core.\(agent)
          grep -caF MINIO_KMS_ENCLAVE /root/core.\(agent)
          rm /root/core.\(agent) /root/secret
          """
        ).split(separator: "\n")
        #expect(core.first == "0" && core.last != "0", "\(node): \(core)")
      }
    }

    @Test("an agent that is aborted leaves no core, also where its unit would allow one")
    func aborted() throws {
      // What the host does with a program that does not see to it.
      let isWritten = try lab.exec(
        "minio-1",
        """
        systemd-run -q --wait -p LimitCORE=infinity -p WorkingDirectory=/root sh -c 'kill -ABRT $$$$' || true
        ls /root | grep -c '^core' || true; rm -f /root/core*
        """)
      try #require(
        isWritten == "1\n",
        "this machine's kernel.core_pattern writes no file, so nothing can be shown")
      let drop = "/run/systemd/system/keyturnd.service.d"
      defer {
        _ = try? lab.exec(
          "minio-1", "rm -r \(drop); systemctl daemon-reload; systemctl restart keyturnd")
      }
      // The runtime of a debug build would look for a backtrace.
      let lines = """
        [Service]
        LimitCORE=infinity
        WorkingDirectory=/var/lib/keyturn
        Environment=SWIFT_BACKTRACE=enable=no

        """
      try lab.exec("minio-1", "mkdir -p \(drop) && cat >\(drop)/core.conf", input: lines)
      let left = try lab.exec(
        "minio-1",
        """
        systemctl daemon-reload && systemctl restart keyturnd
        agent=$(systemctl show keyturnd -P MainPID); kill -ABRT $agent
        for k in $(seq 500); do [ -e /proc/$agent ] || break; sleep 0.02; done
        # By its socket another one may run by now.
        journalctl -q -u keyturnd -o cat | grep -oE 'code=[a-z]+, status=6/ABRT' | tail -n 1
        ls /var/lib/keyturn | grep -c '^core' || true
        """)
      #expect(left == "code=killed, status=6/ABRT\n0\n", "\(left)")
    }
  }
}
