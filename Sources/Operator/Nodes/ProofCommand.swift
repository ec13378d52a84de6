// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import KeyManager
internal import Model
internal import Threads

/// `keyturn proof`: whether the Key Managers have the very key that the cluster has encrypted with.
struct ProofCommand: Command {
  struct Options: OptionGroup {
    @Option("now", help: "open them now, from every node through every Key Manager") var isNow: Bool
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "proof",
    summary:
      "whether the Key Managers have the very key that was encrypted with, not one of its name",
    details: """
      A key proof is a data key that the Key Manager has encrypted, and a commitment to what it is in the clear. Every
      node keeps some and has them opened once a minute, and before each rollout. With --now they are opened
      at once. Exits 6 if a Key Manager has another key: then restart nothing and write nothing.
      """,
    examples: [
      ("keyturn proof", "what the nodes saw last"),
      ("keyturn proof --now", "after a Key Manager was restored or replaced"),
    ],
    exitCodes: [.done, .failed, .unknown, .guardRefused, .keyManagerRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    return options.isNow ? openNow(cluster) : tellLast(cluster)
  }

  // MARK: what the nodes saw last

  private func tellLast(_ cluster: Cluster) -> CommandResult {
    let rows = context.ask(cluster, .keyProofs)
    context.console.events("proof", rows, fields: Self.fields)
    context.console.table(
      ["NODE", "PROOFS", "NEWEST", "OPENED", "STATE"], rows.map(Self.cells))
    context.tellFailures(rows)
    let problems = rows.compactMap { row in
      row.answer?.status?.problem.map { (name: row.name, value: $0) }
    }
    for line in NodeNames.lines(problems) { context.console.message(.error, line) }
    let others = rows.compactMap { row in
      row.answer.flatMap(Self.reason).map { (name: row.name, value: $0) }
    }.filter { other in !problems.contains { $0.name == other.name } }
    for line in NodeNames.lines(others) { context.console.message(.warning, line) }
    let nodes = NodeResult.answers(rows, reason: Self.reason) { Self.outcome($0) }
    let answers = rows.compactMap(\.answer)
    if !problems.isEmpty {
      return CommandResult(.guardRefused, nodes: nodes, message: problems[0].value)
    }
    let refusals = answers.compactMap { $0.status?.unopened }
    if let refusal = refusals.first(where: { $0.code == .guarded || $0.code == .keyManager }) {
      return CommandResult(ExitCode(refusal.code), nodes: nodes, message: refusal.message)
    }
    if answers.count < rows.count { return CommandResult(.unknown, nodes: nodes) }
    let isProven = answers.allSatisfy { Self.outcome($0) == .fine }
    return CommandResult(
      isProven ? .done : .failed, nodes: nodes, message: others.first.map(\.value) ?? "")
  }

  /// What keeps a node from being fine, for people; nil if nothing does.
  private static func reason(_ answer: KeyProofsAnswer) -> String? {
    guard let status = answer.status else { return "no key is sealed" }
    if let problem = status.problem { return problem }
    if let unopened = status.unopened {
      return "the key proofs were not opened at the last look: \(unopened.message)"
    }
    if let missing = status.missing { return "a key proof is missing: \(missing)" }
    if status.count == 0 { return "there is no key proof yet" }
    guard let age = status.openedSecondsAgo else {
      return "the key proofs have not been opened since the agent's start"
    }
    return age <= staleSeconds ? nil : "the key proofs were opened \(age) s ago, and not since"
  }

  /// From this age on it says nothing of now: a node opens them once a minute.
  private static let staleSeconds = 300

  private static func outcome(_ answer: KeyProofsAnswer) -> NodeOutcome {
    guard let status = answer.status else { return .notSealed }
    if status.problem != nil { return .different }
    if status.unopened != nil { return .failed }
    guard status.count > 0, let age = status.openedSecondsAgo else { return .unknown }
    return age <= staleSeconds ? .fine : .unknown
  }

  private static func cells(_ row: NodeAnswer<KeyProofsAnswer>) -> [String] {
    guard let answer = row.answer else {
      return [row.name, row.failure?.code.rawValue ?? "", "", "", ""]
    }
    guard let status = answer.status else { return [row.name, "-", "-", "-", "not sealed"] }
    let state =
      status.problem != nil
      ? "ANOTHER KEY"
      : status.unopened.map { $0.code == .keyManager ? "NOT ALLOWED" : "not opened" }
        ?? status.missing.map { "none yet: \($0)" } ?? (status.count > 0 ? "fine" : "none yet")
    return [
      row.name, "\(status.count)",
      status.newestAtMicroseconds.map { CalendarTime.text(microseconds: $0) } ?? "-",
      status.openedSecondsAgo.map { "\($0) s ago" } ?? "-", state,
    ]
  }

  private static func fields(_ answer: KeyProofsAnswer) -> JSONObject {
    [
      "state": outcome(answer), "count": answer.status?.count,
      "openedSecondsAgo": answer.status?.openedSecondsAgo, "missing": answer.status?.missing,
      "problem": answer.status?.problem, "unopened": answer.status?.unopened?.message,
      "proofs": answer.proofs.all.map { proof in
        [
          "digest": proof.digest.hex, "version": Int(proof.version), "madeBy": proof.madeBy,
          "madeAtMicroseconds": proof.madeAt,
        ] as JSONObject
      },
    ]
  }

  // MARK: now

  /// What one node saw at one Key Manager.
  private struct Opening {
    var node: String
    var keyManager: String
    /// Nil if the stage is not in the answer: the agent is older.
    var stage: ProbeStageAnswer?

    var isOpened: Bool { stage.map { $0.verdict == .fine } ?? false }
    /// What the stage says, or how far the probe came.
    var text: String {
      guard let stage else { return "the agent is older and opens none" }
      return stage.detail
    }
  }

  private func openNow(_ cluster: Cluster) -> CommandResult {
    let timeout = cluster.inventory.timeouts.probeSeconds
    let rows = context.ask(
      cluster, .check(timeoutMilliseconds: timeout * 900), milliseconds: timeout * 1_000 + 500)
    let openings = rows.flatMap { row in
      (row.answer?.endpoints ?? []).map { endpoint in
        Opening(
          node: row.name, keyManager: endpoint.endpoint,
          stage: endpoint.stages.first { $0.stage == .proof })
      }
    }
    context.console.events("opening", rows, fields: Self.openingFields)
    context.console.table(
      ["NODE", "KEY MANAGER", "KEY PROOF", "DETAIL"],
      openings.map {
        [$0.node, $0.keyManager, $0.stage?.verdict.text ?? "-", $0.isOpened ? "" : $0.text]
      })
    context.tellFailures(rows)
    let wrong = rows.flatMap { row in
      KeyProofJudgement.decisive(row.answer?.findings ?? []).map { (name: row.name, finding: $0) }
    }
    for line in NodeNames.lines(wrong.map { (name: $0.name, value: $0.finding.statement) }) {
      context.console.message(.error, line)
    }
    let nodes = NodeResult.answers(
      rows,
      reason: { answer in
        KeyProofJudgement.decisive(answer.findings).first?.statement
      }
    ) { answer in
      !answer.endpoints.isEmpty
        && answer.endpoints.allSatisfy {
          $0.stages.contains { $0.stage == .proof && $0.verdict == .fine }
        }
        ? .fine : .failed
    }
    if let first = wrong.first(where: { $0.finding.refusal == .guarded }) ?? wrong.first {
      return CommandResult(
        ExitCode(first.finding.refusal), nodes: nodes, message: first.finding.statement)
    }
    if rows.contains(where: { $0.answer == nil }) { return CommandResult(.unknown, nodes: nodes) }
    if nodes.allSatisfy({ $0.outcome == .fine }) {
      context.console.line(
        "every key proof opens, from \(rows.count) nodes through \(Set(openings.map(\.keyManager)).count) Key Managers"
      )
      return CommandResult(.done, nodes: nodes)
    }
    return CommandResult(.failed, nodes: nodes)
  }

  private static func openingFields(_ answer: CheckAnswer) -> JSONObject {
    [
      "keyManagers": answer.endpoints.map { endpoint in
        let stage = endpoint.stages.first { $0.stage == .proof }
        return [
          "endpoint": endpoint.endpoint, "verdict": stage?.verdict.text ?? "notChecked",
          "detail": stage?.detail ?? "",
        ] as JSONObject
      }
    ]
  }
}
