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

/// What must hold whatever happens.
extension World {
  /// A member's record was written.
  func promised(_ host: SimulatedHost) {
    guard let record = host.promised else { return }
    if record.highestEpoch < host.history.epoch, host.history.isUntouched {
      violate(
        "\(host.name): its epoch falls from \(host.history.epoch) to \(record.highestEpoch)")
    }
    host.history.epoch = max(host.history.epoch, record.highestEpoch)
    if let active = record.active {
      voted(host, active.rollout)
      if RolloutStep(active) == faults.killedAt, isStormy, chance(128) { host.isDoomed = true }
      switch active.stage {
      case .committed, .watching:
        note(active.rollout, .commit)
        if active.promised != .coordinator { reached.insert(.recoveredCommit) }
        committed(active.rollout)
        if decisions[active.rollout.id] == nil { checkMembers(of: active.rollout) }
        decided(active.rollout.id, .commit, host.name)
      case .prepared, .accepted: break
      }
    }
    if faults.killedAt == .ended, isStormy, record.active == nil, let last = record.lastCommitted,
      host.history.ended != last.rollout.id
    {
      host.isDoomed = true
    }
    host.history.ended = record.lastCommitted?.rollout.id
    for finished in [record.last, record.lastCommitted, record.lastChange].compactMap(\.self) {
      let decision: Decision = finished.outcome.kind == .aborted ? .abort : .commit
      note(finished.rollout, decision)
      noteProposal(finished, on: host)
      if finished.outcome.reason.contains("the coordinator went away") {
        reached.insert(.recoveredAbort)
      }
      decided(finished.rollout.id, decision, host.name)
    }
    if let last = record.lastCommitted { foundInForce(host, last) }
  }

  /// Nothing was restarted, and the server that runs was confirmed: it runs with what the file says.
  private func foundInForce(_ host: SimulatedHost, _ last: FinishedRollout) {
    guard !last.rollout.restartsServers, last.rollout.change == nil,
      last.outcome.kind == .confirmed,
      host.history.looks.insert(last.rollout.id).inserted, host.isServing,
      host.files[SimulatedHost.environmentFile].map(Digest.sha256)
        == last.rollout.content(of: host.name)?.after
    else { return }
    if host.environment != host.fileVariables {
      violate(
        "\(host.name): \(last.rollout.id) was confirmed without a restart, and its server runs with something else"
      )
    }
  }

  /// A member has voted yes, perhaps just now.
  private func voted(_ host: SimulatedHost, _ rollout: Rollout) {
    guard host.history.votes.insert(rollout.id).inserted else { return }
    checkVoter(host, rollout)
    // The checks before the vote are that old at the most.
    if rollout.change == nil, let since = keyIsWrongSince,
      runtime.now - since > Self.voteNanoseconds
    {
      violate("\(host.name): votes while the Key Managers have another key: \(rollout.id)")
    }
    guard let proposal = rollout.proposal,
      hosts.contains(where: { rollout.createdBy.contains($0.name) })
    else { return }
    for other in hosts
    where rollout.members.contains(other.name) && other.history.isUntouched
      && !other.history.handed.contains(proposal)
    {
      violate("\(rollout.id) rolls out what nobody has proposed on \(other.name)")
    }
    if let failed = host.history.failed[proposal], failed != rollout.id {
      violate("\(host.name): votes for what failed in \(failed), once more: \(rollout.id)")
    }
    switch host.history.proposal {
    case .unknown: break
    case .nothing:
      violate("\(host.name): votes for a proposal that was withdrawn here: \(rollout.id)")
    case .settings(let held) where held != proposal:
      violate("\(host.name): votes for another proposal than it was told: \(rollout.id)")
    case .settings: break
    }
  }

  /// How long the checks before a vote may take at the most: probes and questions to the other nodes.
  static let voteNanoseconds: Int64 = 15_000_000_000

  /// How a rollout ended, and with it what it brought.
  private func noteProposal(_ finished: FinishedRollout, on host: SimulatedHost) {
    let (rollout, outcome) = (finished.rollout, finished.outcome.kind)
    if outcome == .aborted { return }
    if let proposal = rollout.proposal, outcome != .confirmed {
      host.history.failed[proposal] = rollout.id
      reached.insert(.proposalFailed)
    } else if rollout.undoes == nil, outcome == .confirmed {
      // Somebody may have put it in force by hand.
      host.history.failed = [:]
    }
  }

  /// An agent was killed.
  func killed(_ host: SimulatedHost) {
    if host.records["hold"] != nil { reached.insert(.killedHeld) }
    switch host.promised?.active.map(RolloutStep.init) {
    case .prepared: reached.insert(.killedPrepared)
    case .accepted: reached.insert(.killedAccepted)
    case .committed, .rollbackCommitted: reached.insert(.killedCommitted)
    case .watching: reached.insert(.killedWatching)
    case .rollbackPrepared, .rollbackAccepted: reached.insert(.rollbackInDoubt)
    case .held, .installed, .restarted, .ended, nil: break
    }
  }

  private func note(_ rollout: Rollout, _ decision: Decision) {
    let isByMember = hosts.contains { rollout.createdBy.contains($0.name) }
    switch decision {
    case .commit:
      reached.insert(.committed)
      if isByMember, rollout.kind == .apply { reached.insert(.proposed) }
      if rollout.kind == .rollback { reached.insert(.rolledBack) }
      if !rollout.restartsServers, rollout.change == nil { reached.insert(.withoutRestart) }
      if let undone = rollout.undoes {
        reached.insert(.rolledBackByItself)
        let first = takenBack[undone] ?? rollout.id
        takenBack[undone] = first
        if first != rollout.id {
          violate("rollout \(undone) is taken back by \(first), and by \(rollout.id)")
        }
      }
      if rollout.seal != nil { reached.insert(.sealed) }
    case .abort: reached.insert(.aborted)
    }
  }

  private func decided(_ id: String, _ decision: Decision, _ member: String) {
    guard let known = decisions[id] else {
      decisions[id] = (decision, member)
      if decision == .commit, isStormy, chance(faults.coordinatorsKilledOf256) {
        killCoordinator(of: id)
      }
      return
    }
    if known.decision != decision {
      violate("rollout \(id): \(known.decision) on \(known.member), \(decision) on \(member)")
    }
  }

  private func killCoordinator(of id: String) {
    let rollouts = hosts.compactMap { $0.promised?.active?.rollout }
    guard let author = rollouts.first(where: { $0.id == id })?.createdBy,
      let process = operators[author], process.isAlive
    else { return }
    trace("\(author) killed at its commit")
    runtime.kill(process)
  }

  /// What a command's exit status says must be so (docs/use/cli.md).
  func told(_ status: Int32, _ events: [WorldCommand.Event], _ who: String) {
    let rollback = events.last { $0.event == "rollback" }?.id
    guard let id = events.last(where: { $0.event == "rollout" })?.id else { return }
    switch status {
    case 0:
      decided(id, .commit, who)
      confirmed(id, who)
    case 9, 11: decided(id, .commit, who)
    case 10:
      decided(id, .commit, who)
      if let rollback {
        decided(rollback, .commit, who)
        confirmed(rollback, who)
      }
    case 4...8, 75: decided(id, .abort, who)
    default: break
    }
  }

  /// Somebody says that every start of it was confirmed.
  private func confirmed(_ id: String, _ who: String) {
    for host in hosts {
      guard let end = host.promised?.finished(id) else { continue }
      if end.outcome.kind != .confirmed {
        violate(
          "\(who) says that \(id) is confirmed, and on \(host.name) it is \(end.outcome.kind)")
      }
    }
  }

  /// Nobody may see the API key who does not need it.
  func checkNoSecret(_ text: String, _ place: @autoclosure () -> String) {
    checkNoSecret(Array(text.utf8), place())
  }

  func checkNoSecret(_ bytes: [UInt8], _ place: @autoclosure () -> String) {
    let secret = Array(Self.apiKey.utf8.dropFirst(3))
    let isFound = bytes.withUnsafeBufferPointer { text in
      var start = 0
      while start + secret.count <= text.count {
        if text[start] == secret[0], text[start..<(start + secret.count)].elementsEqual(secret) {
          return true
        }
        start += 1
      }
      return false
    }
    if isFound { violations.append("the API key is in \(place())") }
  }

  /// systemd starts the server's process.
  func started(on host: SimulatedHost, _ environment: [EnvironmentVariable]) {
    checkWhole(host)
    let key = environment.last { $0.name == "MINIO_KMS_SSE_KEY" }?.value
    if let sealed = host.sealedKey, key != sealed {
      violate("\(host.name): a server is started with \(key ?? "no key"), \(sealed) is sealed")
    }
  }

  /// The agent has systemd restart the server.
  func restartOrdered(_ host: SimulatedHost) {
    guard let active = host.promised?.active, case .committed = active.stage else {
      return violate("\(host.name): a restart without a commit")
    }
    if !active.rollout.restartsServers {
      violate("\(host.name): a restart for rollout \(active.rollout.id), which restarts nothing")
    }
    if faults.killedAt == .restarted, isStormy { host.isDoomed = true }
    let key = "\(host.boot) \(active.rollout.id)"
    let count = (host.history.restarts[key] ?? 0) + 1
    host.history.restarts[key] = count
    if count > 1 {
      violate("\(host.name): restart \(count) for rollout \(active.rollout.id)")
    }
  }

  /// The file is one that somebody has made, to its last byte.
  func checkWhole(_ host: SimulatedHost) {
    guard host.history.isUntouched, let file = host.files[SimulatedHost.environmentFile] else {
      return
    }
    if !wholeFiles.contains(Digest.sha256(file)) {
      violate("\(host.name): the file is none that was ever put in place")
    }
  }

  /// A staged file takes the place of the file.
  func installed(on host: SimulatedHost, _ bytes: [UInt8], _ after: Digest) {
    guard let active = host.promised?.active, case .committed = active.stage else {
      return violate("\(host.name): a file was replaced without a commit")
    }
    if active.rollout.content(of: host.name)?.after != after {
      violate("\(host.name): another file was put in place than rollout \(active.rollout.id) has")
    }
    wholeFiles.insert(after)
    if faults.killedAt == .installed, isStormy { host.isDoomed = true }
    let key = SimulatedHost.variables(bytes).last { $0.name == "MINIO_KMS_SSE_KEY" }?.value
    for other in hosts {
      if let sealed = other.sealedKey, sealed != key {
        violate("\(host.name): a file with \(key ?? "no key") is put in place, \(sealed) is sealed")
      }
      // A host that was left out of the cluster for good, and comes back with what somebody wrote there, is not in it.
      guard active.rollout.kind == .rollback, active.rollout.members.contains(other.name) else {
        continue
      }
      if let used = other.encryptedWith.sorted().first(where: { $0 != key }) {
        violate(
          "\(host.name): goes back to \(key ?? "no key"), \(other.name) encrypts with \(used)")
      }
    }
  }
}
