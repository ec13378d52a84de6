// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Agent
internal import Coordination
internal import Fibers
internal import HTTP
internal import JSONCoding
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

extension World {
  /// Sends the operators of this run, one after the other; some die.
  func sendOperators() {
    for number in 1...(1 + draw(3)) {
      let process = SimulatedProcess(
        "operator-\(number)",
        SimulatedClock(bootOffset: 7, realOffset: 1_700_000_000_000_000_000, driftMillionths: 0))
      let isBad = draw(4) < faults.badStarts
      runtime.spawn("main", in: process) { [self] in apply(number, process.name, isBad: isBad) }
      if draw(3) < faults.dyingOperators {
        pause(upToMilliseconds: 8_000)
        trace("\(process.name) killed")
        runtime.kill(process)
      }
      pause(upToMilliseconds: 20_000)
    }
  }

  /// The settings of one request; they enable encryption, in some runs.
  private func changes(_ number: Int, isBad: Bool) -> [SettingChange] {
    let region = SettingChange(
      name: "MINIO_REGION", value: Secret("\(isBad ? "bad" : "good")-\(number)"))
    return (faults.enables ? Self.enabling : []) + [region]
  }

  private static let enabling = [
    SettingChange(name: "MINIO_KMS_SERVER", value: Secret("https://kms-1.example.net:7373")),
    SettingChange(name: "MINIO_KMS_ENCLAVE", value: Secret("store")),
    SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-1")),
    SettingChange(
      name: "MINIO_KMS_API_KEY", value: Secret("k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw")),
  ]

  /// `keyturn apply`, tried again while it is refused.
  private func apply(_ number: Int, _ name: String, isBad: Bool) {
    let principal = Principal(cluster: Self.cluster, role: .operator, name: name)
    let links = inventory.memberNames.map { node in
      (
        name: node,
        link: WorldLink(network: network, caller: name, principal: principal, node: node)
          as any AgentLink
      )
    }
    let undertaking = Undertaking(inventory, createdBy: principal.author, members: links)
    var request = RolloutRequest(kind: .apply, changes: changes(number, isBad: isBad))
    if !isBad, draw(6) == 0 { request = RolloutRequest(kind: draw(2) == 0 ? .restart : .rollback) }
    for _ in 0..<3 {
      let plan = undertaking.ask(request)
      switch plan.verdict(isRestart: request.kind == .restart) {
      case .ready: break
      case .nothingToDo: return
      case .refused(let refusal, _):
        trace("\(name): refused: \(refusal.message)")
        pause(upToMilliseconds: 10_000)
        continue
      }
      if isBad { spoil(plan) }
      do throws(Refusal) {
        let end = try undertaking.run(
          request, on: plan, Interruption(), Observer(world: self, name: name))
        if end.result.decision != .abort { return }
      } catch { trace("\(name): \(error.message)") }
      pause(upToMilliseconds: 10_000)
    }
  }

  /// Some hosts cannot start with what was planned.
  private func spoil(_ plan: ClusterPlan) {
    for row in plan.rows where draw(2) == 0 {
      if let after = row.answer?.after, row.answer?.before != after {
        host(row.name)?.unstartable.insert(after)
      }
    }
  }

  /// Configuration management on one host: it proposes the same again and again, and takes it back at times.
  func manage(_ host: SimulatedHost) {
    guard faults.proposals > 0 else { return }
    for round in 0..<8 {
      pause(upToMilliseconds: 8_000)
      guard let program = host.program, let agent = host.agent else { continue }
      let request = RolloutRequest(
        kind: .apply, changes: changes(100 + round / 4 % faults.proposals, isBad: false))
      let isWithdrawn = draw(8) == 0
      runtime.spawn("local", in: program) { [self] in
        let response = agent.answerLocally(
          isWithdrawn
            ? HTTPRequest("POST", "/v1/proposal/withdraw")
            : HTTPRequest("POST", "/v1/proposal", body: JSON.encode(request)))
        trace("\(host.name): \(isWithdrawn ? "withdraws" : "proposes"): \(response.status)")
      }
    }
  }
}

/// Writes the trace, and checks what a coordinator says.
private struct Observer: UndertakingObserver {
  struct Watcher: RolloutWatcher {
    let world: World
    let name: String
    func changed(member: String, phase: Word<RolloutPhase>, detail: String) {
      world.trace("\(name): \(member) \(phase) \(detail)")
    }
    func committed(inNanoseconds: Int64) { world.trace("\(name): commit") }
    func tick() {}
  }
  let world: World
  let name: String
  func begins(_ rollout: Rollout) -> Watcher {
    world.trace("\(name): \(rollout.kind) \(rollout.id) begins")
    return Watcher(world: world, name: name)
  }
  func ended(_ rollout: Rollout, _ result: CoordinatorResult) {
    world.trace("\(name): \(rollout.id) \(result.summary)")
    world.told(result, of: rollout)
  }
}
