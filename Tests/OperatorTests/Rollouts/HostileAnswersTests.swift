// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Glibc
import Model
@testable import Operator
import Rollout
import TestSupport
import Testing
import Threads

// Every command of an operator against agents of which some mean harm. A trap ends the process of the
// tests, which is the failure then; `KEYTURN_HOSTILE_SEED` repeats a run.
@Suite("Hostile agents", .timeLimit(.minutes(4))) struct HostileAnswersTests {
  private static let seed =
    getenv("KEYTURN_HOSTILE_SEED").flatMap { UInt64(String(cString: $0)) } ?? 12

  private static let id = "00000000000000aa"
  private static let names = (1...16).map { "minio-\($0)" }
  private static let inventory = """
    {"cluster": "prod",
     "nodes": [\(names.map { #"{"name": "\#($0)", "address": "\#($0)"}"# }.joined(separator: ","))],
     "timeouts": {"prepareSeconds": 1, "stopSeconds": 1, "startSeconds": 1, "settleSeconds": 0}}
    """

  private static let look = [
    "status", "status --json", "history", "diff 1 2", "diff 1", "show", "show \(id)",
    "show \(id) --json", "show \(id) --html out.html", "logs --lines 5", "logs --errors",
    "logs --rollout \(id)", "check", "check --json", "check --nagios", "explain MINIO_BROWSER",
    "seal show", "proposals", "plan --settings kms.env", "plan --settings kms.env --json",
  ]

  /// A node that has been in a rollout and tells of it.
  private static func agent(_ name: String, isKept: Bool) -> FakeAgent {
    let now = Clock.now()
    let head = RolloutHead(id: id, epoch: 4, kind: .apply, generation: 1, createdBy: "alice")
    func instant(_ milliseconds: Int) -> Instant { now.advanced(byMilliseconds: milliseconds) }
    let phases = ["preparing", "prepared", "armed", "restarting", "starting", "ready", "confirmed"]
    let view = RolloutView(
      id: id,
      events: phases.enumerated().map { index, phase in
        RolloutEvent(
          sequence: index + 1, realtimeMicroseconds: 1_700_000_000_000_000 + Int64(index) * 50_000,
          instant: instant(index * 50), phase: Word(phase), detail: "")
      },
      report: RestartReport(
        planned: instant(100), issued: instant(101), previousInvocation: "i",
        stopping: instant(102), stopped: instant(140), started: instant(150)),
      outcome: Outcome(.confirmed, ""), rollout: head, bootID: "boot", instant: instant(100))
    let line = LogLine(
      realtimeMicroseconds: 1_700_000_000_000_000, priority: 6, identifier: "minio", pid: 7,
      message: "MinIO",
      error: LogError(kind: .known(.error), meaning: "m", cause: "c", remedy: "r"))
    return FakeAgent(
      name, sealed: Sample.seal, lines: [line, line], kept: isKept ? [view] : [],
      explained: ExplainAnswer(
        node: name, name: "MINIO_BROWSER",
        definitions: [
          ExplainedDefinition(place: "/f", line: 3, value: "on", effect: .wins, reason: "")
        ], suggestion: nil))
  }

  /// Links of which those of `liars` change every answer, or one in so many; counts the changed ones.
  private static func links(
    _ agents: [FakeAgent], liars: Set<String>, oneIn share: Int = 1,
    _ generator: Lock<HostileGenerator>, _ count: Lock<Int>
  ) -> [WireLink] {
    agents.map { agent in
      let isLiar = liars.contains(agent.name)
      return WireLink(agent: agent) { bytes in
        guard isLiar, generator.withLock({ $0.once(in: share) }) else { return bytes }
        count.update { $0 += 1 }
        return generator.withLock { $0.message(bytes) }
      }
    }
  }

  @Test("30,000 answers to every command that looks: each ends, with an exit code, in time")
  func looks() {
    let generator = Lock(HostileGenerator(seed: Self.seed))
    let count = Lock(0)
    let links = Self.links(
      Self.names.map { Self.agent($0, isKept: true) }, liars: Set(Self.names), generator, count)
    var round = 0
    var slowest = (milliseconds: 0, command: "")
    while count.withLock({ $0 }) < 30_000 {
      let command = Self.look[round % Self.look.count]
      let asked = Clock.now()
      _ = Sample.run(command, over: links, inventory: Self.inventory)
      let took = Clock.now().milliseconds(since: asked)
      if took > slowest.milliseconds { slowest = (took, command) }
      round += 1
    }
    #expect(round > 500)
    #expect(slowest.milliseconds < 15_000, "\(slowest)")
  }

  @Test("rollouts with a node that lies end too, and nothing keeps the next one from going through")
  func rollouts() {
    let generator = Lock(HostileGenerator(seed: Self.seed))
    let count = Lock(0)
    let commands = [
      "apply --settings kms.env --yes", "restart --yes", "rollback 1 --yes", "resolve \(Self.id)",
    ]
    let took = Parallel.map(Array(0..<60)) { number -> (Int, String) in
      let agents = Sample.names.map { Self.agent($0, isKept: false) }
      let interruption = Interruption()
      let links = Self.links(agents, liars: ["minio-2"], oneIn: 6, generator, count)
      let asked = Clock.now()
      let command = commands[number % commands.count]
      _ = Sample.run(command, over: links, interruption: interruption)
      let honest = Self.links(agents, liars: [], generator, count)
      let (code, host) = Sample.run("restart --yes", over: honest)
      if code != .done, code != .busy {
        Issue.record("after \(command): \(code): \(host.errors)")
      }
      return (Clock.now().milliseconds(since: asked), command)
    }
    #expect(took.allSatisfy { $0.0 < 90_000 }, "\(took)")
    #expect(count.withLock { $0 } > 30, "changed answers")
  }
}
