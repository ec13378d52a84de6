// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

// What is looked at once the agent runs.

extension JoinCommand {
  /// What is not as it must be, and what only cannot be reached yet.
  private struct Findings {
    /// Whether the others have an inventory without this node.
    var isStranger = false
    var wrong: [String] = []
    var unreachable: [String] = []
  }

  func look(_ newcomer: Newcomer, isChanged: Bool) throws(Refusal) -> CommandResult {
    let principal = newcomer.principal
    var found = Findings()
    switch principal.role {
    case .node: found = try lookAsNode(newcomer)
    default: found = try lookAsWitness(newcomer)
    }
    for problem in found.wrong { context.console.message(.error, "\(principal.name): \(problem)") }
    for problem in found.unreachable {
      context.console.message(.warning, "from \(principal.name): \(problem)")
    }
    if found.isStranger {
      context.console.message(
        .note,
        "next: keyturn inventory apply at the operator's, with the inventory that has \(principal.name), makes it a member; until then it takes part in nothing"
      )
    }
    context.console.message(
      .note,
      "next: keyturn pki renew \(principal.name) at the operator's, before the certificate of \(options.file) ends, gives it a key of its own; then delete \(options.file), here and there"
    )
    var result = CommandResult(
      found.wrong.isEmpty ? .done : .unknown,
      nodes: [NodeResult(name: principal.name, outcome: .reachable)], isChanged: isChanged)
    let message = "\(principal.name) has joined"
    if found.wrong.isEmpty {
      result.message =
        found.unreachable.isEmpty ? message : "\(message); not everything can be reached yet"
    } else {
      result.message =
        "\(message), but see the errors above; keyturn check shows when they are gone"
      context.console.message(.error, result.message ?? "")
    }
    return result
  }

  /// - Parameter isAnswer: whether it answers, and says no: then how it is reached and started is not the matter.
  private func own(
    _ principal: Principal, problem: String, _ inventory: Inventory, isAnswer: Bool = false
  ) -> Refusal {
    if isAnswer {
      return Refusal(
        .failed, "the agent of \(principal.name) runs, and refuses this host: \(problem)")
    }
    return Refusal(
      .failed,
      "the agent of \(principal.name) does not answer under the address that the inventory has for it, \(Self.place(of: principal, in: inventory)?.text ?? ""): \(problem); it is started: systemctl status keyturnd"
    )
  }

  private func lookAsNode(_ newcomer: Newcomer) throws(Refusal) -> Findings {
    let (principal, inventory) = (newcomer.principal, newcomer.join.inventory)
    let connections = try context.network.open(
      inventory,
      CredentialFiles(
        authority: Array(newcomer.join.authority.utf8),
        certificate: Array(newcomer.join.certificate.utf8),
        key: newcomer.join.key.withBytes(Array.init)), revoked: nil)
    let links = zip(inventory.nodes, connections.links).map { (name: $0.name, link: $1) }
    guard let self = links.first(where: { $0.name == principal.name }) else {
      preconditionFailure("the file is for a node of its inventory")
    }
    let status: NodeStatus
    do throws(Refusal) { status = try firstAnswer(of: self.link) } catch {
      throw own(
        principal, problem: error.message, inventory, isAnswer: error.code != .unreachable)
    }
    context.console.line("\(principal.name): the agent runs and answers")
    var found = Findings()
    found.wrong = status.findings.filter { $0.severity == .error }.map(\.statement)
    let others = links.filter { $0.name != principal.name }
    for answer in answers(of: others, inventory, for: principal.name) {
      found.isStranger = found.isStranger || answer.isStranger
      found.wrong += answer.wrong
      found.unreachable += answer.unreachable
    }
    found.unreachable += obstacles(
      inventory.keyManagers.compactMap { host in
        host.place.map { ("the Key Manager \(host.name)", $0) }
      })
    return found
  }

  /// A witness may ask no agent anything: it looks whether the places can be reached that it is asked about later.
  private func lookAsWitness(_ newcomer: Newcomer) throws(Refusal) -> Findings {
    let (principal, inventory) = (newcomer.principal, newcomer.join.inventory)
    if let place = Self.place(of: principal, in: inventory),
      let problem = obstacles([("it", place)]).first
    {
      throw own(principal, problem: problem, inventory)
    }
    context.console.line("\(principal.name): the agent runs and answers")
    var found = Findings()
    found.unreachable = obstacles(
      inventory.nodes.compactMap { node in
        node.agentPlace.map { ("the agent of \(node.name)", $0) }
      })
    return found
  }

  private typealias Named = (name: String, link: any AgentLink)

  /// The agent has just been started: it is asked until it answers.
  private func firstAnswer(of link: any AgentLink) throws(Refusal) -> NodeStatus {
    let end = Instant.inMilliseconds(Self.startMilliseconds)
    while true {
      do throws(LinkFailure) {
        return try link.call(
          .status, lane: .control, deadline: .inMilliseconds(Self.lookMilliseconds))
      } catch {
        if case .answered(let refusal) = error { throw refusal }
        if Clock.now() >= end { throw error.refusal }
      }
      Clock.sleep(until: min(end, .inMilliseconds(500)))
    }
  }

  /// Agents that do not answer, those that have another inventory, and those whose clock is another one.
  private func answers(
    of links: [Named], _ inventory: Inventory, for name: String
  ) -> [Findings] {
    let own = inventory.parts
    return Parallel.map(
      links, thread: "fan-out", atOnce: Limits.renewalsAtOnce,
      until: .inMilliseconds(Self.startMilliseconds)
    ) { peer -> Findings in
      var found = Findings()
      let deadline = Instant.inMilliseconds(Self.lookMilliseconds)
      do throws(LinkFailure) {
        // A node whose inventory is older than the others' takes theirs; one that they have not is to be made a member.
        let told: InventoryAnswer?
        do throws(LinkFailure) {
          told = try peer.link.call(.inventory, lane: .control, deadline: deadline)
        } catch {
          guard case .answered = error else { throw error }
          told = nil
        }
        var differing: [NamedDigest] = []
        if let told {
          found.isStranger = told.agreed.inventory.node(named: name) == nil
          // What was voted with this node takes from the others; files must be the same.
          if !told.isRecorded, !found.isStranger {
            differing = own.filter { !told.agreed.inventory.parts.contains($0) }
          }
        } else {
          // An older agent goes by its file.
          let status = try peer.link.call(.status, lane: .control, deadline: deadline)
          let parts = Dictionary(
            status.report?.inventory.map { ($0.name, $0.digest) } ?? [], uniquingKeysWith: { $1 })
          differing = own.filter { part in parts[part.name].map { $0 != part.digest } ?? false }
        }
        if !differing.isEmpty {
          found.wrong.append(
            "the inventory of \(peer.name) is another one than this: \(differing.map(\.name).joined(separator: ", ")); make it the same on every host"
          )
        }
        let before = Clock.realtimeMicroseconds()
        let reading = try peer.link.call(.clock(rollout: nil), lane: .control, deadline: deadline)
        let after = Clock.realtimeMicroseconds()
        // Beyond what the question itself took.
        let off = max(before - reading.realtimeMicroseconds, reading.realtimeMicroseconds - after)
        if off > Self.clockMicroseconds {
          found.wrong.append(
            "the clock of \(peer.name) and this host's differ by \(off / 1_000_000) s: synchronise both"
          )
        }
      } catch {
        switch error {
        case .answered(let refusal):
          found.wrong.append("\(peer.name) refuses this host: \(refusal.message)")
        case .unreachable(let message):
          found.unreachable.append("\(peer.name) cannot be reached: \(message)")
        }
      }
      return found
    }.compactMap(\.self)
  }

  /// Beyond a second something is wrong with a clock.
  private static let clockMicroseconds: Int64 = 1_000_000

  /// Which of these places cannot be connected to.
  private func obstacles(_ places: [(what: String, place: HostPort)]) -> [String] {
    let newcomer = context.newcomer
    return Parallel.map(
      places, thread: "fan-out", atOnce: Limits.renewalsAtOnce,
      until: .inMilliseconds(Self.startMilliseconds)
    ) { what, place in
      newcomer.obstacle(connecting: place, deadline: .inMilliseconds(Self.lookMilliseconds))
        .map { "\(what) cannot be reached: \($0)" }
    }.compactMap { $0 ?? nil }
  }
}
