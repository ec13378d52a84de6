// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// What is the first cause is what is told, and what is named mends it.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1))
  struct CauseTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    @Test("a masked unit: exit 5, and no word of the key; unmasked, all restart")
    func masked() throws {
      let unit = "/etc/systemd/system/minio.service"
      try lab.exec(
        "minio-2", "mv \(unit) \(unit).away && ln -s /dev/null \(unit) && systemctl daemon-reload")
      let outcome = try lab.keyturn("restart", "--yes")
      #expect(outcome.status == 5, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("minio-2: minio.service is masked"), "\(outcome.stderr)")
      #expect(!(outcome.stdout + outcome.stderr).contains("would be removed"))
      try lab.exec("minio-2", "mv \(unit).away \(unit) && systemctl daemon-reload")
      let again = try lab.keyturn("restart", "--yes")
      #expect(again.status == 0, "\(again.stdout)\(again.stderr)")
    }

    @Test("an environment file that is gone: exit 5, and the command that is named puts it back")
    func lostFile() throws {
      let file = "/etc/default/minio"
      let before = try lab.exec("minio-3", "cat \(file)")
      try lab.exec("minio-3", "rm \(file)")
      let outcome = try lab.keyturn("restart", "--yes")
      #expect(outcome.status == 5, "\(outcome.stdout)\(outcome.stderr)")
      #expect(
        outcome.stderr.contains("\(file) does not exist any more on minio-3"), "\(outcome.stderr)")
      #expect(!(outcome.stdout + outcome.stderr).contains("would be removed"))
      let words = outcome.stderr.split(separator: " ").map(String.init)
      let place = try #require(words.firstIndex(of: "rollback"))
      let back = try lab.keyturn("rollback", words[place + 1], "--yes")
      #expect(back.status == 0, "\(back.stdout)\(back.stderr)")
      #expect(try lab.exec("minio-3", "cat \(file)") == before)
    }

    @Test("standard output on a full disk is exit 1; settings come through a shell's pipe")
    func streams() throws {
      try lab.run(
        "export KEYTURN_INVENTORY=\(lab.inventory) KEYTURN_CREDENTIALS=\(lab.credentials); "
          + "keyturn status >/dev/full && exit 1; keyturn status >/dev/null")
      let told = try lab.run(
        "export KEYTURN_INVENTORY=\(lab.inventory) KEYTURN_CREDENTIALS=\(lab.credentials); "
          + "mkfifo \(lab.settings).pipe; cat \(lab.settings) >\(lab.settings).pipe & "
          + "keyturn plan --settings \(lab.settings).pipe")
      #expect(told.contains("nothing to do"), "\(told)")
    }
  }
}
