// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import Testing
import Threads

/// The programs of two versions, both of the debug build.
enum Generations {
  /// Where those of the version before are (`scripts/try-versions`); nil without them.
  static let before = getenv("KEYTURN_BEFORE").map { String(cString: $0) }
}

extension LabTests {
  /// Agents, witnesses and command lines of the version before beside those of this one.
  @Suite(
    .serialized, .enabled(if: Generations.before != nil, "scripts/try-versions has them"),
    .lab(nodes: 3, keyManagers: 1, hasFaults: true, witnesses: true))
  struct VersionsTests {
    enum Version: String, CaseIterable, Sendable { case before, now }
    /// What runs on a host: a version, and the protocols that it speaks in place of its own.
    private struct Running: Equatable {
      var version: Version
      var protocols: String?
    }

    let lab: Lab
    private let programs: [Version: String]
    private static let isPrepared = Lock(false)
    private static let isSealed = Lock(false)
    private static let running = Lock([String: Running]())
    private static let place = "/usr/local/bin/keyturnd"
    private static let override = "/etc/systemd/system/keyturnd.service.d/protocols.conf"

    init() throws {
      lab = try #require(Lab.current)
      let before = try #require(Generations.before)
      programs = [.before: before, .now: lab.debugPrograms]
      if !Self.isPrepared.withLock({ $0 }) { try lab.prepareFaults() }
      Self.isPrepared.update { $0 = true }
      try lab.disarm()
    }

    // MARK: what runs

    /// The program is replaced as a package does it; what runs goes on as it is.
    private func install(_ version: Version, on host: String) throws {
      try lab.exec(
        host,
        """
        install -m 755 \(programs[version] ?? "")/keyturnd \(Self.place).new &&
        mv \(Self.place).new \(Self.place)
        """)
    }

    private func version(of host: String) throws -> String {
      try lab.exec(host, "/proc/$(systemctl show -P MainPID keyturnd)/exe --version")
    }

    private func expect(_ version: Version, on host: String) throws {
      let wanted = try lab.exec(host, "\(programs[version] ?? "")/keyturnd --version")
      #expect(try self.version(of: host) == wanted, "\(host)")
    }

    /// The agent of a host is this from now on; only what changes is restarted.
    private func run(_ wanted: Running, on host: String) throws {
      if Self.running.withLock({ $0[host] }) == wanted { return }
      try install(wanted.version, on: host)
      let setting =
        wanted.protocols.map {
          "printf '[Service]\\nEnvironment=KEYTURN_FAULT_PROTOCOLS=\($0)\\n' >\(Self.override)"
        } ?? "rm -f \(Self.override)"
      try lab.exec(host, "\(setting) && systemctl daemon-reload && systemctl restart keyturnd")
      try expect(wanted.version, on: host)
      Self.running.update { $0[host] = wanted }
    }

    private func run(_ versions: [Version], protocols: [String: String] = [:]) throws {
      for (node, version) in zip(lab.nodes, versions) {
        try run(Running(version: version, protocols: protocols[node]), on: node)
      }
    }

    /// What `keyturn` prints; its exit code is this one.
    ///
    /// - Parameter environment: `NAME=VALUE`, for a shell.
    private func keyturn(
      _ version: Version, _ arguments: String, exits expected: Int = 0, environment: String = ""
    ) throws -> String {
      let printed = try lab.run(
        """
        \(environment) \(programs[version] ?? "")/keyturn \(arguments) \
          --inventory \(lab.inventory) --credentials \(lab.credentials) 2>&1; echo exit $?
        """)
      #expect(
        printed.hasSuffix("exit \(expected)\n"), "\(version) keyturn \(arguments): \(printed)")
      return printed
    }

    // MARK: mixes

    /// Mixes of three agents; from one to the next a single one is upgraded or put back. The usual ones are of each
    /// count: nodes differ in nothing but their names. `KEYTURN_LAB_ALL=1`: every one.
    private static let mixes: [[Version]] =
      (getenv("KEYTURN_LAB_ALL") == nil ? [0, 1, 3, 7] : [0, 1, 3, 2, 6, 7, 5, 4]).map { bits in
        (0..<3).map { bits & (1 << $0) == 0 ? .before : .now }
      }

    @Test(
      "every mix plans, votes, commits and goes back, with either command line and either witness",
      arguments: mixes)
    func mix(_ versions: [Version]) throws {
      try run(versions)
      // Another than the first node's.
      let witness: Version = versions[0] == .now ? .before : .now
      try run(Running(version: witness), on: lab.keyManagers[0])
      if !Self.isSealed.withLock({ $0 }) {
        // What is sealed by some versions is known to all.
        _ = try keyturn(.before, "apply --yes --settings \(lab.settings)")
        Self.isSealed.update { $0 = true }
      }
      for command in Version.allCases {
        let before = try lab.facts()
        let file = try lab.newSettings()
        _ = try keyturn(command, "plan --settings \(file)")
        _ = try keyturn(command, "apply --yes --settings \(file)")
        try lab.expectOneEnd(.commit, since: before)
        let changed = try lab.facts()
        _ = try keyturn(command, "rollback --yes")
        try lab.expectOneEnd(.commit, since: changed)
        #expect(try lab.facts().mapValues(\.file) == before.mapValues(\.file))
        _ = try keyturn(command, "seal show")
        _ = try keyturn(command, "status")
        // Where the witness does not answer a node it says "back unverified".
        let check = try keyturn(command, "check")
        #expect(check.contains("3 nodes: everything is fine"), "\(check)")
        #expect(!check.contains("unverified"), "\(check)")
      }
      try lab.agree { $0.timeouts.stopSeconds += 1 }
      try lab.agree()
      let notes = try keyturn(.now, "status --json")
      #expect(notes.contains("versions-differ") == (Set(versions).count > 1), "\(notes)")
    }

    // MARK: in mid-rollout

    @Test("an agent is upgraded in mid-rollout: the new one goes on", arguments: Place.ofAgents)
    func upgraded(_ place: Place) throws { try change(.before, to: .now, at: place) }

    @Test("an agent is put back in mid-rollout: the former one goes on", arguments: Place.ofAgents)
    func putBack(_ place: Place) throws { try change(.now, to: .before, at: place) }

    private func change(_ version: Version, to other: Version, at place: Place) throws {
      try run(lab.nodes.map { _ in version })
      let victim = lab.nodes[1]
      let before = try lab.facts()
      try install(other, on: victim)
      Self.running.update { $0[victim] = Running(version: other) }
      try lab.arm(victim, place.name, "kill")
      // Where the victim never votes nothing is touched: a node is unreachable.
      _ = try keyturn(
        version, "apply --yes --settings \(lab.newSettings())", exits: place.end == .commit ? 0 : 4)
      try lab.awaitReached(victim)
      try lab.expectOneEnd(place.end, since: before)
      try expect(other, on: victim)
    }

    @Test(
      "the command line of one version dies after the votes: agents of the other decide",
      arguments: Version.allCases,
      [
        Place("coordinator.vote.accept", .abort), Place("coordinator.accepted.committed", .commit),
      ])
    func commandLineDies(_ version: Version, _ place: Place) throws {
      try run(lab.nodes.map { _ in version == .now ? .before : .now })
      let before = try lab.facts()
      let fault = try lab.file("fault", "\(place.name) kill\n")
      try lab.run("rm -f \(fault).reached")
      _ = try keyturn(
        version, "apply --yes --settings \(lab.newSettings())", exits: 128 + Int(SIGKILL),
        environment: "KEYTURN_FAULT=\(fault)")
      try lab.run("[ -e \(fault).reached ]")
      try lab.expectOneEnd(place.end, since: before)
    }

    // MARK: protocols

    @Test("protocols that differ: shared by neighbours, beyond them refused by name")
    func protocols() throws {
      let now = lab.nodes.map { _ in Version.now }
      let (first, second) = (lab.nodes[0], lab.nodes[1])
      defer { #expect(throws: Never.self) { try run(now) } }

      try run(now, protocols: [second: "2-3"])
      let before = try lab.footprint()
      let file = try lab.newSettings()
      let edited = try lab.edited { $0.timeouts.stopSeconds += 1 }
      for command in [
        "plan --settings \(file)", "apply --yes --settings \(file)", "restart --yes",
        "inventory apply \(edited) --yes",
      ] {
        let said = try keyturn(.now, command, exits: 8)
        #expect(said.contains("\(second): keyturnd "), "\(command): \(said)")
        #expect(said.contains("rollout protocols 2 to 3"), "\(command): \(said)")
        #expect(said.contains("docs/use/upgrade.md"), "\(command): \(said)")
      }
      #expect(try keyturn(.now, "status --json").contains("protocols-differ"))
      try lab.expectUntouched(since: before)

      // A neighbour beside two of the first: by the first.
      try run(now, protocols: [second: "1-2"])
      try expectRollout(by: nil, "")

      // All speak the second one too, and the command line has to.
      try run(now, protocols: Dictionary(uniqueKeysWithValues: lab.nodes.map { ($0, "1-2") }))
      try run(now, protocols: [first: "1-2", second: "2-3", lab.nodes[2]: "1-2"])
      let own = try keyturn(.now, "plan --settings \(lab.newSettings())", exits: 8)
      #expect(own.contains("this program: rollout protocol 1"), "\(own)")
      try expectRollout(by: 2, "KEYTURN_FAULT_PROTOCOLS=1-2")

      // Put back: what has ended is read, and the next one goes by the first again.
      try run(now)
      try expectRollout(by: nil, "")
    }

    private func expectRollout(by number: Int?, _ environment: String) throws {
      let before = try lab.facts()
      _ = try keyturn(
        .now, "apply --yes --settings \(lab.newSettings())", environment: environment)
      try lab.expectOneEnd(.commit, since: before)
      for node in lab.nodes {
        let last = try lab.exec(
          node, "tail -n 1 /var/lib/keyturn/rollout* | grep -o '\"protocol\":[0-9]*' || true")
        #expect(
          last.contains("\"protocol\":2") == (number == 2) || number == nil, "\(node): \(last)")
      }
    }
  }
}
