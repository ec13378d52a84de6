// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Whether the cluster is alive and one, as each command and the metrics say it.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 2))
  struct HealthTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// A metric of a node's, as soon as it has this value, or as it is after 10 s.
    private func metric(_ name: String, of node: String, is value: Int) throws -> Bool {
      let deadline = Instant.inMilliseconds(10_000)
      repeat {
        let text = try lab.run(
          """
          curl -fsS --cacert \(lab.credentials)/ca.pem --cert \(lab.credentials)/cert.pem \
            --key \(lab.credentials)/key.pem https://\(node):7377/metrics
          """)
        if text.contains("\n\(name) \(value)\n") { return true }
      } while Clock.now() < deadline
      return false
    }

    /// status, check, check --strict and check --nagios.
    private func exits() throws -> [Int32] {
      try [["status"], ["check"], ["check", "--strict"], ["check", "--nagios"]].map {
        try lab.keyturn($0).status
      }
    }

    @Test(
      "a server that is stopped on one node: all four say so, and the command that they name mends it"
    )
    func stopped() throws {
      #expect(try exits() == [0, 0, 0, 0])
      #expect(try metric("keyturn_server_up", of: "minio-2", is: 1))
      try lab.exec("minio-2", "systemctl stop minio")
      let said =
        "minio-2: the server does not run: minio.service is inactive (dead) — `systemctl start minio.service` there"
      let status = try lab.keyturn("status")
      #expect(status.status == 1 && status.stderr.contains(said), "\(status.stderr)")
      let check = try lab.keyturn("check")
      #expect(check.status == 1 && check.stderr.contains(said), "\(check.stderr)")
      #expect(check.stdout.contains("3 nodes: 2 fine, 1 not"))
      let nagios = try lab.keyturn("check", "--nagios")
      #expect(nagios.status == 2 && nagios.stdout.contains(said), "\(nagios.stdout)")
      #expect(nagios.stdout.hasPrefix("KEYTURN CRITICAL - 3 nodes: 2 fine, 1 not; minio-2: "))
      #expect(try exits() == [1, 1, 1, 2])
      #expect(try metric("keyturn_server_up", of: "minio-2", is: 0))
      #expect(try metric("keyturn_server_up", of: "minio-1", is: 1))

      try lab.exec("minio-2", "systemctl start minio.service")
      #expect(try metric("keyturn_server_ready", of: "minio-2", is: 1))
      #expect(try exits() == [0, 0, 0, 0])
    }

    /// Something that is done to minio-2, and what becomes of it.
    struct State: Sendable, CustomTestStringConvertible {
      var name: String
      var broken: String
      var mended: String
      /// What status, check, check --strict and check --nagios exit with.
      var exits: [Int32]
      /// What all of them say.
      var says: String
      var testDescription: String { name }

      init(_ name: String, _ exits: [Int32], _ says: String, broken: String, mended: String) {
        self.name = name
        self.exits = exits
        self.says = says
        self.broken = broken
        self.mended = mended
      }
    }

    private static let wrong: [Int32] = [1, 1, 1, 2]
    private static let remarked: [Int32] = [0, 0, 1, 1]
    private static let unknown: [Int32] = [3, 3, 3, 3]
    private static let file = "/etc/default/minio"
    private static let dropIns = "/etc/systemd/system/minio.service.d"
    private static let keep = "cp -p \(file) /run/good"
    private static let putBack = "cat /run/good >\(file)"

    static let states = [
      State(
        "the server is killed and not started again", wrong,
        "minio-2: the server does not run: minio.service is failed (Result=",
        broken: """
          printf '[Service]\\nRestart=no\\n' >\(dropIns)/z.conf && systemctl daemon-reload
          systemctl kill -s KILL minio
          while systemctl is-active -q minio; do sleep 0.1; done
          """,
        mended: """
          rm \(dropIns)/z.conf && systemctl daemon-reload
          systemctl reset-failed minio.service && systemctl start minio.service
          """),
      State(
        "the server ends after each start", wrong,
        "minio-2: the server does not run: it ends after each start",
        broken: """
          printf '[Service]\\nExecStart=\\nExecStart=/bin/false server\\nRestartSec=60\\n' \
            >\(dropIns)/z.conf && systemctl daemon-reload
          systemctl restart --no-block minio
          until [ "$(systemctl show minio -P SubState)" = auto-restart ]; do sleep 0.1; done
          """,
        mended: "rm \(dropIns)/z.conf && systemctl daemon-reload && systemctl restart minio"),
      State(
        "another variable in the file of one node", wrong,
        "minio-2: the files have other settings: MINIO_SITE_NAME is set only on minio-2",
        broken: "\(keep); echo MINIO_SITE_NAME=x >>\(file)", mended: putBack),
      State(
        "another variable in the running server of one node", wrong,
        "minio-2: the running servers have other settings: MINIO_PROMETHEUS_AUTH_TYPE is set only on minio-2",
        broken: """
          printf '[Service]\\nEnvironment=MINIO_PROMETHEUS_AUTH_TYPE=public\\n' >\(dropIns)/z.conf
          systemctl daemon-reload; systemctl restart --no-block minio
          until tr '\\0' '\\n' </proc/$(systemctl show minio -P MainPID)/environ | grep -q AUTH_TYPE; do
            sleep 0.1
          done
          rm \(dropIns)/z.conf; systemctl daemon-reload
          """,
        mended: "systemctl restart minio"),
      State(
        "a comment in the file", remarked, "drift: \(file) is not what",
        broken: "\(keep); echo '# by hand' >>\(file)", mended: putBack),
      State(
        "the mode of the file", remarked, "drift: \(file) had mode",
        broken: "chmod 600 \(file)", mended: "chmod 640 \(file)"),
      State(
        "another environment in the unit", remarked, "drift: minio.service has other",
        broken:
          "printf '[Service]\\nEnvironment=GOGC=50\\n' >\(dropIns)/z.conf && systemctl daemon-reload",
        mended: "rm \(dropIns)/z.conf && systemctl daemon-reload"),
      State(
        "another SSE key in the file", wrong, "the start guard would refuse",
        broken: "\(keep); sed -i 's/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=\"other\"/' \(file)",
        mended: putBack),
      State(
        "no start guard", wrong, "the start guard is not in force here, and is on the other nodes",
        broken: "mv \(dropIns)/10-keyturn.conf /run/guard && systemctl daemon-reload",
        mended: "mv /run/guard \(dropIns)/10-keyturn.conf && systemctl daemon-reload"),
      State(
        "another inventory", wrong,
        "minio-2: the agent's inventory is another one than this command's: timeouts, rollback",
        broken: """
          cp /etc/keyturn/inventory.json /run/inventory
          sed -i 's/"settleSeconds": 2}/"settleSeconds": 3}, "rollback": "never"/' /etc/keyturn/inventory.json
          systemctl restart keyturnd
          """,
        mended: "cat /run/inventory >/etc/keyturn/inventory.json; systemctl restart keyturnd"),
      State(
        "the file names another cluster's hosts", wrong,
        "MINIO_VOLUMES names minio-4, which the inventory has not",
        broken: "\(keep); sed -i 's/{1\\.\\.\\.3}/{1...4}/' \(file)", mended: putBack),
      State(
        "no agent", unknown, "minio-2: ",
        broken: "systemctl stop keyturnd.socket keyturnd",
        mended: "systemctl start keyturnd.socket keyturnd"),
    ]

    @Test("in every state the four agree, and say what it is", arguments: states)
    func agree(_ state: State) throws {
      #expect(try exits() == [0, 0, 0, 0])
      try lab.exec("minio-2", state.broken)
      var isMended = false
      defer { if !isMended { _ = try? lab.exec("minio-2", state.mended) } }
      #expect(try exits() == state.exits)
      for command in [["status"], ["check"], ["check", "--nagios"]] {
        let outcome = try lab.keyturn(command)
        #expect(
          (outcome.stdout + outcome.stderr).contains(state.says),
          "\(command): \(outcome.stdout)\(outcome.stderr)")
      }
      isMended = true
      try lab.exec("minio-2", state.mended)
      let deadline = Instant.inMilliseconds(20_000)
      while try exits() != [0, 0, 0, 0], Clock.now() < deadline {}
      #expect(try exits() == [0, 0, 0, 0])
    }

    @Test(
      "one of two Key Managers is down: status has it from its own look, check from another one")
    func keyManager() throws {
      try lab.exec("kms-2", "systemctl stop minkms")
      defer { _ = try? lab.exec("kms-2", "systemctl start minkms") }
      let checked = try Array(exits().dropFirst())
      #expect(checked == [1, 1, 2], "\(checked)")
      let deadline = Instant.inMilliseconds(80_000)
      while try lab.keyturn("status").status == 0, Clock.now() < deadline {}
      let status = try lab.keyturn("status")
      #expect(
        status.status == 1 && status.stderr.contains("links to the Key Managers fail: "),
        "\(status.stderr)")
      try lab.exec("kms-2", "systemctl start minkms")
      // A node that has seen a link fail looks again after some 10 s.
      let mended = Instant.inMilliseconds(30_000)
      while try exits() != [0, 0, 0, 0], Clock.now() < mended {}
      #expect(try exits() == [0, 0, 0, 0])
    }

    @Test("a node that does not answer is unknown, not wrong")
    func unanswered() throws {
      try lab.perform("cut", "minio-3")
      defer { _ = try? lab.perform("heal", "minio-3") }
      #expect(try exits() == Self.unknown)
    }
  }
}
