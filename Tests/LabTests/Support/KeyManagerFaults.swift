// SPDX-License-Identifier: Apache-2.0
import Files
import Model
import TestSupport
import Testing
import Threads

/// One way in which a Key Manager, or the way between it and a node, is wrong, and what must come of
/// it. A row of the table that `KeyManagerFaultTests` goes through; nothing of it may touch a node.
struct KeyManagerFault: Sendable, CustomTestStringConvertible {
  /// What must come of it.
  enum Outcome: Sendable {
    /// `keyturn apply` refuses with exit 7, and says all of these: the link, the stage, the reason.
    case refused([String])
    /// `keyturn plan` ends with exit 0, and says all of these.
    case allowed([String])
  }

  var name: String
  /// Values in place of those of the lab's settings.
  var settings: [String: String] = [:]
  /// Arguments beside `--settings`.
  var arguments: [String] = []
  /// Brings the fault about.
  var arrange: @Sendable (Lab) throws -> Void = { _ in }
  /// Takes away what ``Lab/mend()`` does not know of.
  var restore: @Sendable (Lab) throws -> Void = { _ in }
  var outcome: Outcome
  /// Of which nothing may be said.
  var never: [String] = []
  /// How long the command may take, seconds: the probes' deadline, 5 s, and what goes around it.
  var seconds = 10

  var testDescription: String { name }
}

/// The Key Managers of a lab whose nodes serve without encryption, wrong in one way after the other.
extension LabTests {
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 2))
  struct KeyManagerFaultTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    @Test(
      "each fault is refused or allowed as the rule says, in time, with link and stage, and touches nothing",
      arguments: KeyManagerFault.forward)
    func fault(_ fault: KeyManagerFault) throws {
      defer {
        do {
          try fault.restore(lab)
          try lab.mend()
        } catch { Issue.record(error) }
      }
      try fault.arrange(lab)
      let nodes = try lab.footprint()
      let keyManagers = try lab.keyManagerStates()
      let settings = try lab.settings(fault.settings)
      let start = Clock.now()
      switch fault.outcome {
      case .refused(let words):
        let outcome = try lab.keyturn(
          ["apply", "--yes", "--settings", settings] + fault.arguments)
        #expect(outcome.status == 7, "\(outcome.stdout)\(outcome.stderr)")
        for word in words + ["nothing was touched"] {
          #expect(outcome.stderr.contains(word), "\(word): \(outcome.stdout)\(outcome.stderr)")
        }
        expectSilence(outcome, fault)
      case .allowed(let words):
        let outcome = try lab.keyturn(["plan", "--settings", settings] + fault.arguments)
        #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
        for word in words {
          #expect(
            (outcome.stdout + outcome.stderr).contains(word),
            "\(word): \(outcome.stdout)\(outcome.stderr)")
        }
        expectSilence(outcome, fault)
      }
      let milliseconds = Clock.now().milliseconds(since: start)
      #expect(milliseconds < fault.seconds * 1000)
      try lab.expectUntouched(since: nodes)
      #expect(try lab.keyManagerStates() == keyManagers)
    }

    private func expectSilence(_ outcome: Subprocess.Outcome, _ fault: KeyManagerFault) {
      for word in fault.never {
        #expect(
          !(outcome.stdout + outcome.stderr).contains(word),
          "\(word): \(outcome.stdout)\(outcome.stderr)")
      }
    }

    @Test("the probes ask only what changes nothing, and leave no key behind")
    func nothingChanges() throws {
      // Every data key is this text: it would be found.
      let dataKey = "a-data-key-in-the-clear-32-bytes"
      for host in lab.keyManagers { try lab.setFaults(host, #"{"dataKey": "\#(dataKey)"}"#) }
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      let states = try lab.keyManagerStates()
      let before = try lab.commandCounts()
      #expect(try lab.keyturn("plan", "--settings", lab.settings).status == 0)
      #expect(try lab.keyturn("check").status == 0)
      let after = try lab.commandCounts()
      #expect(try lab.keyManagerStates() == states)
      let asked = Set(after.keys.filter { after[$0] != before[$0] })
      #expect(asked == ["IDENTITY:STATUS", "KEY:STATUS", "KEY:GENERATE"])
      for host in lab.nodes {
        for secret in [dataKey, lab.apiKey] {
          try lab.exec(host, "cat >/root/secret", input: secret + "\n")
          let found = try lab.exec(
            host, "journalctl -q -a -o export | grep -caF -f /root/secret; rm /root/secret")
          #expect(found == "0\n", "\(host)")
        }
        let agent = try lab.exec(host, "systemctl show keyturnd -P MainPID").filter(\.isNumber)
        #expect(try lab.memory(of: agent, on: host, holds: dataKey) == false, "\(host)")
        // What is sought is found where it is.
        #expect(try lab.memory(of: agent, on: host, holds: "MINIO_KMS_ENCLAVE"), "\(host)")
      }
    }
  }
}

extension Lab {
  // MARK: Key Managers that misbehave

  /// How a Key Manager's stand-in is to misbehave from now on (its `Faults`).
  func setFaults(_ host: String, _ json: String) throws {
    try exec(host, "cat >/run/minkms-faults.json", input: json)
  }

  /// Undoes what ``setFaults(_:_:)``, ``replaceCertificate(of:_:)``, ``editState(of:_:)``,
  /// ``blackHole(_:)``, ``addNames(_:to:)``, ``editServer(_:)`` and ``dropCapabilities()`` have done.
  func mend() throws {
    for host in keyManagers {
      try exec(
        host,
        """
        rm -f /run/minkms-faults.json
        ip route del blackhole 10.77.0.0/24 2>/dev/null
        cd /root
        if [ -d certs.kept ]; then rm -rf /etc/minkms/certs && mv certs.kept /etc/minkms/certs; touch dirty; fi
        if [ -f state.kept ]; then cat state.kept >/var/lib/minkms/state.json && rm state.kept; touch dirty; fi
        if [ -f dirty ] || ! systemctl is-active -q minkms; then rm -f dirty; \(Self.restart); fi
        \(Self.listening)
        """)
    }
    try onEachNode(
      """
      cd /root
      if [ -f hosts.kept ]; then cat hosts.kept >/etc/hosts && rm hosts.kept; fi
      if [ -f minio.kept ]; then cp -p minio.kept /etc/default/minio && rm minio.kept; fi
      chmod 755 /etc/minio/certs/CAs && chmod 644 /etc/minio/certs/CAs/*
      caps=/etc/systemd/system/minio.service.d/capabilities.conf
      if [ -f $caps ]; then rm $caps; systemctl daemon-reload; fi
      """)
  }

  /// As often as it is wanted: systemd's limit on starts is for failures.
  private static let restart = "systemctl reset-failed minkms; systemctl restart minkms"

  /// Waits until the Key Manager listens.
  private static let listening = """
    i=0; until ss -ltn | grep -q :7373; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done
    """

  /// Starts a Key Manager again, and waits until it listens.
  func restartKeyManager(_ host: String) throws {
    try exec(host, "\(Self.restart); \(Self.listening)")
  }

  /// What each Key Manager knows, as its file holds it.
  func keyManagerStates() throws -> [String: String] {
    var states: [String: String] = [:]
    for host in keyManagers {
      states[host] = try exec(host, "sha256sum </var/lib/minkms/state.json")
    }
    return states
  }

  /// How many commands of each kind the Key Managers have been sent, by their journals.
  func commandCounts() throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for host in keyManagers {
      let lines = try exec(
        host, "journalctl -q -o cat -u minkms | grep -oE '^[A-Z]+:[A-Z]+' | sort | uniq -c")
      for line in lines.split(separator: "\n") {
        let words = line.split(separator: " ")
        if words.count == 2 { counts[String(words[1]), default: 0] += Int(words[0]) ?? 0 }
      }
    }
    return counts
  }

  /// Changes a Key Manager's state by a sed script; it starts again with it.
  func editState(of host: String, _ script: String) throws {
    try exec(
      host,
      """
      cp /var/lib/minkms/state.json /root/state.kept
      sed -i '\(script)' /var/lib/minkms/state.json && ! cmp -s /root/state.kept /var/lib/minkms/state.json &&
      { \(Self.restart); }
      \(Self.listening)
      """)
  }

  /// Gives a Key Manager another certificate, for these names and valid between two times as date(1)
  /// takes them; `isKnown`: by the authority that the nodes trust, else by itself.
  func replaceCertificate(
    of host: String, names: [String], from: String = "1 day ago", until: String = "30 days",
    isKnown: Bool = true
  ) throws {
    let base = inventory.replacing("/inventory.json", with: "")
    let folder = directory.path("certificate-\(host)")
    let alternatives = names.map { "DNS:\($0)" }.joined(separator: ",")
    let issuer =
      isKnown
      ? "-cert \(base)/kms-ca.pem -keyfile \(base)/kms-ca-key.pem"
      : "-selfsign -keyfile private.key"
    try Subprocess.run(
      "/bin/sh",
      [
        "-euc",
        """
        rm -rf \(folder); mkdir -p \(folder); cd \(folder); : >index; exec 2>errors
        cat >config <<'CONFIG'
        [ca]
        default_ca = here
        [here]
        database = index
        new_certs_dir = .
        rand_serial = yes
        default_md = sha256
        policy = any
        unique_subject = no
        [any]
        commonName = supplied
        [leaf]
        basicConstraints = critical,CA:false
        extendedKeyUsage = serverAuth
        subjectAltName = \(alternatives)
        CONFIG
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=\(host) \
          -keyout private.key -out request.pem
        openssl ca -batch -notext -config config -extensions leaf \(issuer) -in request.pem \
          -startdate $(date -u -d '\(from)' +%Y%m%d%H%M%SZ) \
          -enddate $(date -u -d '\(until)' +%Y%m%d%H%M%SZ) -out public.crt
        cat public.crt private.key >both.pem
        """,
      ], until: .inMilliseconds(20_000)
    ).mustSucceed("certificate of \(host): see \(folder)/errors")
    let pem = try FileReading.read("\(folder)/both.pem", limitBytes: 1 << 20).bytes
    try exec(
      host,
      """
      [ -d /root/certs.kept ] || cp -a /etc/minkms/certs /root/certs.kept
      cd /etc/minkms/certs && cat >both.pem &&
      sed '/PRIVATE/,$d' both.pem >public.crt && sed -n '/PRIVATE/,$p' both.pem >private.key &&
      rm both.pem && { \(Self.restart); }
      \(Self.listening)
      """, input: String(decoding: pem, as: UTF8.self))
  }

  // MARK: ways that lead nowhere

  /// From now on a Key Manager's answers to the nodes vanish: a black hole.
  func blackHole(_ host: String) throws { try exec(host, "ip route add blackhole 10.77.0.0/24") }

  /// Lines for /etc/hosts of the nodes named, all if none is; they go before those that are there.
  func addNames(_ lines: String, to names: [String] = []) throws {
    for node in names.isEmpty ? nodes : names {
      try exec(
        node,
        """
        [ -f /root/hosts.kept ] || cp /etc/hosts /root/hosts.kept
        { cat; cat /root/hosts.kept; } >/root/hosts.new && cat /root/hosts.new >/etc/hosts
        """, input: lines + "\n")
    }
  }

  /// A shell script on every node that may change /etc/default/minio.
  func editServer(_ script: String) throws {
    try onEachNode("cp -p /etc/default/minio /root/minio.kept && { \(script)\n}")
  }

  /// The server's unit has no capability any more that would let it read what its user may not.
  func dropCapabilities() throws {
    try onEachNode(
      """
      printf '[Service]\nAmbientCapabilities=\n' >/etc/systemd/system/minio.service.d/capabilities.conf
      systemctl daemon-reload
      """)
  }

  /// Whether a text is in the memory of a process of a host.
  func memory(of process: String, on host: String, holds text: String) throws -> Bool {
    // A process of the host's is seen from there; its pages are read through /proc.
    let script = """
      import re, sys
      wanted = sys.stdin.buffer.read().rstrip(b"\\n")
      with open("/proc/\(process)/maps") as maps, open("/proc/\(process)/mem", "rb", 0) as memory:
          for line in maps:
              place = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
              if not place: continue
              start, end = (int(part, 16) for part in place.groups())
              try:
                  memory.seek(start)
                  if wanted in memory.read(end - start): print("found"); break
              except (OSError, ValueError, OverflowError): continue
      """
    return try exec(
      host, "cat >/root/wanted; python3 -c '\(script)' </root/wanted; rm /root/wanted", input: text
    ).hasPrefix("found")
  }
}
