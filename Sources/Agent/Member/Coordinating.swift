// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import HTTP
internal import JSONCoding
internal import Model
internal import Rollout
internal import Threads

/// What a coordinator on this member needs.
extension Agent {
  /// A link to each member: to the others through ``Peers``, and so never over more than its few
  /// connections; to this one without any.
  private var memberLinks: [(name: String, link: any AgentLink)] {
    inventory.memberNames.map { name in
      (name, name == node ? OwnLink(agent: self) : peers.link(to: name))
    }
  }

  /// This agent, as a node's certificate says who it is.
  var principal: Principal { Principal(cluster: inventory.cluster, role: .node, name: node) }

  /// A rollout with this member as its coordinator.
  var undertaking: Undertaking {
    Undertaking(
      inventory, createdBy: principal.author, members: memberLinks, atOnce: Limits.peersAtOnce)
  }

  /// Logs what followed from a rollout that this member has coordinated, or collected.
  func log(_ aftermath: Undertaking.Aftermath, of rollout: Rollout) {
    let (priority, words): (LogPriority, String) =
      switch aftermath {
      case .confirmed: (.information, "confirmed on all nodes")
      case .held(let reason): (.warning, "held as it is: \(reason)")
      case .rolledBack(let back, let result):
        (
          result.ending == .confirmed ? .notice : .error,
          "rolled back by \(back.id): \(result.summary)"
        )
      case .elsewhere(let reason): (.notice, reason)
      }
    ports.log(priority, "rollout \(rollout.id): \(words)")
  }

  /// Whether a caller may have this agent plan, or vote on, a rollout. An operator may. A node may only
  /// carry out what was decided before: take back the last rollout, as its own policy says, or bring
  /// what this node's own root has proposed.
  func permitCoordination(
    _ principal: Principal, _ request: RolloutRequest
  ) throws(Refusal) {
    try permitCoordinator(principal)
    if principal.role == .operator { return }
    switch request.kind {
    case .rollback:
      let last = state.withLock { $0.participant.record.lastCommitted }
      if request.generation == nil, request.changes.isEmpty, let last,
        last.rollout.id == request.undoes,
        last.rollout.kind == .apply, last.rollout.rollback == .whenSafe, isOpen(last)
      {
        return
      }
    case .apply:
      let proposal = request.proposal(cluster: inventory.cluster)
      if state.withLock({ $0.proposals.own.digest }) == proposal { return }
    case .restart: break
    }
    throw Refusal(
      .notPermitted,
      "the node \(principal.name) may ask \(node) only for what was proposed on \(node) itself, or for the rollback of its last rollout where that is \"when-safe\" and was not confirmed"
    )
  }

  /// Whether what becomes of a committed rollout is still to be seen, as far as this member can know
  /// by itself. What was confirmed on all members, and what somebody decided to hold, is an operator's
  /// to take back.
  private func isOpen(_ finished: FinishedRollout) -> Bool {
    let id = finished.rollout.id
    let (rolloutResult, isCollecting) = state.withLock { state in
      (state.settled.first { $0.rollout == id }?.rolloutResult, state.collecting?.id == id)
    }
    switch rolloutResult?.kind {
    case .confirmed, .held: return false
    case .rollingBack: return true
    // Its own start is good, and nobody asks any more how the others' were.
    case nil: return isCollecting || finished.outcome.kind != .confirmed
    }
  }
}

extension Agent {
  /// Whether a caller may coordinate anything at all.
  func permitCoordinator(_ principal: Principal) throws(Refusal) {
    try permit(principal, [.operator, .node])
  }
}

/// The way from the coordinator to the member that hosts it.
private struct OwnLink: AgentLink {
  let agent: Agent

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    let call = request.call
    let response = agent.answer(
      HTTPRequest(
        call.method, call.path, query: call.query, body: call.body.map { JSON.encode($0) } ?? []),
      from: agent.principal)
    let no: ErrorAnswer
    do throws(JSONFailure) {
      if response.status == 200 { return try JSON.decode(Answer.self, from: response.body) }
      no = try JSON.decode(ErrorAnswer.self, from: response.body)
    } catch { no = ErrorAnswer(kind: .failed, message: "\(call.method) \(call.path): \(error)") }
    throw .answered(no)
  }
}

/// Writes into the agent's log what an operator would see.
struct LoggingObserver: UndertakingObserver {
  let node: String
  let log: @Sendable (_ priority: LogPriority, _ message: String) -> Void

  func begins(_ rollout: Rollout) -> LoggingWatcher {
    if let undone = rollout.undoes {
      log(
        .warning,
        "rollout \(undone) was not confirmed on all nodes: \(node) rolls it back with \(rollout.id)"
      )
    } else {
      log(.notice, "all nodes have proposed the same: rollout \(rollout.id) begins")
    }
    return LoggingWatcher(rollout: rollout.id, log: log)
  }
  func ended(_ rollout: Rollout, _ result: CoordinatorResult) {}
}

struct LoggingWatcher: RolloutWatcher {
  let rollout: String
  let log: @Sendable (_ priority: LogPriority, _ message: String) -> Void

  mutating func changed(member: String, phase: String, detail: String) {
    switch phase {
    case "refused", "unreachable", "failed", "timedOut", "confirmed":
      log(
        .information,
        "rollout \(rollout): \(member): \(phase)" + (detail.isEmpty ? "" : ": \(detail)"))
    default: break
    }
  }
  mutating func committed(inNanoseconds: Int64) {
    log(.information, "rollout \(rollout): all nodes voted yes")
  }
  mutating func tick() {}
  mutating func end() {}
}
