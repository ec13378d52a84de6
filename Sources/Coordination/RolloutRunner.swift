// SPDX-License-Identifier: Apache-2.0
internal import API
internal import FaultPoints
package import Crypto
internal import Linux
package import Model
package import Rollout
internal import Threads

/// Who watches a rollout. Called from the runner's thread only.
package protocol RolloutWatcher {
  mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String)
  /// The decision is commit; all restart in so many nanoseconds.
  mutating func committed(inNanoseconds: Int64)
  /// At least twice a second.
  mutating func tick()
  /// Nothing else is called after this.
  mutating func end()
}

extension RolloutWatcher {
  package mutating func end() {}
}

/// Hosts the ``Coordinator``: carries out its effects over the links to the agents, and feeds the
/// answers back.
///
/// One thread per member and lane sends that member's messages in their order; the caller's thread
/// owns the machine and the timers. Messages go out to all members at once, each on connections of
/// its own.
package struct RolloutRunner: Sendable {
  let rollout: Rollout
  let request: RolloutRequest
  let seals: [SealView]
  let program: Digest?
  /// The link to each member, in the order of ``Rollout/members``.
  let links: [any AgentLink]
  let limits: CoordinatorLimits

  /// - Parameters:
  ///   - seals: what each member said of its seal in its plan (``ClusterPlan/seals``).
  ///   - program: the digest of the server's program on all nodes (``ClusterPlan/program``).
  ///   - links: one for each member, in the order of ``Rollout/members``.
  package init(
    rollout: Rollout, request: RolloutRequest, seals: [SealView], program: Digest? = nil,
    links: [any AgentLink], limits: CoordinatorLimits
  ) {
    self.program = program
    precondition(links.count == rollout.members.count, "each member has its link")
    self.rollout = rollout
    self.request = request
    self.seals = seals
    self.links = links
    self.limits = limits
  }

  private static let tickMilliseconds = 500
  /// More than all members together send in a rollout; beyond it only progress is lost.
  private static let mailboxCapacity = 1 << 20

  /// Runs the rollout to its end. Blocks, at the longest for the sum of the rollout's and the
  /// limits' times.
  ///
  /// - Parameter heartbeat: begins with the commit, so that the members leave the rest to the
  ///   caller.
  /// - Throws: a refusal if the threads that it needs cannot be started; nothing was sent then.
  package func run(
    _ interruption: Interruption, _ watcher: inout some RolloutWatcher,
    _ heartbeat: CoordinatorHeartbeat? = nil
  ) throws(Refusal) -> CoordinatorResult {
    let inputs = Mailbox<CoordinatorInput>(capacity: Self.mailboxCapacity)
    var members: [MemberLink] = []
    for (name, link) in zip(rollout.members, links) {
      let member = MemberLink(self, name, link, inputs)
      do throws(Errno) {
        try member.start()
      } catch {
        for member in members { member.stop() }
        throw Refusal(.failed, "\(error); raise the limit on threads and try again")
      }
      members.append(member)
    }
    defer { for member in members { member.stop() } }
    let result = interruption.handled(by: { inputs.post(.cancel) }) {
      drive(inputs, members, &watcher, heartbeat)
    }
    watcher.end()
    return result
  }

  private func drive(
    _ inputs: Mailbox<CoordinatorInput>, _ members: [MemberLink],
    _ watcher: inout some RolloutWatcher, _ heartbeat: CoordinatorHeartbeat?
  ) -> CoordinatorResult {
    var machine = Coordinator(rollout: rollout, limits: limits)
    var timers: [(timer: CoordinatorTimer, instant: Instant)] = []
    var input: CoordinatorInput? = .start
    while true {
      if let input {
        for effect in machine.handle(input, at: Clock.now()) {
          Fault.reach("coordinator.\(Fault.name(input)).\(Fault.name(effect))")
          switch effect {
          case .arm(let timer, let instant): timers.append((timer, instant))
          case .committed(let instant):
            heartbeat?.begin()
            watcher.committed(inNanoseconds: instant.nanoseconds(since: Clock.now()))
          case .report(let name, let phase, let detail):
            watcher.changed(member: name, phase: phase, detail: detail)
          case .finished(let result): return result
          case .prepare(let name), .measure(let name), .accept(let name, _),
            .decide(let name, _, _, _, _), .follow(let name), .breakOff(let name, _):
            guard let index = rollout.members.firstIndex(of: name) else { continue }
            members[index].post(effect)
          }
        }
      }
      watcher.tick()
      if let due = timers.firstIndex(where: { $0.instant <= Clock.now() }) {
        input = .fired(timers.remove(at: due).timer)
      } else {
        let tick = Instant.inMilliseconds(Self.tickMilliseconds)
        input = inputs.take(until: timers.map(\.instant).reduce(tick, min))
      }
    }
  }
}
