internal import Coordination
internal import Digests
internal import Model
internal import Rollout
internal import Wire

/// `keyturn proposals`: which node holds which proposal.
struct ProposalsCommand: Sendable {
  let context: CommandContext

  private static let digestDigits = 12

  /// Blocks until each node has answered or is out of time.
  func run() throws(Refusal) -> CommandResult {
    let configuration = try context.configuration()
    let console = context.console
    let rows = context.ask(configuration, .intents)
    console.events("proposal", rows) { view in
      [
        "digest": JSONValue(view.own.digest?.hex), "phase": .string(view.phase.rawValue),
        "rollout": JSONValue(view.rollout), "reason": JSONValue(view.refusal?.message),
      ]
    }
    let cells = rows.map { row -> [String] in
      guard let view = row.answer else {
        return [row.name, "", row.failure?.refusal.code.rawValue ?? "", ""]
      }
      return [
        row.name, view.own.digest.map { String($0.hex.prefix(Self.digestDigits)) } ?? "-",
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
          message: row.answer?.refusal.map { "the last attempt came to nothing: \($0.message)" }
        )
      })
    return .asked(
      NodeResult.answers(rows, reason: \.refusal?.message, outcome: \.phase.rawValue),
      failures: rows.compactMap { $0.failure?.refusal.code })
  }

  private static func words(_ phase: IntentPhase) -> String {
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
