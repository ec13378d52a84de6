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
  /// Agents and command lines of the version before beside those of this one.
  @Suite(
    .serialized, .enabled(if: Generations.before != nil, "scripts/try-versions has them"),
    .lab(nodes: 3, keyManagers: 1, hasFaults: true))
  struct VersionsTests {
    enum Version: String, CaseIterable { case before, now }

    let lab: Lab
    private let programs: [Version: String]
    private static let isPrepared = Lock(false)
    private static let isSealed = Lock(false)
    private static let place = "/usr/local/bin/keyturnd"

    init() throws {
      lab = try #require(Lab.current)
      let before = try #require(Generations.before)
      programs = [.before: before, .now: lab.debugPrograms]
      if !Self.isPrepared.withLock({ $0 }) { try lab.prepareFaults() }
      Self.isPrepared.update { $0 = true }
      try lab.disarm()
    }

    /// The program is replaced as a package does it; what runs goes on as it is.
    private func install(_ version: Version, on node: String) throws {
      try lab.exec(
        node,
        """
        install -m 755 \(programs[version] ?? "")/keyturnd \(Self.place).new &&
        mv \(Self.place).new \(Self.place)
        """)
    }

    private func run(_ versions: [Version]) throws {
      for (node, version) in zip(lab.nodes, versions) {
        try install(version, on: node)
        let running = try lab.exec(
          node,
          "systemctl restart keyturnd && /proc/$(systemctl show -P MainPID keyturnd)/exe --version")
        let wanted = try lab.exec(node, "\(programs[version] ?? "")/keyturnd --version")
        #expect(running == wanted, "\(node)")
      }
    }

    private func keyturn(
      _ version: Version, _ arguments: String, mayFail: Bool = false
    ) throws -> String {
      try lab.run(
        """
        \(programs[version] ?? "")/keyturn \(arguments) --inventory \(lab.inventory) \
          --credentials \(lab.credentials) 2>&1 \(mayFail ? "|| true" : "")
        """)
    }

    /// Every mix of three agents; from one to the next a single one is upgraded or put back.
    private static let mixes: [[Version]] = [0, 1, 3, 2, 6, 7, 5, 4].map { bits in
      (0..<3).map { bits & (1 << $0) == 0 ? .before : .now }
    }

    @Test(
      "every mix plans, votes, commits and goes back, with either command line", arguments: mixes)
    func mix(_ versions: [Version]) throws {
      try run(versions)
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
      }
      try lab.agree { $0.timeouts.stopSeconds += 1 }
      try lab.agree()
      let notes = try keyturn(.now, "status --json")
      #expect(notes.contains("versions-differ") == (Set(versions).count > 1), "\(notes)")
    }

    @Test("an agent is upgraded in mid-rollout: the new one goes on", arguments: Place.ofAgents)
    func upgraded(_ place: Place) throws { try change(.before, to: .now, at: place) }

    @Test("an agent is put back in mid-rollout: the former one goes on", arguments: Place.ofAgents)
    func putBack(_ place: Place) throws { try change(.now, to: .before, at: place) }

    private func change(_ version: Version, to other: Version, at place: Place) throws {
      try run(lab.nodes.map { _ in version })
      let victim = lab.nodes[1]
      let before = try lab.facts()
      try install(other, on: victim)
      try lab.arm(victim, place.name, "kill")
      // Where the victim never votes it exits 8.
      _ = try keyturn(version, "apply --yes --settings \(lab.newSettings())", mayFail: true)
      try lab.awaitReached(victim)
      try lab.expectOneEnd(place.end, since: before)
      let running = try lab.exec(
        victim, "/proc/$(systemctl show -P MainPID keyturnd)/exe --version")
      #expect(try running == lab.exec(victim, "\(programs[other] ?? "")/keyturnd --version"))
    }
  }
}
