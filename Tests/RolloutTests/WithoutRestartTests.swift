// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
import Rollout
import Testing

/// When a rollout puts files right and restarts no server.
@Suite("Rollouts without a restart") struct WithoutRestartTests {
  private static let kept = RunningServer(isUp: true, lastOutcome: .confirmed)

  @Test(
    "a server goes on running only if it is confirmed and known to run with exactly what is wanted",
    arguments: [
      (kept, ""),
      (RunningServer(isUp: false, lastOutcome: .confirmed), "the server is not running"),
      (
        RunningServer(isUp: true, differing: ["MINIO_A", "MINIO_B"], lastOutcome: .confirmed),
        "the running server has other values of MINIO_A, MINIO_B"
      ),
      (
        RunningServer(isUp: true, otherDiffering: ["HTTPS_PROXY"], lastOutcome: .confirmed),
        "the running server has other values of HTTPS_PROXY"
      ),
      (
        RunningServer(isUp: true, doubt: "it reads /f by itself", lastOutcome: .confirmed),
        "it reads /f by itself"
      ),
      (RunningServer(isUp: true), "no rollout has confirmed a start of it yet"),
      (RunningServer(isUp: true, lastOutcome: .failed), "its last start was not confirmed"),
      (RunningServer(isUp: true, lastOutcome: .timedOut), "its last start was not confirmed"),
      (RunningServer(isUp: true, lastOutcome: .unknown), "its last start was not confirmed"),
    ] as [(RunningServer, String)])
  func server(_ server: RunningServer, _ why: String) {
    #expect(server.whyRestart == why)
  }

  @Test("what is not MinIO's, or not known, makes nothing to do of nothing")
  func reason() {
    #expect(RunningServer(isUp: true, otherDiffering: ["HTTPS_PROXY"], doubt: "x").reason == "")
    #expect(RunningServer(isUp: true, differing: ["MINIO_A"]).reason.hasSuffix("of MINIO_A"))
  }

  // MARK: the plan

  private static let seal = Seal(
    cluster: "prod", keyName: "key-1", enclave: "", rollout: "00000000000000aa",
    sealedAtMicroseconds: 1)

  private static func answer(
    _ node: String, why: String? = "", changes: Bool = true, seal: Seal? = nil, hasKey: Bool = false
  ) -> PlanAnswer {
    var answer = PlanAnswer(
      node: node, path: "/etc/default/minio", before: .sha256([1]),
      after: .sha256([changes ? 2 : 1]), difference: [], restartNeeded: false, restartReason: "",
      findings: [], refusal: nil, environment: [], environmentDigest: .sha256([]), epoch: 3,
      activeRollout: nil, generation: 4, seal: seal,
      key: hasKey ? KeyIdentity(name: "key-1", enclave: "") : nil,
      incarnation: Incarnation(random: 1, 2))
    answer.whyRestart = why
    return answer
  }

  private static func plan(_ second: PlanAnswer) -> ClusterPlan {
    ClusterPlan(
      rows: [
        answer("minio-1", changes: false, seal: second.seal, hasKey: second.key != nil), second,
      ]
      .map { NodeAnswer(name: $0.node, result: .success($0)) })
  }

  @Test(
    "no server is restarted if none needs it: an older agent, and a key that is to be sealed, need it",
    arguments: [
      (answer("minio-2"), nil), (answer("minio-2", seal: seal, hasKey: true), nil),
      (answer("minio-2", why: "the server is not running"), "the server is not running"),
      (
        answer("minio-2", why: nil),
        "its agent is older than this program, and restarts in every rollout"
      ),
      (answer("minio-2", hasKey: true), "a confirmed start seals its SSE key"),
    ] as [(PlanAnswer, String?)])
  func plan(_ second: PlanAnswer, _ cause: String?) throws {
    let plan = Self.plan(second)
    #expect(plan.verdict(isRestart: false) == .ready)
    #expect(plan.restartCause(of: second) == cause)
    let request = RolloutRequest(kind: .apply)
    #expect(plan.restartsServers(request, isForced: false) == (cause != nil))
    #expect(try Self.rollout(plan, request).restartsServers == (cause != nil))
  }

  private static func rollout(
    _ plan: ClusterPlan, _ request: RolloutRequest, forces: Bool = false
  ) throws -> Rollout {
    let nodes = plan.rows.map { Inventory.Node(name: $0.name, address: $0.name) }
    return try plan.rollout(
      id: "00000000000000bb", request,
      inventory: Inventory(cluster: "prod", nodes: nodes), createdBy: "alice",
      realtimeMicroseconds: 1_800_000_000_000_000, forcesRestart: forces)
  }

  @Test("a restart that is asked for, and a rollout that is taken back, restart in any case")
  func asked() throws {
    let plan = Self.plan(Self.answer("minio-2"))
    for (request, isForced) in [
      (RolloutRequest(kind: .restart), false), (RolloutRequest(kind: .apply), true),
      (RolloutRequest(kind: .rollback, undoes: "00000000000000aa"), false),
      (RolloutRequest(kind: .rollback, generation: 3), true),
    ] {
      #expect(plan.restartsServers(request, isForced: isForced))
      #expect(try Self.rollout(plan, request, forces: isForced).restartsServers)
    }
    #expect(!plan.restartsServers(RolloutRequest(kind: .rollback, generation: 3), isForced: false))
  }

  @Test("where everything is in force nothing is done, unless a restart is asked for")
  func inForce() {
    let plan = Self.plan(Self.answer("minio-2", changes: false))
    #expect(plan.verdict(isRestart: false) == .nothingToDo)
    #expect(plan.verdict(isRestart: true) == .ready)
  }

  // MARK: the rollout

  @Test(
    "a yes to it is no yes to a rollout that restarts, so an agent that does not know it gives none"
  )
  func digest() throws {
    let plan = Self.plan(Self.answer("minio-2"))
    let request = RolloutRequest(kind: .apply)
    let (without, with) = (
      try Self.rollout(plan, request), try Self.rollout(plan, request, forces: true)
    )
    #expect(without.digest != with.digest)
    #expect(without.withoutRestart == true && with.withoutRestart == nil)
    // It comes to the same files.
    #expect(without.plan == with.plan)
  }

  @Test("one that restarts nothing is not joined by who asks for a restart")
  func joining() throws {
    var answer = Self.answer("minio-2")
    let plan = Self.plan(answer)
    let request = RolloutRequest(kind: .apply)
    func joined(_ active: Rollout, forces: Bool) -> Bool {
      answer.active = ActiveSummary(active, sinceMicroseconds: nil)
      return Self.plan(answer).joinable(.apply, cluster: "prod", forcesRestart: forces) != nil
    }
    let without = try Self.rollout(plan, request)
    let with = try Self.rollout(plan, request, forces: true)
    #expect(joined(without, forces: false) && joined(with, forces: false))
    #expect(!joined(without, forces: true) && joined(with, forces: true))
  }

  @Test("it is never rolled back: nothing was restarted")
  func policy() throws {
    let rollout = try Self.rollout(
      Self.plan(Self.answer("minio-2")), RolloutRequest(kind: .apply))
    let outcomes = rollout.members.map {
      MemberOutcome(
        member: $0, outcome: Outcome($0 == "minio-2" ? .failed : .confirmed, "no space left"))
    }
    #expect(
      RollbackPolicy.whenSafe.decide(rollout, outcomes, key: nil, previousKey: nil)
        == .hold("no server was restarted: there is nothing to take back"))
  }
}
