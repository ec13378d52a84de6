// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import TestSupport
import Testing

extension LabTests {
  /// Where systemd and the server really take the environment from.
  @Suite(.serialized, .lab(nodes: 1, keyManagers: 1))
  struct MergedEnvironmentTests {
    let lab: Lab
    private let node = "minio-1"
    private let dropIn = "/etc/systemd/system/minio.service.d/merged.conf"

    init() throws { lab = try #require(Lab.current) }

    private struct Explained: Decodable {
      var event: String
      var name: String?
      var value: String?
    }

    /// What `keyturn explain` says that the server gets.
    private func explained(_ name: String) throws -> String? {
      let outcome = try lab.keyturn("explain", name, "--json")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      let line = try #require(outcome.stdout.split(separator: "\n").first)
      let answer = try JSON.decode(Explained.self, from: Array(line.utf8))
      #expect(answer.event == "explain" && answer.name == name)
      return answer.value
    }

    private func restart() throws {
      try lab.exec(node, "systemctl daemon-reload && systemctl restart minio")
    }

    @Test("the merged environment is what a process gets of a unit that has every kind of place")
    func everyPlace() throws {
      try lab.exec(
        node,
        #"""
        set -e
        cp /etc/default/minio /root/minio.before
        mkdir -p /etc/kt $(dirname \#(dropIn))
        systemctl set-environment MINIO_LAB_A=manager MINIO_LAB_B=manager MINIO_LAB_C=manager \
          MINIO_LAB_D=manager MINIO_LAB_E=manager MINIO_LAB_F=manager container=manager
        printf 'MINIO_LAB_D=ten\nMINIO_LAB_G=ten\n' >/etc/kt/10.env
        printf 'MINIO_LAB_G=two\nMINIO_LAB_E="t\\"wo" "x"\n' >/etc/kt/2.env
        printf 'MINIO_LAB_G=hidden\n' >/etc/kt/.0.env
        printf '# goes on before 254 \\\nMINIO_LAB_H=comment\nexport MINIO_LAB_I=1\n' >/etc/kt/Z.env
        printf 'MINIO_LAB_J=1\nMINIO_LAB_K=\0\n' >/etc/kt/broken
        printf 'MINIO_LAB_F=last\nMINIO_LAB_L=gone\nMINIO_LAB_M=kept\nMINIO_LAB_N=gone\n' >/etc/kt/last
        cat >\#(dropIn) <<'UNIT'
        [Service]
        PassEnvironment=container MINIO_LAB_NOWHERE
        Environment=MINIO_LAB_C=unit MINIO_LAB_D=unit "MINIO_LAB_O=two words" MINIO_LAB_B=
        EnvironmentFile=-/etc/kt/none
        EnvironmentFile=-/etc/kt/none*.env
        EnvironmentFile=/etc/kt/*.env
        EnvironmentFile=-/etc/kt/broken
        EnvironmentFile=/etc/kt/last
        UnsetEnvironment=MINIO_LAB_N MINIO_LAB_L=gone MINIO_LAB_M=other
        UNIT
        """#)
      try restart()
      var real: [String: String] = [:]
      for line in try lab.environment(of: node) {
        real[String(line.prefix { $0 != "=" })] = String(line.drop { $0 != "=" }.dropFirst())
      }
      let names = "ABCDEFGHIJKLMNO".map { "MINIO_LAB_\($0)" } + ["container", "MINIO_LAB_NOWHERE"]
      for name in names {
        let value = try explained(name)
        #expect(value == real[name], "\(name)")
      }
      // The comparison is of something.
      #expect(real["container"] == "lab")
      #expect(real["MINIO_LAB_G"] == "two")
      #expect(real["MINIO_LAB_M"] == "kept" && real["MINIO_LAB_N"] == nil)

      // A pattern without a match, and a file that cannot be loaded and must be: systemd refuses.
      for path in ["/etc/kt/none*.env", "/etc/kt/none", "/etc/kt/broken"] {
        try lab.exec(
          node, "sed -i '/^EnvironmentFile=-/d; $aEnvironmentFile=\(path)' \(dropIn)")
        try lab.exec(node, "systemctl daemon-reload; ! systemctl restart minio")
        let result = try lab.properties(of: "minio", on: node, "Result")
        #expect(result["Result"] == "resources", "\(path)")
        // Restart=always would have it in a job of systemd's own at any moment.
        try lab.exec(node, "systemctl stop minio")
        let plan = try lab.keyturn("plan", "--unset", "MINIO_LAB_X")
        #expect(plan.status == 5, "\(plan.stdout)\(plan.stderr)")
        #expect(plan.stderr.contains(path))
        try lab.exec(node, "sed -i '$d' \(dropIn)")
      }
      try lab.exec(
        node,
        """
        rm -r /etc/kt \(dropIn) && mv /root/minio.before /etc/default/minio && systemctl reset-failed minio
        systemctl unset-environment container \
          MINIO_LAB_A MINIO_LAB_B MINIO_LAB_C MINIO_LAB_D MINIO_LAB_E MINIO_LAB_F
        """)
      try restart()
    }

    @Test("in the layout of two files the server's own is written, if its user can read it")
    func twoFiles() throws {
      let config = "/etc/minio/config.env"
      try lab.exec(
        node,
        #"""
        set -e
        mkdir -p $(dirname \#(dropIn)) && printf '[Service]\nAmbientCapabilities=\n' >\#(dropIn)
        printf 'MINIO_CONFIG_ENV_FILE=\#(config)\n' >>/etc/default/minio
        grep MINIO_ROOT_USER /etc/default/minio >\#(config) && chmod 600 \#(config)
        systemctl daemon-reload
        """#)
      let unreadable = try lab.keyturn("plan", "--settings", lab.settings)
      #expect(unreadable.status == 5, "\(unreadable.stdout)\(unreadable.stderr)")
      #expect(unreadable.stderr.contains("\(config) (mode 600, owner 0:0) cannot be read"))

      try lab.exec(node, "chown minio-user:minio-user \(config)")
      let before = try lab.exec(node, "sha256sum /etc/default/minio")
      let outcome = try lab.keyturn("apply", "--yes", "--settings", lab.settings)
      try #require(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      #expect(try lab.exec(node, "sha256sum /etc/default/minio") == before)
      #expect(try lab.exec(node, "stat -c '%U:%G %a' \(config)") == "minio-user:minio-user 600\n")
      #expect(try explained("MINIO_KMS_SSE_KEY") == lab.setting("MINIO_KMS_SSE_KEY"))
      let status = try lab.keyturn("status")
      #expect(status.stdout.contains("\(lab.setting("MINIO_KMS_SSE_KEY")) (sealed)"))

      // Elsewhere the agent may not write until it is told to.
      try lab.exec(
        node,
        """
        mkdir -p /srv/minio && cp -p \(config) /srv/minio/config.env &&
        sed -i 's,=\(config),=/srv/minio/config.env,' /etc/default/minio
        """)
      let settings = try lab.file("browser.env", "MINIO_BROWSER=off\n")
      let elsewhere = try lab.keyturn("plan", "--settings", settings)
      #expect(elsewhere.status == 5, "\(elsewhere.stdout)\(elsewhere.stderr)")
      #expect(elsewhere.stderr.contains("ReadWritePaths=/srv/minio"))
      try lab.exec(
        node,
        #"""
        mkdir -p /etc/systemd/system/keyturnd.service.d
        printf '[Service]\nReadWritePaths=/srv/minio\n' >/etc/systemd/system/keyturnd.service.d/x.conf
        systemctl daemon-reload && systemctl restart keyturnd
        """#)
      let permitted = try lab.keyturn("plan", "--settings", settings)
      #expect(permitted.status == 0, "\(permitted.stdout)\(permitted.stderr)")
    }
  }
}
