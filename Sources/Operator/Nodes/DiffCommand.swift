// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model

/// `keyturn diff`: what differs between two generations, or a generation and the files as they are,
/// on every node.
struct DiffCommand: Sendable {
  let context: CommandContext

  /// Blocks until each node has answered or is out of time.
  func run() throws(Refusal) -> CommandResult {
    let operands = context.invocation.operands
    let numbers = operands.compactMap(CommandContext.generationNumber)
    if let problem = CommandContext.generationProblem(operands) {
      context.console.message(.error, problem)
      return CommandResult(.usage)
    }
    let configuration = try context.configuration()
    let rows = context.ask(
      configuration, .diff(from: numbers[0], to: numbers.count > 1 ? numbers[1] : nil))
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
      for line in group.value.dropFirst() { context.console.line("  " + line) }
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
    let nodes = NodeResult.answers(rows) { $0.from == $0.to ? "same" : "different" }
    let codes = rows.compactMap { $0.failure?.code }
    if codes.contains(.notPermitted) { return CommandResult(.notPermitted, nodes: nodes) }
    if let code = codes.deciding {
      // That no node has it is an answer; that some have not, or were not reached, is half of one.
      let isWhole = codes.count == rows.count && !codes.contains(.unreachable)
      return CommandResult(isWhole ? ExitCode(code) : .unknown, nodes: nodes)
    }
    let isSame = nodes.allSatisfy { $0.outcome == "same" }
    let exitCode: ExitCode = !isSame && context.invocation.has("exit-code") ? .failed : .done
    return CommandResult(exitCode, outcome: isSame ? "same" : "different", nodes: nodes)
  }

  private static func fields(_ answer: DiffAnswer) -> [String: JSONValue] {
    [
      "fromPath": .string(answer.fromPath), "toPath": .string(answer.toPath),
      "from": .string(answer.from.hex), "to": JSONValue(answer.to?.hex),
      "difference": .array(answer.difference.map { .string($0) }),
    ]
  }
}
