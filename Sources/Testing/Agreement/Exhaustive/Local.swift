// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// What a process may do by itself, or with a message.
enum Move: Hashable, Sendable {
  case receive(Int)
  case die
  case wake
  case endChecks(isGood: Bool)
  case endPatience
  case fire
  case endStart
  /// The coordinator's.
  case timer(CoordinatorTimer)
}

/// One process as it is: a member, or the coordinator. What decides its future, and what is checked of it.
struct Local: Hashable, Sendable {
  enum Process: Hashable, Sendable {
    case member(Node)
    case coordinator(CoordinatorHost)
  }

  var process: Process
  /// How many ballots of recovery it may begin yet.
  var ballots = 0
  var known: Decision?
  var hasVoted = false

  /// Leaves out what decides nothing any more.
  mutating func forget(before now: Instant) {
    if known != nil { ballots = 0 }
    let isFinal = isFinal
    switch process {
    case .member(var node):
      switch node.participant.record.active?.stage {
      case .prepared, .accepted: if node.agent.wake != nil { node.agent.wake = now }
      case .committed, .watching, nil: node.agent.wake = nil
      }
      if isFinal { node.run = 0 }
      process = .member(node)
    case .coordinator(var host):
      // Each belongs to one state of the coordinator, which never comes back; a heartbeat only puts off what may
      // come at any moment here.
      host.timers.removeAll { timer in
        var machine = host.machine
        return timer.timer == .beat
          || (machine.handle(.fired(timer.timer), at: now).isEmpty && machine == host.machine)
      }
      if isFinal {
        host = CoordinatorHost(course: host.course, host.machine.rollout, .none)
        host.isOver = true
      }
      process = .coordinator(host)
    }
  }

  /// Nothing that it does is seen by anybody else, but for the answers that it always gives.
  var isFinal: Bool {
    switch process {
    case .member(let node):
      known != nil && node.durable.active == nil && node.agent.voters.isEmpty
        && node.agent.checks.isEmpty
    // What it hears from here on changes what it reports of single members, and no decision.
    case .coordinator(let host): known != nil || host.isOver
    }
  }
}

extension Message {
  /// Without what whoever hears it does not look at.
  var plain: Message {
    let none = RecoveryQuestion.decide(.commit, reason: "")
    let content: Content =
      switch self.content {
      case .answer(_, .ended(let outcome)): .answer(none, .ended(outcome))
      case .answer(_, .committed): .answer(none, .committed)
      case .answer(_, .outranked(let ballot)): .answer(none, .outranked(ballot))
      case .acceptAnswer(.outranked): .acceptAnswer(.outranked(.coordinator))
      default: self.content
      }
    return Message(rollout: rollout, from: from, to: to, run: run, content: content)
  }
}
