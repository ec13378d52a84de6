// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

/// `keyturn seal show`: the seal of each node, and whether all have the same.
struct SealShowCommand: Command {
  typealias Options = ClusterOptions

  static let rule = CommandRule(
    name: "seal show",
    summary:
      "show the seal of each node: which SSE key can never be changed, and whether all agree",
    details: """
      Below the seals it shows the key proofs: which nodes keep each, who made it when, and when and through which
      Key Managers it opened last.
      """,
    examples: [
      ("keyturn seal show", "key, enclave, rollout, digest, and the key proofs"),
      ("keyturn seal show --json", "the same for an auditor"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options)
    let rows = context.ask(cluster, .seal)
    context.console.events("seal", rows, fields: Self.fields)
    let proofs = rows.contains { $0.answer?.seal != nil } ? context.ask(cluster, .keyProofs) : []
    let header = ["NODE", "SSE KEY", "ENCLAVE", "ROLLOUT", "DIGEST", "STATE"]
    context.console.table(header, rows.map(Self.cells))
    KeyProofTable(
      proofs.compactMap { row in row.answer.map { (row.name, $0) } },
      of: Set(rows.compactMap { $0.answer?.seal?.digest })
    ).tell(context.console)
    // Whose seal is not told is named below.
    context.tellFailures(zip(rows, proofs).compactMap { $0.0.answer == nil ? nil : $0.1 })
    context.console.errors(
      rows.map { (name: $0.name, message: $0.failure?.message ?? $0.answer?.problem) })
    let views = rows.compactMap(\.answer)
    let digests = Set(views.map { $0.seal?.digest })
    let nodes = NodeResult.answers(rows, reason: \.problem, outcome: Self.state)
    if rows.contains(where: { $0.failure?.code == .notPermitted }) {
      return CommandResult(.notPermitted, nodes: nodes)
    }
    if digests.count > 1 || views.contains(where: { $0.problem != nil }) {
      let message = Self.difference(views)
      context.console.message(.error, message)
      return CommandResult(.failed, nodes: nodes, message: message)
    }
    return CommandResult(views.count == rows.count ? .done : .unknown, nodes: nodes)
  }

  /// In what the seals differ, and what to do.
  static func difference(_ views: [SealView]) -> String {
    let pending = views.filter { $0.seal == nil && $0.pending != nil }
    let others = views.filter { $0.seal != nil || $0.pending == nil }
    let sealed = Set(others.map { $0.seal?.digest })
    if let seal = others.first?.seal, sealed == [seal.digest], !pending.isEmpty,
      pending.allSatisfy({ $0.pending?.digest == seal.digest && $0.problem == nil })
    {
      return
        "\(NodeNames.folded(pending.map(\.node))) took part in rollout \(seal.rollout), which sealed the key elsewhere, and the start there was not confirmed: keyturn logs --rollout \(seal.rollout) --errors says why; mend that, then keyturn restart"
    }
    return
      "the nodes' seals are not the same; `keyturn status` says what to do on which node (docs/use/seal.md, \"The seal\")"
  }

  private static func state(_ view: SealView) -> NodeOutcome {
    if view.problem != nil { return .unusable }
    if view.seal != nil { return .sealed }
    if view.pending != nil { return .pending }
    return view.lifted == nil ? .notSealed : .lifted
  }

  private static func cells(_ row: NodeAnswer<SealView>) -> [String] {
    guard let view = row.answer else {
      return [row.name, row.failure?.code.rawValue ?? "", "", "", "", ""]
    }
    guard let seal = view.seal else {
      let running = view.runningKey.map { " (runs with \($0.text))" } ?? ""
      return [row.name, "-", "-", "-", "-", state(view).rawValue + running]
    }
    return [
      row.name, seal.keyName, seal.enclave, seal.rollout, String(seal.digest.hex.prefix(12)),
      state(view).rawValue,
    ]
  }

  private static func fields(_ view: SealView) -> JSONObject {
    [
      "state": state(view), "problem": view.problem, "sealedKey": view.seal?.keyName,
      "enclave": view.seal?.enclave, "rollout": view.seal?.rollout, "digest": view.seal?.digest.hex,
      "previous": view.seal?.previous?.hex, "lifted": view.lifted?.hex,
      "runningKey": view.runningKey?.name, "runningEnclave": view.runningKey?.enclave,
    ]
  }
}

/// `keyturn seal recover`: gives a node the seal of the others.
struct SealRecoverCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "NODE", as: .text) var node: String
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "seal recover",
    summary: "give a node whose seal is lost, damaged or another the seal of the other nodes",
    details: """
      The node asks the others itself. All that are sealed must have the same seal, and they must be more than half
      of them. Find out first why the record was lost. Nothing lifts a seal: docs/use/seal.md, "The seal".
      """,
    examples: [("keyturn seal recover minio-2", "the node is in keyturn status")],
    exitCodes: [.done, .failed, .unreachable, .guardRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  /// How long a node may take that asks all the others first.
  private static let recoverMilliseconds =
    CommandContext.answerMilliseconds + 2 * Limits.peersMilliseconds

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let name = options.node
    guard let index = cluster.names.firstIndex(of: name) else {
      return context.ended(
        .usage,
        "there is no node \"\(name)\" in the inventory, only \(NodeNames.folded(cluster.names))"
      )
    }
    let recovery: SealRecovery
    do throws(LinkFailure) {
      recovery = try cluster.connections.links[index].call(
        .recoverSeal, lane: .control, deadline: .inMilliseconds(Self.recoverMilliseconds))
    } catch {
      throw Refusal(error.refusal.code, "\(name): \(error.refusal.message)")
    }
    let seal = recovery.seal.text
    context.console.line(
      recovery.problem.map { "\(name): \($0); now it has the seal of the others: \(seal)" }
        ?? "\(name): already has the cluster's seal: \(seal)")
    return CommandResult(
      .done,
      nodes: [
        NodeResult(
          name: name, outcome: recovery.problem == nil ? .unchanged : .recovered,
          reason: recovery.problem ?? "")
      ], isChanged: recovery.problem != nil)
  }
}
