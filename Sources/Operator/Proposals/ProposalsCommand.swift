// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout

/// `keyturn proposals`: which node holds which proposal; with `--retry`: what was not confirmed is taken again.
struct ProposalsCommand: Sendable {
  let context: CommandContext

  private static let digestDigits = 12

  /// Blocks until each node has answered or is out of time.
  func run() throws(Refusal) -> CommandResult {
    let configuration = try context.configuration()
    if let digest = context.invocation.value("retry") { return retry(digest, configuration) }
    let console = context.console
    let rows = context.ask(configuration, .proposals)
    console.events("proposal", rows) { view in
      [
        "digest": JSONValue(view.own.digest?.hex), "phase": .string(view.phase.rawValue),
        "rollout": JSONValue(view.rollout),
        "reason": JSONValue(view.refusal?.message ?? Self.failure(view)?.reason),
        "failed": JSONValue(view.failure?.digest.hex),
      ]
    }
    let cells = rows.map { row -> [String] in
      guard let view = row.answer else {
        return [row.name, "", row.failure?.code.rawValue ?? "", ""]
      }
      return [
        row.name, Self.digest(view).map { String($0.hex.prefix(Self.digestDigits)) } ?? "-",
        Self.words(view.phase), view.rollout ?? "-",
      ]
    }
    for line in TextTable.lines(["NODE", "PROPOSAL", "STATE", "ROLLOUT"], cells) {
      console.line(line)
    }
    context.tellFailures(rows)
    console.errors(
      rows.map { row in
        (
          name: row.name,
          message: row.answer.flatMap(Self.problem)
        )
      })
    return .asked(
      NodeResult.answers(rows, reason: \.refusal?.message, outcome: \.phase.rawValue),
      failures: rows.compactMap { $0.failure?.code })
  }

  /// Asks every node to take settings again.
  private func retry(_ digest: String, _ configuration: Configuration) -> CommandResult {
    let console = context.console
    let retry = ProposalRetry(digest: digest)
    if !retry.isWellFormed {
      let digits = ProposalRetry.digits
      console.message(
        .error,
        "--retry \(digest) is not \(digits.lowerBound) to \(digits.upperBound) lower-case hexadecimal digits; `keyturn proposals` shows them"
      )
      return CommandResult(.usage)
    }
    let rows = context.ask(configuration, .retry(retry))
    console.events("retry", rows) { ["changed": .bool($0.isChanged)] }
    let taken = rows.filter { $0.answer?.isChanged ?? false }.map(\.name)
    context.tellFailures(rows)
    if taken.isEmpty, !rows.contains(where: { $0.failure != nil }) {
      console.message(
        .error, "no node has settings \(digest) that were not confirmed: nothing was changed")
      return CommandResult(.validationRefused, isChanged: false)
    }
    if !taken.isEmpty {
      console.line(
        "settings \(digest) are taken again on \(NodeNames.folded(taken)), at the next `keyturn propose` of each node"
      )
    }
    return .asked(
      NodeResult.answers(rows, reason: { _ in nil }) { $0.isChanged ? "taken" : "unchanged" },
      failures: rows.compactMap { $0.failure?.code })
  }

  private static func failure(_ view: ProposalsView) -> ProposalFailure? {
    view.phase == .notConfirmed ? view.failure : nil
  }

  /// What the node's row is about: what it holds, or what it does not take again.
  private static func digest(_ view: ProposalsView) -> Digest? {
    view.own.digest ?? failure(view)?.digest
  }

  private static func problem(_ view: ProposalsView) -> String? {
    if let failure = failure(view) {
      let reason = failure.reason.isEmpty ? "" : ": \(failure.reason)"
      return
        "rollout \(failure.rollout) was not confirmed\(reason); its settings are not rolled out again by themselves, --retry \(failure.digest) changes that"
    }
    return view.refusal.map { "the last attempt came to nothing: \($0.message)" }
  }

  private static func words(_ phase: ProposalPhase) -> String {
    switch phase {
    case .none: "none"
    case .waiting: "waiting for others"
    case .rollingOut: "rolling out"
    case .inForce: "in force"
    case .refused: "refused, tried again"
    case .notConfirmed: "start not confirmed"
    }
  }
}
