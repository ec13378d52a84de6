// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import JSONCoding
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Nodes that join, are lost, replaced and retired, on real hosts.
  @Suite(.serialized, .lab(nodes: 5, keyManagers: 1, witnesses: true))
  struct MembersTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    /// A file with the inventory of these nodes; the others' servers may differ from MINIO_VOLUMES.
    /// - Parameter number: of the agreed one that it was made from; nil for a file by hand.
    private func inventory(
      _ name: String, _ numbers: [Int], outside: [Int] = [], from number: Int? = nil
    ) throws -> String {
      let bytes = try FileReading.read(lab.inventory, limitBytes: Limits.inventoryFileBytes).bytes
      var inventory = try JSON.decode(Inventory.self, from: bytes)
      inventory.nodes.removeAll { node in !numbers.contains { "minio-\($0)" == node.name } }
      inventory.outsideNodes = outside.map { "minio-\($0)" }
      inventory.number = number
      return try lab.file(
        name, String(decoding: JSON.encode(inventory, pretty: true), as: UTF8.self))
    }

    private func text(of file: String) throws -> String {
      String(
        decoding: try FileReading.read(file, limitBytes: Limits.inventoryFileBytes).bytes,
        as: UTF8.self)
    }

    private func keyturn(_ file: String, _ arguments: String...) throws -> Subprocess.Outcome {
      try lab.keyturn(arguments + ["--inventory", file])
    }

    /// Three nodes of five, encrypted; the others have nothing but the programs and the others' environment file.
    private func begin(_ three: String) throws {
      for node in lab.nodes {
        try lab.exec(node, "sed -i 's/minio-{1\\.\\.\\.5}/minio-{1...3}/' /etc/default/minio")
      }
      for node in ["minio-4", "minio-5"] {
        try lab.exec(
          node,
          """
          systemctl stop keyturnd keyturnd.socket
          systemctl stop minio; rm -rf /etc/keyturn/* /var/lib/keyturn/*
          """)
      }
      for host in ["minio-1", "minio-2", "minio-3", "kms-1"] {
        try lab.exec(
          host,
          """
          cat >/etc/keyturn/inventory.json && systemctl restart keyturnd &&
          (systemctl restart --no-block minio 2>/dev/null || true)
          """, input: text(of: three))
      }
      let applied = try wait(untilDone: 60_000) {
        try keyturn(three, "apply", "--yes", "--settings", lab.settings)
      }
      #expect(applied.status == 0, "\(applied.stdout)\(applied.stderr)")
      let file = try lab.exec("minio-1", "cat /etc/default/minio")
      for node in ["minio-4", "minio-5"] {
        try lab.exec(node, "cat >/etc/default/minio", input: file)
      }
    }

    private func wait(
      untilDone milliseconds: Int, _ body: () throws -> Subprocess.Outcome
    ) throws -> Subprocess.Outcome {
      let end = Instant.inMilliseconds(milliseconds)
      while true {
        let outcome = try body()
        if outcome.status == 0 || Clock.now() >= end { return outcome }
      }
    }

    /// `keyturn join` on the host, with a new file of the operator's.
    private func join(_ node: String, _ file: String) throws -> String {
      try lab.run("rm -f \(lab.pki)/\(node).join")
      let issued = try keyturn(file, "pki", "issue", "--join", node, "--pki", lab.pki)
      #expect(issued.status == 0, "\(issued.stderr)")
      try lab.exec(
        node, "umask 077 && cat >/root/h.join", input: lab.run("cat \(lab.pki)/\(node).join"))
      return try lab.exec(node, "keyturn join --replace /root/h.join 2>&1; echo $?")
    }

    /// What must be the same where nothing is restarted: the server's process, and the agent's.
    private func processes(_ nodes: [Int]) throws -> [String] {
      try nodes.map { (number) throws in
        try lab.exec("minio-\(number)", "systemctl show minio keyturnd -P MainPID")
      }
    }

    private func findings(_ node: String, _ file: String) throws -> String {
      let status = try keyturn(file, "status", "--json")
      return status.stdout.split(separator: "\n").filter { $0.contains("\"node\":\"\(node)\"") }
        .joined(separator: "\n")
    }

    @Test(
      "two join while a rollout runs, one is lost and replaced, one is retired while one is in doubt, one dies for good"
    )
    func members() throws {
      let three = try inventory("three.json", [1, 2, 3], outside: [4, 5])
      try begin(three)

      // Two nodes join.
      let joining = try inventory("joining.json", [1, 2, 3, 4, 5], outside: [4, 5])
      for node in ["minio-4", "minio-5"] {
        let joined = try join(node, joining)
        #expect(joined.contains("\(node): the agent runs and answers"), "\(joined)")
        #expect(joined.contains("next: keyturn inventory apply at the operator's"), "\(joined)")
        #expect(!joined.contains("refuses this host"), "\(joined)")
      }
      let restart = try lab.start(
        keyturn: ["restart", "--yes", "--json", "--inventory", three])
      #expect(
        restart.wait(until: .inMilliseconds(30_000)) { lines in
          lines.contains { $0.text.contains("\"prepared\"") }
        })
      let busy = try keyturn(joining, "inventory", "apply", "--yes")
      #expect(busy.status == 75, "\(busy.stdout)\(busy.stderr)")
      #expect(busy.stderr.contains("nothing was changed: "), "\(busy.stderr)")
      #expect(try restart.outcome().status == 0)
      let before = try processes([1, 2, 3, 4, 5])
      let applied = try keyturn(joining, "inventory", "apply", "--yes")
      #expect(applied.status == 0, "\(applied.stdout)\(applied.stderr)")
      #expect(applied.stdout.contains("joined: minio-[4-5]"), "\(applied.stdout)")
      #expect(try processes([1, 2, 3, 4, 5]) == before)
      #expect(try lab.exec("kms-1", "grep -c minio-5 /var/lib/keyturn/inventory") == "1\n")
      for node in ["minio-4", "minio-5"] {
        let renewed = try keyturn(joining, "pki", "renew", node, "--pki", lab.pki)
        #expect(renewed.status == 0, "\(renewed.stderr)")
        #expect(try lab.exec(node, "ls /var/lib/keyturn/seal") == "/var/lib/keyturn/seal\n")
      }

      // Their pool, at one instant with all others.
      let five = try inventory("five.json", [1, 2, 3, 4, 5], from: 2)
      #expect(try keyturn(five, "inventory", "apply", "--yes").status == 0)
      let volumes =
        try lab.exec(
          "minio-1", "sed -n 's/^MINIO_VOLUMES=\"\\(.*\\)\"/\\1/p' /etc/default/minio"
        ).split(separator: "\n").first.map(String.init) ?? ""
      let pool = volumes.replacing("{1...3}", with: "{4...5}")
      for (text, said) in [
        ("\(pool) \(volumes)", "would be pool 2"),
        (volumes.replacing("{1...3}", with: "{1...5}"), "would become pool 1"),
      ] {
        let other = try lab.file("other.env", "MINIO_VOLUMES=\"\(text)\"\n")
        let refused = try keyturn(five, "apply", "--yes", "--settings", other)
        #expect(refused.status == 5, "\(refused.stdout)\(refused.stderr)")
        #expect(refused.stderr.contains(said), "\(refused.stderr)")
      }
      let settings = try lab.file("pool.env", "MINIO_VOLUMES=\"\(volumes) \(pool)\"\n")
      let grown = try keyturn(five, "apply", "--yes", "--settings", settings)
      #expect(grown.status == 0, "\(grown.stdout)\(grown.stderr)")
      let clean = try wait(untilDone: 30_000) { try keyturn(five, "status") }
      #expect(clean.status == 0, "\(clean.stdout)\(clean.stderr)")

      // A host is lost, and another one takes its name.
      try lab.perform("crash", "minio-5")
      let alone = try keyturn(five, "restart", "--yes")
      #expect(alone.status == 4, "\(alone.stdout)\(alone.stderr)")
      try lab.perform("boot", "minio-5")
      try lab.exec(
        "minio-5",
        "systemctl stop keyturnd keyturnd.socket; rm -rf /etc/keyturn/* /var/lib/keyturn/*")
      let replaced = try join("minio-5", five)
      #expect(replaced.contains("minio-5: the agent runs and answers"), "\(replaced)")
      #expect(!replaced.contains("next: keyturn inventory apply"), "\(replaced)")
      #expect(try keyturn(five, "pki", "renew", "minio-5", "--pki", lab.pki).status == 0)
      let whole = try wait(untilDone: 90_000) { try keyturn(five, "restart", "--yes") }
      #expect(whole.status == 0, "\(whole.stdout)\(whole.stderr)")
      let again = try wait(untilDone: 30_000) { try keyturn(five, "status") }
      #expect(again.status == 0, "\(again.stdout)\(again.stderr)")

      // One is retired; its coordinator dies while all have voted on a rollout.
      let doubtful = try lab.start(keyturn: ["restart", "--yes", "--json", "--inventory", five])
      #expect(
        doubtful.wait(until: .inMilliseconds(30_000)) { lines in
          lines.contains { $0.text.contains("\"prepared\"") }
        })
      doubtful.signal(SIGKILL)
      _ = try doubtful.outcome()
      let four = try inventory("four.json", [1, 2, 3, 5], outside: [4], from: 3)
      let soon = try keyturn(four, "inventory", "apply", "--yes")
      #expect([0, 75].contains(soon.status), "\(soon.stdout)\(soon.stderr)")
      let servers = try processes([4])
      if soon.status != 0 {
        #expect(soon.stderr.contains("keyturn resolve "), "\(soon.stderr)")
        let retired = try wait(untilDone: 90_000) {
          try keyturn(four, "inventory", "apply", "--yes")
        }
        #expect(retired.status == 0, "\(retired.stdout)\(retired.stderr)")
      }
      #expect(try processes([4]).count == servers.count)
      #expect(try findings("minio-4", five).contains("node-retired"))
      let refused = try keyturn(five, "restart", "--yes")
      #expect(refused.status == 8, "\(refused.stdout)\(refused.stderr)")
      for region in ["one", "two"] {
        let file = try lab.file("\(region).env", "MINIO_REGION=\(region)\n")
        let applied = try wait(untilDone: 60_000) {
          try keyturn(four, "apply", "--yes", "--settings", file)
        }
        #expect(applied.status == 0, "\(applied.stdout)\(applied.stderr)")
      }
      let back = try keyturn(four, "rollback", "--yes")
      #expect(back.status == 0, "\(back.stdout)\(back.stderr)")
      #expect(try lab.exec("minio-4", "grep -c REGION /etc/default/minio || true") == "0\n")
      #expect(
        try lab.exec("minio-3", "grep REGION /etc/default/minio").contains("one"), "rolled back")
      let history = try keyturn(four, "history")
      #expect(history.status == 0, "\(history.stdout)\(history.stderr)")

      // One dies for good, and is back with its old disk.
      try lab.perform("crash", "minio-5")
      let left = try inventory("left.json", [1, 2, 3], outside: [4, 5], from: 3)
      let old = try keyturn(left, "inventory", "apply", "--yes")
      #expect(old.status == 8, "\(old.stdout)\(old.stderr)")
      #expect(old.stderr.contains("made from inventory number 3"), "\(old.stderr)")
      _ = try inventory("left.json", [1, 2, 3], outside: [4, 5], from: 4)
      let unreachable = try keyturn(left, "inventory", "apply", "--yes")
      #expect(unreachable.status == 4, "\(unreachable.stdout)\(unreachable.stderr)")
      #expect(unreachable.stderr.contains("--without minio-5"), "\(unreachable.stderr)")
      let without = try keyturn(left, "inventory", "apply", "--yes", "--without", "minio-5")
      #expect(without.status == 0, "\(without.stdout)\(without.stderr)")
      #expect(without.stderr.contains("keeps 0 of its 2 hosts"), "\(without.stderr)")
      let twice = try keyturn(left, "inventory", "apply", "--yes", "--without", "minio-5")
      #expect(twice.status == 0, "\(twice.stdout)\(twice.stderr)")
      try lab.perform("boot", "minio-5")
      let learned = try wait(untilDone: 60_000) {
        let found = try findings("minio-5", five)
        return try lab.keyturn(found.contains("node-retired") ? ["--version"] : ["nothing"])
      }
      #expect(learned.status == 0)
      let end = try keyturn(left, "inventory", "show")
      #expect(end.status == 0, "\(end.stderr)")
      #expect(try text(of: left).contains("minio-3") && end.stdout.contains("minio-3"))
      #expect(end.stderr.contains("inventory number 5 of lab"), "\(end.stderr)")

      // Their pool goes, once somebody says so.
      let first = try lab.file("first.env", "MINIO_VOLUMES=\"\(volumes)\"\n")
      let dropped = try keyturn(left, "apply", "--yes", "--settings", first)
      #expect(dropped.status == 5, "\(dropped.stdout)\(dropped.stderr)")
      #expect(
        dropped.stderr.contains("pool 2 (\(pool)) would be gone")
          && dropped.stderr.contains("--change-pools"), "\(dropped.stderr)")
      let shrunk = try keyturn(left, "apply", "--yes", "--settings", first, "--change-pools")
      #expect(shrunk.status == 0, "\(shrunk.stdout)\(shrunk.stderr)")
    }
  }
}
