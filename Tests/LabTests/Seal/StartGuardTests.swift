// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// The start guard with the real systemd: the start that nobody asked the agent about.
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1))
  struct StartGuardTests {
    let lab: Lab
    private static let node = "minio-1"
    private static let file = "/etc/default/minio"

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// What the server's unit says of itself.
    private func state() throws -> String {
      try lab.exec(Self.node, "systemctl show minio -P ActiveState").filter(\.isLetter)
    }

    /// The messages of the start guard since the last of these lines was counted.
    private func refusals() throws -> [String] {
      try lab.exec(Self.node, "journalctl -q -u minio -o cat -t keyturn -p err || true")
        .split(separator: "\n").map(String.init)
    }

    /// Restarts by hand; its exit status. A refused start is tried again by systemd, until the start
    /// limit ends that.
    private func restartByHand() throws -> Int32 {
      let printed = try lab.exec(
        Self.node,
        """
        systemctl reset-failed minio; systemctl restart minio; code=$?
        while [ "$(systemctl show minio -P SubState)" = auto-restart ] ||
          [ "$(systemctl show minio -P ActiveState)" = activating ]; do sleep 0.05; done
        echo $code
        """)
      return Int32(printed.filter(\.isNumber)) ?? -1
    }

    private func edit(_ expression: String) throws {
      try lab.exec(
        Self.node, "cp -p \(Self.file) /run/minio.good; sed -i '\(expression)' \(Self.file)")
    }

    /// The file as it was, and a server that runs with it.
    private func mend() throws {
      try lab.exec(Self.node, "cp -p /run/minio.good \(Self.file); rm -f /etc/minio/config.env")
      #expect(try restartByHand() == 0)
      #expect(try state() == "active")
    }

    @Test("where the seal was lifted everything is started")
    func unsealed() throws {
      let before = try refusals().count
      let seal = "/var/lib/keyturn/seal"
      try lab.exec(Self.node, "mv \(seal) \(seal).lifted")
      try edit("s/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=\"another-key\"/")
      #expect(try restartByHand() == 0)
      #expect(try state() == "active")
      try lab.exec(Self.node, "mv \(seal).lifted \(seal)")
      try mend()
      #expect(try refusals().count == before)
    }

    @Test(
      "a hand edit of the SSE key, then a restart: refused, said, shown; mended, it starts",
      arguments: [false, true])
    func handEdit(isAgentStopped: Bool) throws {
      if isAgentStopped { try lab.exec(Self.node, "systemctl stop keyturnd") }
      let before = try refusals().count
      try edit("s/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=\"another-key\"/")
      #expect(try restartByHand() != 0)
      #expect(try state() != "active")
      let said = try #require(try refusals().dropFirst(before).first)
      for part in [
        "MINIO_KMS_SSE_KEY is \"another-key\"", "\"\(lab.setting("MINIO_KMS_SSE_KEY"))\"",
        "sealed since", "Put back", "systemctl reset-failed",
      ] {
        #expect(said.contains(part), "\(part): \(said)")
      }
      // The server's process was never there.
      let lines = try lab.exec(Self.node, "journalctl -q -u minio -o cat -n 40")
      #expect(lines.contains("status=12"), "\(lines)")
      if isAgentStopped { try lab.exec(Self.node, "systemctl start keyturnd") }
      let status = try lab.keyturn("status", "--json")
      #expect(status.status == 1)
      #expect(status.stdout.contains("the start guard refused the last start of minio.service"))
      #expect(status.stdout.contains("\"start-guard\""))
      try mend()
      let after = try lab.keyturn("status")
      #expect(after.status == 0 && !(after.stdout + after.stderr).contains("start guard"))
    }

    @Test(
      "the key taken out, commented out, emptied, another enclave, a second file: refused",
      arguments: [
        ("/^MINIO_KMS_SSE_KEY=/d", "is missing"), ("s/^MINIO_KMS_SSE_KEY=/#&/", "is missing"),
        ("s/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=/", "is empty"),
        ("s/^MINIO_KMS_ENCLAVE=.*/MINIO_KMS_ENCLAVE=other/", "MINIO_KMS_ENCLAVE is \"other\""),
        ("$aMINIO_KMS_SSE_KEY=another-key", "is \"another-key\""),
        ("$aMINIO_CONFIG_ENV_FILE=/etc/minio/config.env", "/etc/minio/config.env line 1"),
      ])
    func others(expression: String, message: String) throws {
      let before = try refusals().count
      try edit(expression)
      try lab.exec(
        Self.node, "echo MINIO_KMS_SSE_KEY=another-key >/etc/minio/config.env")
      #expect(try restartByHand() != 0)
      let said = try #require(try refusals().dropFirst(before).first)
      #expect(said.contains(message), "\(said)")
      try mend()
    }

    @Test(
      "the guard sees the very environment of the unit: Environment=, drop-ins, UnsetEnvironment="
    )
    func merged() throws {
      let before = try refusals().count
      let directory = "/etc/systemd/system/minio.service.d"
      try lab.exec(
        Self.node,
        """
        cp -p \(Self.file) /run/minio.good
        printf '[Service]\\nUnsetEnvironment=MINIO_KMS_SSE_KEY\\n' >\(directory)/x.conf
        systemctl daemon-reload
        """)
      #expect(try restartByHand() != 0)
      #expect(try refusals().dropFirst(before).first?.contains("is missing") == true)
      try lab.exec(Self.node, "rm \(directory)/x.conf; systemctl daemon-reload")
      try mend()
    }

    @Test(
      "a seal that is damaged or was removed refuses every start and names the way out",
      arguments: ["echo x >>", "rm "])
    func damaged(loss: String) throws {
      let before = try refusals().count
      let seal = "/var/lib/keyturn/seal"
      try lab.exec(
        Self.node, "cp -p \(Self.file) /run/minio.good; cp -p \(seal) /run/seal; \(loss)\(seal)")
      #expect(try restartByHand() != 0)
      #expect(try refusals().dropFirst(before).first?.contains("keyturn seal recover NODE") == true)
      try lab.exec(Self.node, "cp -p /run/seal \(seal)")
      try mend()
    }
  }
}
