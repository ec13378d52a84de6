// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Agent
internal import Coordination
internal import Crypto
internal import Fibers
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

/// What must hold when everything has healed.
extension World {
  /// The rollouts that members are in and whose decision they do not know.
  func inDoubt() -> [(host: String, rollout: String)] {
    hosts.compactMap { host in
      guard !host.isPromiseUnknown, let active = host.promised?.active else { return nil }
      switch active.stage {
      case .prepared, .accepted: return (host.name, active.rollout.id)
      case .committed, .watching: return nil
      }
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
        if !isMember(host) { continue }
        if let last = host.promised?.lastCommitted {
          let view = try link.call(
            .follow(id: last.rollout.id, after: 0, waitMilliseconds: 0), lane: .control,
            deadline: .inMilliseconds(10_000))
          check(host, last, view.rolloutResult)
          isConfirmed = isConfirmed && last.outcome.kind == .confirmed
        } else if !host.isServing, host.history.isUntouched,
          // Where a node has joined with a file older than the seal, the next start is refused, and status says so.
          !status.findings.contains(where: { $0.rule == "start-guard" })
        {
          violate("\(host.name): the server does not run, and nothing was committed")
        }
      } catch { violate("\(host.name): \(error.refusal.message)") }
      checkWhole(host)
      // An agent that has lost what it promised does not know whether a file is still to be put in place.
      if !host.staged.isEmpty, !host.damaged.contains("rollout") {
        violate("\(host.name): a staged file was left")
      }
    }
    // A node that has just joined has not been in a rollout of files yet.
    let members = hosts.filter { isMember($0) }
    let alike = members.filter { !changesMembers || $0.promised?.lastCommitted != nil }
    let files = Set(alike.filter(\.history.isUntouched).map(\.fileVariables))
    if isConfirmed, files.count > 1 {
      violate("the files differ, and every node has confirmed its last rollout")
    }
    let status = inspectorsCommand().run(["status", "--json"])
    // A file that somebody has edited is told, and for people to judge.
    let isWell = members.allSatisfy {
      $0.isServing && ($0.environment == $0.fileVariables || $0.history.isEdited)
    }
    if status == 0, !isWell { violate("keyturn status exits with 0, and not everything is well") }
    inspectMembers()
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
    if let last = host.promised?.lastCommitted, last.outcome.kind == .confirmed,
      host.history.isUntouched
    {
      if status.generation?.number != last.rollout.generation {
        violate(
          "\(host.name): generation \(last.rollout.generation) was confirmed, and is not kept")
      }
      if host.fileVariables.contains(where: { $0.name == "MINIO_KMS_SSE_KEY" }),
        host.sealedKey == nil
      {
        violate("\(host.name): a start with a key was confirmed, and no key is sealed")
      }
    }
    if host.isServing, host.environment != host.fileVariables {
      if !host.history.isEdited, host.promised?.lastCommitted?.outcome.kind == .confirmed {
        violate("\(host.name): the server runs with another environment than its file has")
      }
      if status.drift.items ?? [] == [] {
        violate("\(host.name): status does not say that the file is not what the server runs with")
      }
    }
  }

  /// A server does not run only where its last rollout has said so, and why everything is held.
  private func check(_ host: SimulatedHost, _ last: FinishedRollout, _ result: RolloutResult?) {
    if !host.history.isUntouched { return }
    guard let result else {
      return violate("\(host.name): no result of rollout \(last.rollout.id)")
    }
    if result.by == Self.stranger.author {
      violate("\(host.name): somebody without a part in \(last.rollout.id) has told its result")
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
    if result.by.hasPrefix("node/"), !last.rollout.createdBy.hasPrefix("node/") {
      reached.insert(.collectedByMember)
    }
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
