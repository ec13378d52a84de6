// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// `keyturn inventory apply`: the nodes agree on another inventory.
struct InventoryApplyCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "FILE", as: .text) var file: String?
    @Option(
      "without", takes: "NODE",
      help: "a node that leaves and whose host is gone for good; may be repeated", as: .name)
    var without: [String]
    @Option("yes", short: "y", help: "do not ask; needed where there is no terminal")
    var isUnasked: Bool
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "inventory apply",
    summary: "have the nodes agree on another inventory; restarts nothing",
    details: """
      Adds and retires nodes, and changes addresses, Key Managers, witnesses and settings: from what the nodes have
      agreed on to FILE, or to this command's inventory without one. A rollout of its own kind: every node before and
      after the change votes, all take it or none, no agent and no server is restarted, and no other rollout runs
      meanwhile. A node that joins runs its agent already (keyturn join), and takes seal and proofs from the others. A
      node that leaves says so from then on, takes part in nothing, and its server is left as it is.

      A node whose host is gone for good cannot vote: --without names it. More than half of the nodes before the change
      must be left. What it was in doubt of has been ended by the others by then, or they refuse. If it comes back it
      learns that it was retired.

      The nodes' witnesses get the inventory too. "cluster", "unit" and "environmentFile" cannot be changed so.
      """,
    examples: [
      ("keyturn inventory apply", "shows what changes, and asks"),
      (
        "keyturn inventory apply --without minio-4", "its host is lost, and the file has it no more"
      ),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.untouched + [.busy] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let look = try InventoryLook(context, options.cluster, named: options.file)
    let plan = MembersPlan(
      look.cluster.inventory, instead: try look.present(), without: options.without,
      rows: look.rows)
    let lines = InventoryLines(from: plan.present.inventory, to: plan.wanted).lines
    for line in lines { context.console.line(line) }
    context.console.event("inventoryDifference", ["number": plan.present.number, "lines": lines])
    switch plan.verdict {
    case .refused(let refusal):
      let ending = Ending(
        headline: "nothing was changed: \(refusal.message)",
        inForce: [Self.inForce(plan.present)], next: [Self.again(refusal.code)])
      return told(ExitCode(refusal.code), ending, NodeResult.untouched(plan.refusals))
    case .nothingToDo:
      let isToldAll = tellWitnesses(plan.present, plan, look) && plan.behind.isEmpty
      var message =
        "nothing to do: the nodes go by this already, inventory number \(plan.present.number)"
      if !plan.behind.isEmpty {
        message += "; not known of \(NodeNames.folded(plan.behind)): keyturn status"
      }
      context.console.line(message)
      var result = CommandResult(
        isToldAll ? .done : .unknown, outcome: isToldAll ? "nothingToDo" : nil,
        nodes: NodeResult.answers(look.rows) { _ in .unchanged }, message: message)
      result.restarted = false
      return result
    case .ready: break
    }
    for name in plan.change.without {
      context.console.message(
        .warning,
        "\(name) is left out of the vote as gone for good: see that its server cannot come back with the cluster's drives, and revoke its certificate (keyturn pki revoke --role node \(name))"
      )
    }
    for warning in VolumesOutlook(context, look, plan).warnings {
      context.console.message(.warning, warning)
    }
    if let result = confirm(plan) { return result }
    let report = RolloutReport(context: context, cluster: look.cluster)
    let (rollout, result) = try MembersUndertaking(
      createdBy: look.cluster.connections.principal.author, members: look.members
    ).run(plan, context.interruption, report)
    return end(rollout, result, plan, look)
  }

  private func confirm(_ plan: MembersPlan) -> CommandResult? {
    if options.isUnasked { return nil }
    let name = plan.wanted.cluster
    let (joins, leaves) = (plan.change.joining, plan.change.leaving)
    let what = [
      joins.isEmpty ? nil : "\(NodeNames.folded(joins)) joins",
      leaves.isEmpty ? nil : "\(NodeNames.folded(leaves)) leaves",
    ].compactMap(\.self).joined(separator: ", ")
    return context.confirm(
      "This makes inventory number \(plan.change.next.number) of \(name)\(what.isEmpty ? "" : ": \(what)"), and restarts no server.",
      typing: name)
  }

  // MARK: the end

  private static func inForce(_ agreed: AgreedInventory) -> String {
    "inventory number \(agreed.number), \(NodeNames.counted(agreed.inventory.nodes.count)): \(NodeNames.folded(agreed.inventory.nodes.map(\.name)))"
  }

  private static func again(_ code: RefusalCode) -> Ending.Step {
    switch code {
    case .unreachable: Ending.Step(command: "keyturn status", purpose: "which nodes answer")
    case .guarded:
      Ending.Step(command: "keyturn seal show", purpose: "which key is sealed, and where")
    case .busy: Ending.Step(command: "keyturn rollouts", purpose: "what is under way")
    default: Ending.Step(command: "keyturn inventory diff", purpose: "what it would change")
    }
  }

  private func told(
    _ code: ExitCode, _ ending: Ending, _ nodes: [NodeResult], isChanged: Bool = false
  ) -> CommandResult {
    context.console.end(ending)
    var result = CommandResult(code, ending, nodes: nodes, isChanged: isChanged)
    result.restarted = false
    return result
  }

  private func end(
    _ rollout: Rollout, _ result: CoordinatorResult, _ plan: MembersPlan, _ look: InventoryLook
  ) -> CommandResult {
    let nodes = result.outcomes.map { NodeResult($0) }
    let next = plan.change.next
    let watch = Ending.Step(command: "keyturn watch \(rollout.id)", purpose: "its end")
    switch result.ending {
    case .aborted(let refusal):
      let ending = Ending(
        headline: result.summary.replacingPrefix("nothing was touched", by: "nothing was changed"),
        inForce: [Self.inForce(plan.present)], next: [Self.again(refusal.code)])
      return told(ExitCode(refusal.code), ending, nodes)
    case .undecided:
      let ending = Ending(
        headline: result.summary,
        inForce: [
          "not known: number \(plan.present.number) or \(next.number), the same on all nodes once they have decided; no server restarts"
        ],
        next: [
          watch,
          Ending.Step(
            command: "keyturn resolve \(rollout.id)", purpose: "have the nodes decide now"),
          Ending.Step(
            command: "keyturn inventory apply",
            purpose: "again: gives the witnesses what was decided"),
        ])
      return told(.unknown, ending, nodes)
    case .confirmed, .notConfirmed, .outcomesUnknown: break
    }
    let isToldAll = tellWitnesses(next, plan, look)
    let missing = result.outcomes.filter { $0.outcome.kind != .confirmed }.map(\.member)
    var ending = Ending(
      headline:
        "inventory number \(next.number) is decided; \(missing.isEmpty ? "all nodes go by it" : "\(NodeNames.folded(missing)) \(missing.count == 1 ? "has" : "have") not said so yet")",
      isGood: missing.isEmpty && isToldAll, inForce: [Self.inForce(next)])
    if !plan.change.joining.isEmpty {
      ending.inForce.append("joined: \(NodeNames.folded(plan.change.joining))")
    }
    if !plan.change.leaving.isEmpty {
      ending.inForce.append(
        "retired: \(NodeNames.folded(plan.change.leaving)), which \(plan.change.leaving.count == 1 ? "takes" : "take") part in nothing any more; no server was stopped"
      )
    }
    ending.servers = "none restarted"
    if !missing.isEmpty {
      ending.next.append(watch)
    } else {
      if let file = options.file {
        ending.next.append(
          Ending.Step(
            command: "cp \(file) inventory.json",
            purpose: "or wherever yours is: other commands go by that, and say that it differs"))
      }
      ending.next.append(
        plan.change.joining.isEmpty
          ? Ending.Step(command: "keyturn status", purpose: "all nodes and their inventory")
          : Ending.Step(
            command: "keyturn plan --settings FILE",
            purpose: "what gives the new nodes the cluster's settings"))
    }
    let code: ExitCode = ending.isGood ? .done : .unknown
    return told(code, ending, nodes, isChanged: true)
  }

  /// Whether all witnesses have it. Those that it does not name any more are told too, as far as they answer.
  private func tellWitnesses(
    _ agreed: AgreedInventory, _ plan: MembersPlan, _ look: InventoryLook
  ) -> Bool {
    // They go by their file, as the nodes do, until there is something that was agreed on.
    if agreed.number == 1 { return true }
    let witnesses = look.cluster.connections.witnesses
    let former = try? Cluster.connect(
      plan.present.inventory, options.cluster, context.host, context.network)
    let left = (former?.connections.witnesses ?? []).filter { old in
      !witnesses.contains { $0.name == old.name }
    }
    let all: [NodeAnswer<WitnessInventory>] = Parallel.ask(
      .goBy(agreed), of: witnesses + left, milliseconds: CommandContext.answerMilliseconds)
    let rows = all.filter { row in witnesses.contains { $0.name == row.name } }
    let failed = rows.filter { $0.answer == nil }
    context.tellFailures(rows)
    if !failed.isEmpty {
      context.console.message(
        .warning,
        "\(NodeNames.folded(failed.map(\.name))) \(failed.count == 1 ? "is a witness" : "are witnesses") without inventory number \(agreed.number): keyturn inventory apply gives it again"
      )
    }
    return failed.isEmpty
  }
}

extension String {
  fileprivate func replacingPrefix(_ prefix: String, by other: String) -> String {
    hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
  }
}
