// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout

/// `keyturn history`: the generations of all nodes in one table.
struct HistoryCommand: Command {
  typealias Options = ClusterOptions

  static let rule = CommandRule(
    name: "history",
    summary: "the generations of the environment files: who, when, which rollout, on which nodes",
    details: """
      A generation is a file that a start was confirmed with; its number is the same on all nodes. Number 0 is
      the file that was found before the first change. The last 20 are kept.
      """,
    examples: [("keyturn history", "nodes that have the same together; drift is marked")],
    exitCodes: [.done, .failed, .unknown] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options)
    let rows = context.ask(cluster, .generations)
    context.console.events("history", rows, fields: Self.fields)
    let history = ClusterGenerations(rows: rows)
    let table = history.table
    if table.isEmpty {
      context.console.progress("no generation yet: the first rollout that is confirmed makes one")
    } else {
      context.console.table(ClusterGenerations.header, table)
    }
    for message in history.messages { context.console.message(message.severity, message.text) }
    context.tellFailures(rows)
    let isSound = !history.messages.contains { $0.severity == .error }
    return .asked(rows, isSound: isSound) { _ in .reachable }
  }

  private static func fields(_ answer: HistoryAnswer) -> JSONObject {
    [
      "current": answer.current?.number, "file": answer.file?.hex,
      "fileProblem": answer.fileProblem, "fileChanged": answer.isDrifted,
      "generations": answer.generations.map(JSONObject.init),
    ]
  }
}

extension JSONObject {
  init(_ entry: HistoryEntry) {
    let generation = entry.generation
    self = [
      "number": entry.number, "path": generation?.path, "digest": generation?.digest.hex,
      "rollout": generation?.rollout, "kind": generation?.kind?.rawValue,
      "restarted": generation.flatMap { $0.kind == nil ? nil : $0.withoutRestart != true },
      "rotation": generation.map { $0.occasion?.isRotation == true },
      "note": generation?.occasion?.note, "createdBy": generation?.createdBy,
      "confirmedAt":
        (generation?.confirmedAtMicroseconds).map { CalendarTime.text(microseconds: $0) },
      "problem": entry.problem,
    ]
  }
}
