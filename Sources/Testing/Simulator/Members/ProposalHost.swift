// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Crypto
internal import Model
internal import Rollout

/// What configuration management may hand to the members: settings that make one content of every
/// file.
struct SimulatedSettings: Hashable {
  var content: Int
  var digest: Digest
  /// When a member was handed it last, in true time.
  var handed: Int64 = -1
}

/// The durable part of a member's own proposal.
struct SimulatedProposal: Hashable {
  var statement = MemberProposal(serial: 0, digest: nil)
  /// The proposal's number; -1 for none.
  var proposal = -1
}

/// What a member's root knows of its proposal, for the invariants.
enum Handed: Hashable {
  /// It holds this one; -1 for none.
  case holds(Int)
  /// It could not be written, or root was told nothing.
  case unknown
}

// Proposals from configuration management, as in Sources/Agent/Proposals/ProposalKeeper.swift.

extension World {
  private static let settingsDigests = (0..<16).map { Digest.ofFields(["proposal", String($0)]) }
  /// Nobody looks later than this after everything has healed.
  private static let patience: Int64 = 300_000_000_000

  mutating func makeSettings(key: Int) -> Int {
    let proposal = proposals.count
    if proposal == Self.settingsDigests.count { return proposal - 1 }
    contents.append(Content(key: key))
    proposals.append(
      SimulatedSettings(content: contents.count - 1, digest: Self.settingsDigests[proposal]))
    return proposal
  }

  func settingsIndex(_ digest: Digest?) -> Int? {
    digest.flatMap { digest in proposals.firstIndex { $0.digest == digest } }
  }

  // MARK: from the node

  /// `keyturn propose`.
  mutating func propose(_ m: Int, _ proposal: Int) {
    guard members[m].isUp else { return }
    let view = planView(m, .proposal(proposal))
    if view.refusal == .guarded || view.refusal == .file {
      note("m\(m) refuses proposal \(proposal)")
      return
    }
    note("m\(m) is handed proposal \(proposal)")
    members[m].handed = .unknown
    if intend(
      m, .proposed(proposals[proposal].digest, isInForce: view.isInForce), proposal: proposal)
    {
      members[m].handed = .holds(proposal)
      proposals[proposal].handed = now
    }
  }

  /// `keyturn propose --withdraw`.
  mutating func withdraw(_ m: Int) {
    guard members[m].isUp else { return }
    note("m\(m) is to withdraw its proposal")
    members[m].handed = .unknown
    if bug == .withdrawalForgotten || intend(m, .proposed(nil, isInForce: false)) {
      members[m].handed = .holds(-1)
    }
  }

  // MARK: the machine

  /// `take`: one input, and its effects in their order. False if its promise is not durable.
  @discardableResult
  mutating func intend(_ m: Int, _ input: ProposalsInput, proposal: Int? = nil) -> Bool {
    let before = members[m].proposals
    let effects = members[m].proposals.handle(input, at: members[m].clock(now))
    for effect in effects {
      if dies(m) { return false }
      switch effect {
      case .persist(let statement):
        var record = members[m].proposal
        record.statement = statement
        if let proposal { record.proposal = proposal }
        if statement.digest == nil { record.proposal = -1 }
        let fails = diskFails(m)
        if !fails || (now >= members[m].diskIsFullUntil && random.below(2) == 0) {
          members[m].disk.proposal = record
          said(m, statement)
        }
        if fails {
          note("m\(m) cannot write its proposal")
          members[m].proposals = before
          return false
        }
        members[m].proposal = record
        note(
          "m\(m) proposes \(record.proposal), serial \(statement.serial)\(statement.isInForce ? ", in force" : "")"
        )
      case .tell(let name, let statement):
        guard let to = Self.names.firstIndex(of: name) else { continue }
        call(Call(from: m, to: to, age: members[m].run, rollout: -1, request: .tell(statement)))
      case .wake(let instant):
        members[m].proposalSerial += 1
        if !isFaulty, now > healedAt + Self.patience { continue }
        schedule(
          .intend(member: m, serial: members[m].proposalSerial),
          after: Int(max(0, members[m].time(instant) - now)))
      case .begin(let digest):
        checkBegin(m, digest)
        schedule(
          .beginSettings(member: m, run: members[m].run, proposal: settingsIndex(digest) ?? -1),
          after: 0)
      }
    }
    return true
  }

  /// Another member has reported its proposal.
  mutating func heard(_ m: Int, _ from: Int, _ statement: MemberProposal) {
    intend(m, .heard(member: Self.names[from], statement))
    guard bug == .begunBeforeAllHold, members[m].isUp, members[m].proposals.isFirst else { return }
    // The bug: a member that was not heard of is taken to propose the same.
    for other in members.indices where other != m && members[m].proposals[Self.names[other]] == nil
    {
      intend(
        m, .heard(member: Self.names[other], MemberProposal(serial: 1, digest: statement.digest)))
      if !members[m].isUp { return }
    }
  }

  /// `proposalSeen`: the first member has asked this one to plan its own proposal.
  mutating func proposalSeen(_ m: Int, _ proposal: Int, _ view: PlanView) {
    guard view.isInForce else { return }
    intend(m, .found(proposals[proposal].digest))
  }

  /// `proposalEnded`: a committed rollout has ended here. False if the proposal's end is not
  /// durable.
  mutating func proposalEnded(_ m: Int, _ finished: FinishedRollout) -> Bool {
    let proposal = finished.rollout.proposal
    if finished.outcome.kind == .confirmed {
      return intend(m, .committed(proposal))
    }
    if let proposal, members[m].proposals.own.digest == proposal, bug != .failedSettingsStay {
      // Not rolled out again.
      return intend(m, .proposed(nil, isInForce: false))
    }
    return true
  }

  /// A plan's checks have ended.
  mutating func planned(_ index: Int, _ attempt: Int, _ run: Int) {
    let call = calls[index]
    guard case .plan(let kind) = call.request, isAlive(call.to, run) else { return }
    let view = planView(call.to, kind)
    if case .proposal(let proposal) = kind {
      proposalSeen(call.to, proposal, view)
      if !isAlive(call.to, run) { return }
    }
    answer(index, attempt, .plan(view))
  }

  // MARK: the rollout

  /// `begin`: all members propose this.
  mutating func beginSettings(_ m: Int, _ proposal: Int) {
    guard proposal >= 0, members[m].proposal.proposal == proposal else { return }
    note("m\(m): all propose \(proposal)")
    undertake(Undertaking(host: m, goal: .proposal(proposal)), .proposal(proposal))
  }

  /// Every member has answered the plan.
  mutating func proposalPlanned(_ u: Int, _ proposal: Int) {
    if refusal(of: u) != nil { return proposalFailed(u, proposal) }
    let plans = undertakings[u].plans.compactMap(\.self)
    if plans.allSatisfy({ $0.file == $0.after && !$0.isRestartNeeded }) { return leave(u) }
    begin(
      u, .apply, content: proposals[proposal].content, previous: plans[0].file, proposal: proposal)
  }

  mutating func proposalFailed(_ u: Int, _ proposal: Int) {
    let m = undertakings[u].host
    leave(u)
    note("what all have proposed came to nothing")
    members[m].refused = proposal
    intend(m, .refused(proposals[proposal].digest))
  }

  // MARK: what a member may ask of another

  /// `permitCoordination`.
  func isPermitted(_ m: Int, from node: Int, _ rollout: Rollout) -> Bool {
    if node >= members.count { return true }
    switch rollout.kind {
    case .rollback: return mayUndo(m, rollout.undoes)
    case .apply:
      return rollout.proposal != nil && members[m].proposals.own.digest == rollout.proposal
    case .restart: return false
    }
  }

  func isPermitted(_ m: Int, from node: Int, _ kind: PlanKind) -> Bool {
    if node >= members.count { return true }
    switch kind {
    case .command: return false
    case .proposal(let proposal):
      return members[m].proposals.own.digest == proposals[proposal].digest
    case .undo(let index): return mayUndo(m, histories[index].rollout.id)
    }
  }

  private func mayUndo(_ m: Int, _ id: String?) -> Bool {
    guard bug != .undoneTwice else { return true }
    let last = members[m].participant.record.lastCommitted?.rollout
    return last != nil && last?.id == id && last?.kind == .apply && last?.rollback == .whenSafe
  }

  /// `assess`, for a plan.
  func planView(_ m: Int, _ kind: PlanKind) -> PlanView {
    let record = members[m].participant.record
    let file = members[m].disk.file
    var view = PlanView(epoch: record.highestEpoch, file: file, after: file, life: members[m].life)
    switch kind {
    case .command: return view
    case .proposal(let proposal): view.after = proposals[proposal].content
    case .undo(let index):
      guard bug == .undoneTwice || record.lastCommitted?.rollout.id == histories[index].rollout.id
      else {
        view.refusal = .vote
        return view
      }
      view.after = histories[index].previous
    }
    view.isRestartNeeded = !isRunning(m) || members[m].unit.content != view.after
    if file < 0 {
      view.refusal = .file
    } else if !isAllowed(m, view.after) {
      view.refusal = .guarded
    } else if contents[view.after].key != 0, isKeyManagerAway {
      view.refusal = .keyManager
    }
    view.isBusy = record.active != nil
    return view
  }
}
