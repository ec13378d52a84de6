// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model

/// `keyturn diff`: what differs between two generations, or a generation and the files as they are,
/// on every node.
struct DiffCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "A", as: .generation) var from: Int
    @Option(takes: "B", as: .generation) var to: Int?
    @Option("exit-code", help: "exit 1 when something differs") var hasExitCode: Bool
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "diff",
    summary: "what differs between two generations, on each node; secrets as identities",
    details: "Without B: between generation A and the files as they are.",
    examples: [
      ("keyturn diff 3 4", "what did the rollout of generation 4 change?"),
      ("keyturn diff 4 --exit-code", "was a file changed since?"),
    ],
    exitCodes: [.done, .failed, .unknown, .validationRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let rows = context.ask(cluster, .diff(from: options.from, to: options.to))
    context.console.events("diff", rows, fields: Self.fields)
    show(rows)
    return result(rows)
  }

  private func show(_ rows: [NodeAnswer<DiffAnswer>]) {
    let texts = rows.compactMap { row in row.answer.map { (name: row.name, value: Self.lines($0)) }
    }
    for group in NodeNames.grouped(texts) {
      let names = NodeNames.folded(group.names)
      context.console.line("\(names): \(group.value[0])")
      for line in group.value.dropFirst() {
        context.console.line(Console.difference("  " + line))
      }
    }
    context.tellFailures(rows)
  }

  private static func lines(_ answer: DiffAnswer) -> [String] {
    let files =
      answer.fromPath == answer.toPath ? "" : ": \(answer.fromPath), then \(answer.toPath)"
    if answer.from == answer.to { return ["no difference\(files)"] }
    if answer.to == nil { return ["there is no file now"] + answer.difference }
    return answer.difference.isEmpty
      ? ["no variable differs; comments, order or form do\(files)"]
      : ["different\(files)"] + answer.difference
  }

  private func result(_ rows: [NodeAnswer<DiffAnswer>]) -> CommandResult {
    let nodes = NodeResult.answers(rows) { $0.from == $0.to ? .same : .different }
    let codes = rows.compactMap { $0.failure?.code }
    if codes.contains(.notPermitted) { return CommandResult(.notPermitted, nodes: nodes) }
    if let code = codes.deciding {
      // If no node has it, that is an answer; if some have not, or were not reached, the state is unknown.
      let isWhole = codes.count == rows.count && !codes.contains(.unreachable)
      return CommandResult(isWhole ? ExitCode(code) : .unknown, nodes: nodes)
    }
    let isSame = nodes.allSatisfy { $0.outcome == .same }
    let exitCode: ExitCode = !isSame && options.hasExitCode ? .failed : .done
    return CommandResult(exitCode, outcome: isSame ? "same" : "different", nodes: nodes)
  }

  private static func fields(_ answer: DiffAnswer) -> JSONObject {
    [
      "fromPath": answer.fromPath, "toPath": answer.toPath, "from": answer.from.hex,
      "to": answer.to?.hex, "difference": answer.difference,
    ]
  }
}
