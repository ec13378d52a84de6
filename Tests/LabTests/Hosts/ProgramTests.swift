// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Threads

extension LabTests {
  /// The server's program on real hosts: another one on one node, and an upgrade of all at one instant.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1))
  struct ProgramTests {
    let lab: Lab
    private static let program = "/usr/local/bin/minio"
    private static let release = "RELEASE.2030-01-01T00-00-00Z"

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// Puts another program of the same behaviour in its place, as a package does.
    private func install(on node: String) throws {
      try lab.exec(
        node,
        """
        cp -p \(Self.program) /run/minio.old
        cp -p \(Self.program) \(Self.program).new && printf '\(Self.release)' >>\(Self.program).new
        mv \(Self.program).new \(Self.program)
        """)
    }

    @Test("another program on one node refuses plan and restart, and is told by status and check")
    func one() throws {
      let before = try lab.footprint()
      try install(on: "minio-2")
      for command in [["plan", "--settings", lab.settings], ["restart", "--yes"]] {
        let outcome = try lab.keyturn(command)
        #expect(outcome.status == 8, "\(outcome.stdout)\(outcome.stderr)")
        #expect(outcome.stderr.contains("on minio-[1,3], \(Self.release) ("), "\(outcome.stderr)")
      }
      try lab.expectUntouched(since: before)
      let status = try lab.keyturn("status")
      #expect(status.status == 1 && status.stdout.contains("another program"), "\(status.stdout)")
      #expect(status.stderr.contains("minio-2: the installed MinIO programs are not the same"))
      #expect(try lab.keyturn("check", "--nagios").status == 2)
      try lab.exec("minio-2", "mv /run/minio.old \(Self.program)")
      #expect(try lab.keyturn("status").status == 0)
    }

    @Test("the same new program on all nodes: the plan says it, one restart starts it everywhere")
    func all() throws {
      for node in lab.nodes { try install(on: node) }
      let drifted = try lab.keyturn("check", "--strict")
      #expect(drifted.status == 1 && drifted.stderr.contains("runs another program than"))
      let outcome = try lab.keyturn("restart", "--yes")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      #expect(
        outcome.stdout.contains("-> \(Self.release) on 3 nodes"), "\(outcome.stdout)")
      #expect(try lab.keyturn("check", "--strict").status == 0)
    }
  }
}
