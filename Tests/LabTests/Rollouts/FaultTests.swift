// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Whatever dies, is cut off or restarted: all nodes end in the same generation, none restarts
  /// twice, and status says what happened. Every place is reached by name.
  @Suite(.serialized, .lab(nodes: 5, keyManagers: 0, hasFaults: true))
  struct FaultTests {
    let lab: Lab
    private static let isPrepared = Lock(false)
    private static let victim = "minio-3"

    init() throws {
      lab = try #require(Lab.current)
      if !Self.isPrepared.withLock({ $0 }) { try lab.prepareFaults() }
      Self.isPrepared.update { $0 = true }
      try lab.disarm()
    }

    // MARK: what is done

    /// `keyturn apply`, which is killed or held at a place of its own.
    private func apply(_ place: String, _ action: String) throws -> BackgroundProcess {
      let file = try lab.file("fault", "\(place) \(action)\n")
      try lab.run("rm -f \(file).reached")
      return try lab.start(
        fault: file, keyturn: "apply", "--yes", "--settings", lab.newSettings())
    }

    private var reached: String { lab.directory.path("fault.reached") }

    private func awaitHeld() throws { try lab.run(Lab.loop("[ -e \(reached) ]")) }

    private func release() throws { try lab.run("rm \(reached)") }

    // MARK: the command line

    private static let commandLinePlaces = Place.of([
      Place("coordinator.start.prepare", .abort),
      Place("coordinator.answered.prepare", .abort),
      Place("coordinator.vote.accept", .abort, isUsual: true),
      Place("coordinator.answered.accept", .any, isUsual: true),
      Place("coordinator.accepted.committed", .commit, isUsual: true),
      Place("coordinator.accepted.decide", .commit),
      Place("coordinator.answered.decide", .commit),
      Place("coordinator.ended.report", .commit),
    ])

    @Test("the command line is killed", arguments: commandLinePlaces)
    func commandLine(_ place: Place) throws {
      let before = try lab.facts()
      let outcome = try apply(place.name, "kill").outcome()
      #expect(outcome.status == 128 + SIGKILL, "\(outcome.stdout)\(outcome.stderr)")
      try lab.expectOneEnd(place.end, since: before)
    }

    // MARK: agents

    @Test("one agent is killed", arguments: Place.ofAgents)
    func agent(_ place: Place) throws {
      let before = try lab.facts()
      try lab.arm(Self.victim, place.name, "kill")
      _ = try lab.keyturn("apply", "--yes", "--settings", lab.newSettings())
      try lab.awaitReached(Self.victim)
      try lab.expectOneEnd(place.end, since: before)
    }

    @Test(
      "all agents are restarted in mid-rollout",
      arguments: [
        Place("coordinator.vote.accept", .any), Place("coordinator.accepted.committed", .commit),
      ])
    func allAgents(_ place: Place) throws {
      let before = try lab.facts()
      let apply = try apply(place.name, "hold")
      try awaitHeld()
      try lab.onEachNode("systemctl --no-block restart keyturnd")
      try release()
      _ = try apply.outcome()
      try lab.expectOneEnd(place.end, since: before)
    }

    // MARK: hosts

    private static let hostPlaces = Place.of([
      Place("agent.check.staged", .abort),
      Place("agent.assessed.vote", .abort),
      Place("agent.accept.reply", .commit, isUsual: true),
      Place("agent.decided.persist", .commit),
      Place("agent.decided.reply", .commit),
      Place("agent.fire.restart", .commit, isUsual: true),
      Place("agent.fire.sync", .commit),
      Place("agent.watched.persist", .commit),
    ])

    @Test("one host loses its power; after the boot its server starts once", arguments: hostPlaces)
    func host(_ place: Place) throws {
      let before = try lab.facts()
      try lab.arm(Self.victim, place.name, "hold")
      let apply = try lab.start(keyturn: "apply", "--yes", "--settings", lab.newSettings())
      try lab.awaitReached(Self.victim)
      try lab.perform("crash", Self.victim)
      try lab.perform("boot", Self.victim)
      _ = try apply.outcome()
      try lab.expectOneEnd(place.end, since: before, rebooted: Self.victim)
    }

    // MARK: the network

    @Test("a node is cut off before it accepts: it learns the commit when it is back")
    func cutBefore() throws {
      let before = try lab.facts()
      let apply = try apply("coordinator.vote.accept", "hold")
      try awaitHeld()
      try lab.perform("cut", Self.victim)
      defer { try? lab.perform("heal", Self.victim) }
      try release()
      for node in lab.nodes where node != Self.victim { try awaitFile(node, otherThan: before) }
      let status = try lab.exec(
        Self.victim, "sha256sum </etc/default/minio; systemctl is-active keyturnd minio")
      #expect(status.hasPrefix(before[Self.victim]?.file ?? "?"), "it knows nothing yet")
      try lab.perform("heal", Self.victim)
      _ = try apply.outcome()
      try lab.expectOneEnd(.commit, since: before)
    }

    @Test("a node is cut off after it has accepted, and its answer lost: the same")
    func cutAfter() throws {
      let before = try lab.facts()
      try lab.arm(Self.victim, "agent.accept.reply", "hold")
      let apply = try lab.start(keyturn: "apply", "--yes", "--settings", lab.newSettings())
      try lab.awaitReached(Self.victim)
      try lab.perform("cut", Self.victim)
      defer { try? lab.perform("heal", Self.victim) }
      try lab.exec(Self.victim, "rm \(Lab.fault).reached")
      for node in lab.nodes where node != Self.victim { try awaitFile(node, otherThan: before) }
      try lab.perform("heal", Self.victim)
      _ = try apply.outcome()
      try lab.expectOneEnd(.commit, since: before)
    }

    @Test("the coordinator is cut off after the accept: the members commit without it")
    func coordinatorCut() throws {
      let before = try lab.facts()
      let apply = try apply("coordinator.accepted.committed", "hold")
      try awaitHeld()
      try lab.run("PATH=$PATH:/usr/sbin:/sbin ip addr del 10.77.0.1/16 dev br0")
      let back = "PATH=$PATH:/usr/sbin:/sbin ip addr add 10.77.0.1/16 dev br0 2>/dev/null || true"
      defer { _ = try? lab.run(back) }
      try release()
      for node in lab.nodes { try awaitFile(node, otherThan: before) }
      try lab.run(back)
      let outcome = try apply.outcome()
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      try lab.expectOneEnd(.commit, since: before)
    }

    private func awaitFile(_ node: String, otherThan before: [String: NodeFacts]) throws {
      let old = before[node]?.file.prefix { $0 != " " } ?? ""
      try lab.exec(
        node, Lab.loop("[ \"$(sha256sum </etc/default/minio | cut -d' ' -f1)\" != \(old) ]"))
    }

    // MARK: resolve, and two operators

    @Test("a rollout without a majority is shown as in doubt; resolve ends it when there is one")
    func resolve() throws {
      let before = try lab.facts()
      let apply = try apply("coordinator.vote.accept", "hold")
      try awaitHeld()
      let cut = ["minio-3", "minio-4", "minio-5"]
      for node in cut { try lab.perform("cut", node) }
      defer { for node in cut { try? lab.perform("heal", node) } }
      apply.signal(SIGKILL)
      _ = try apply.outcome()
      let deadline = Instant.inMilliseconds(30_000)
      var shown = ""
      while !shown.contains("is not known here"), Clock.now() < deadline {
        let outcome = try lab.keyturn("status")
        shown = outcome.stdout + outcome.stderr
      }
      #expect(shown.contains("accepted (IN DOUBT)") || shown.contains("prepared (IN DOUBT)"))
      #expect(shown.contains("3 of the 5 nodes must be connected"), "\(shown)")
      let id = try #require(
        try lab.keyturn("status", "--json").events().compactMap(\.activeRollout).first)
      for node in cut { try lab.perform("heal", node) }
      let resolved = try lab.keyturn("resolve", id)
      #expect(resolved.status == 0, "\(resolved.stdout)\(resolved.stderr)")
      #expect(resolved.stderr.contains("was aborted: no file was replaced, no server restarted"))
      try lab.expectOneEnd(.abort, since: before)
    }

    /// How often; `KEYTURN_LAB_ROUNDS=200` for the figure in docs/development/testing.md.
    private static let rounds =
      getenv("KEYTURN_LAB_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 8

    @Test("two operators apply different settings at once: one wins or both are told, never a mix")
    func twoOperators() throws {
      var ends: [String: Int] = [:]
      for _ in 0..<Self.rounds {
        let before = try lab.facts()
        let applies = try [lab.newSettings(), lab.newSettings()].map {
          try lab.start(keyturn: "apply", "--yes", "--settings", $0)
        }
        let outcomes = try applies.map { try $0.outcome() }
        let codes = outcomes.map(\.status).sorted()
        ends["\(codes)", default: 0] += 1
        #expect(codes[0] == 0 || codes[0] == 75 || codes[0] == 8, "\(codes)")
        #expect(codes[1] == 75 || codes[1] == 8, "\(codes)")
        for outcome in outcomes where outcome.status == 75 {
          #expect(
            outcome.stderr.contains("rollout") && outcome.stderr.contains("lab-operator")
              || outcome.stderr.contains("it is in rollout"), "\(outcome.stderr)")
        }
        try lab.expectOneEnd(codes[0] == 0 ? .commit : .abort, since: before)
      }
      print("two operators, \(Self.rounds) rounds, exit codes: \(ends.sorted { $0.key < $1.key })")
    }
  }
}
