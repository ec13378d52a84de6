// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import EnvironmentFile
internal import Model

/// `keyturn explain KEY`: where each node's server gets a variable from.
struct ExplainCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "KEY", as: .variable) var variable: String
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "explain",
    summary: "where each value of a variable comes from on each node, and which one wins",
    details: """
      All places in the order in which they count: the service manager's environment, PassEnvironment=,
      Environment=, the files of EnvironmentFile=, UnsetEnvironment=, and the file of MINIO_CONFIG_ENV_FILE, which
      the server itself reads. The winner is what the next start gets. Secrets are shown as identities, or not at all.
      """,
    examples: [
      (
        "keyturn explain MINIO_KMS_SSE_KEY",
        "which definition of the key counts, and what it overrides"
      )
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let rows = context.ask(
      cluster, .explain(options.variable), milliseconds: 2 * CommandContext.answerMilliseconds
    )
    context.console.events("explain", rows, fields: Self.fields)
    let texts = rows.compactMap { row in
      row.answer.map { (name: row.name, value: Self.lines($0)) }
    }
    for group in NodeNames.grouped(texts) {
      context.console.line(NodeNames.folded(group.names))
      for line in group.value { context.console.line("  " + line) }
    }
    context.tellFailures(rows)
    return .asked(rows) { $0.winner == nil ? .unset : .set }
  }

  private static func lines(_ answer: ExplainAnswer) -> [String] {
    if answer.definitions.isEmpty {
      let meant = answer.suggestion.map { "; did you mean \($0)?" } ?? ""
      return ["\(answer.name) is not set\(meant)"]
    }
    var lines = answer.definitions.map { definition in
      let line = definition.line.map { " line \($0)" } ?? ""
      let why = definition.reason.isEmpty ? "" : ": \(definition.reason)"
      return "\(Self.mark(definition.effect)) \(definition.place)\(line): \(definition.value)\(why)"
    }
    if answer.winner == nil { lines.append("\(answer.name) is not set") }
    return lines
  }

  private static func mark(_ effect: ExplainedDefinition.Effect) -> String {
    let width = "overridden".utf8.count
    return effect.rawValue + String(repeating: " ", count: width - effect.rawValue.utf8.count)
  }

  private static func fields(_ answer: ExplainAnswer) -> JSONObject {
    [
      "name": answer.name, "value": answer.winner?.value, "suggestion": answer.suggestion,
      "definitions": answer.definitions.map(JSONObject.init),
    ]
  }
}

extension JSONObject {
  fileprivate init(_ definition: ExplainedDefinition) {
    self = [
      "place": definition.place, "line": definition.line, "value": definition.value,
      "effect": definition.effect.rawValue, "reason": definition.reason,
    ]
  }
}

extension ArgumentType<String> {
  fileprivate static var variable: Self {
    Self { (text, _) throws(UsageProblem) in
      guard let problem = VariableName.problem(with: text) else { return text }
      throw UsageProblem(message: "\"\(text)\": \(problem); give the name of a variable")
    }
  }
}
