// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import HTTP
internal import JSONCoding
internal import Model
internal import Rollout
internal import Threads

/// What a coordinator on this member needs: this member is asked as all others are, without a connection.
final class OwnCoordination: Sendable {
  typealias Answer = @Sendable (HTTPRequest, Principal) -> HTTPResponse?

  private let site: Site
  /// How this agent answers; nil until it is whole, and once it is gone.
  private let answer = Lock<Answer?>(nil)

  init(_ site: Site) { self.site = site }

  func ask(_ answer: @escaping Answer) { self.answer.update { $0 = answer } }

  /// A link to each member: to the others through ``Peers``, and so never over more than its few
  /// connections; to this one without any.
  private func links(
    to members: [String]
  ) -> [(name: String, link: any AgentLink)] {
    let own = OwnLink(principal: site.principal, answer: answer.withLock { $0 })
    return members.map { name in
      (name, name == site.node ? own : site.peers.link(to: name))
    }
  }

  /// A rollout with this member as its coordinator.
  var undertaking: Undertaking {
    let inventory = site.inventory
    return Undertaking(
      inventory, createdBy: site.principal.author, members: links(to: inventory.memberNames),
      atOnce: Limits.peersAtOnce)
  }

  /// Who logs how it goes on.
  var observer: LoggingObserver { LoggingObserver(node: site.node, log: site.ports.log) }

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
    site.log(priority, "rollout \(rollout.id): \(words)")
  }
}

/// The way from the coordinator to the member that hosts it.
private struct OwnLink: AgentLink {
  let principal: Principal
  let answer: OwnCoordination.Answer?

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    guard let response = answer?(request.message, principal) else {
      throw .unreachable("the agent is not there")
    }
    do throws(Refusal) { return try request.answer(in: response) } catch { throw .answered(error) }
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

  mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String) {
    switch phase.known {
    case .refused, .unreachable, .failed, .timedOut, .confirmed:
      log(
        .information,
        "rollout \(rollout): \(member): \(phase.text)" + (detail.isEmpty ? "" : ": \(detail)"))
    default: break
    }
  }
  mutating func committed(inNanoseconds: Int64) {
    log(.information, "rollout \(rollout): all nodes voted yes")
  }
  mutating func tick() {}
  mutating func end() {}
}
