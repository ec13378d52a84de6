// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Agent
internal import Coordination
internal import Crypto
internal import Fibers
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// What must hold whatever happens.
extension World {
  /// A member's record was written.
  func promised(_ host: SimulatedHost) {
    guard let record = host.promised else { return }
    if let active = record.active {
      switch active.stage {
      case .committed, .watching:
        note(active.rollout, .commit)
        if active.promised != .coordinator { reached.insert(.recoveredCommit) }
        decided(active.rollout.id, .commit, host.name)
      case .prepared, .accepted: break
      }
    }
    for finished in [record.last, record.lastCommitted].compactMap(\.self) {
      let decision: Decision = finished.outcome.kind == .aborted ? .abort : .commit
      note(finished.rollout, decision)
      if finished.outcome.reason.contains("the coordinator went away") {
        reached.insert(.recoveredAbort)
      }
      decided(finished.rollout.id, decision, host.name)
    }
  }

  /// An agent was killed.
  func killed(_ host: SimulatedHost) {
    switch host.promised?.active?.stage {
    case .prepared: reached.insert(.killedPrepared)
    case .accepted: reached.insert(.killedAccepted)
    case .committed: reached.insert(.killedCommitted)
    case .watching: reached.insert(.killedWatching)
    case nil: break
    }
  }

  private func note(_ rollout: Rollout, _ decision: Decision) {
    let isByMember = inventory.memberNames.contains { rollout.createdBy.contains($0) }
    switch decision {
    case .commit:
      reached.insert(.committed)
      if isByMember, rollout.kind == .apply { reached.insert(.proposed) }
      if rollout.kind == .rollback { reached.insert(.rolledBack) }
      if rollout.seal != nil { reached.insert(.sealed) }
    case .abort: reached.insert(.aborted)
    }
  }

  private func decided(_ id: String, _ decision: Decision, _ member: String) {
    guard let known = decisions[id] else {
      decisions[id] = (decision, member)
      return
    }
    if known.decision != decision {
      violate("rollout \(id): \(known.decision) on \(known.member), \(decision) on \(member)")
    }
  }

  /// What a coordinator says at its end must be so.
  func told(_ result: CoordinatorResult, of rollout: Rollout) {
    if let decision = result.decision { decided(rollout.id, decision, "its coordinator") }
  }

  /// The agent has systemd restart the server.
  func restartOrdered(_ host: SimulatedHost) {
    guard let active = host.promised?.active, case .committed = active.stage else {
      return violate("\(host.name): a restart without a commit")
    }
    let key = "\(host.boot) \(active.rollout.id)"
    let count = (host.restarts[key] ?? 0) + 1
    host.restarts[key] = count
    if count > 1 {
      violate("\(host.name): restart \(count) for rollout \(active.rollout.id)")
    }
  }

  /// A staged file takes the place of the file.
  func installed(on host: SimulatedHost, _ tag: String, _ after: Digest) {
    guard let active = host.promised?.active, case .committed = active.stage else {
      return violate("\(host.name): a file was replaced without a commit")
    }
    if active.rollout.content(of: host.name)?.after != after {
      violate("\(host.name): another file was put in place than rollout \(active.rollout.id) has")
    }
  }

  /// After everything has healed, in bounded time: nobody is in a rollout, every server runs with what its file says
  /// unless a result says why not, and what the agents tell is so.
  func inspect() {
    let observer = Principal(cluster: Self.cluster, role: .observer, name: "inspector")
    var isConfirmed = true
    for host in hosts {
      let link = WorldLink(
        network: network, caller: "inspector", principal: observer, node: host.name)
      do throws(LinkFailure) {
        let status = try link.call(.status, lane: .control, deadline: .inMilliseconds(10_000))
        check(status, of: host)
        if let last = host.promised?.lastCommitted {
          let view = try link.call(
            .follow(id: last.rollout.id, after: 0, waitMilliseconds: 0), lane: .control,
            deadline: .inMilliseconds(10_000))
          check(host, last, view.rolloutResult)
          isConfirmed = isConfirmed && last.outcome.kind == .confirmed
        } else if !host.isServing {
          violate("\(host.name): the server does not run, and nothing was committed")
        }
      } catch { violate("\(host.name): \(error.refusal.message)") }
      if !host.staged.isEmpty { violate("\(host.name): a staged file was left") }
    }
    let files = Set(hosts.map { $0.files[SimulatedHost.environmentFile] ?? [] })
    if isConfirmed, files.count > 1 {
      violate("the files differ, and every node has confirmed its last rollout")
    }
    isInspected = true
  }

  private func check(_ status: NodeStatus, of host: SimulatedHost) {
    if let active = status.activeRollout {
      violate(
        "\(host.name): still in rollout \(active), \(status.activeStage.map { "\($0)" } ?? "")")
    }
    if status.activeState != host.unit.activeState {
      violate("\(host.name): status says \(status.activeState), it is \(host.unit.activeState)")
    }
    if host.isServing,
      host.environment
        != SimulatedHost.variables(host.files[SimulatedHost.environmentFile] ?? [])
    {
      violate("\(host.name): the server runs with another environment than its file has")
    }
  }

  /// A server does not run only where its last rollout has said so, and why everything is held.
  private func check(_ host: SimulatedHost, _ last: FinishedRollout, _ result: RolloutResult?) {
    guard let result else {
      return violate("\(host.name): no result of rollout \(last.rollout.id)")
    }
    let isAllGood = last.outcome.kind == .confirmed
    let file = host.files[SimulatedHost.environmentFile].map(Digest.sha256)
    if isAllGood, file != last.rollout.content(of: host.name)?.after {
      violate("\(host.name): \(last.rollout.id) was confirmed, and the file is another")
    }
    if result.kind == .confirmed, !isAllGood {
      violate("\(host.name): \(last.rollout.id) is confirmed on all nodes, and not here")
    }
    if result.kind == .held { reached.insert(.held) }
    if host.isServing { return }
    if host.unit.activeState == "inactive", host.records["hold"] == nil {
      violate("\(host.name): the server is stopped, and nothing holds it")
    }
    if isAllGood {
      violate(
        "\(host.name): its start by \(last.rollout.id) was confirmed, and the server does not run")
    }
    if result.kind != .held || result.reason.isEmpty {
      violate("\(host.name): the server does not run, and the result is \(result.kind)")
    }
  }
}
