// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout

extension ClusterPlan {
  /// Prints it, for people nodes with the same content together. The reason of a refusal is left out
  /// where the verdict, which is printed later, has it.
  ///
  /// - Parameter restarts: whether its rollout would restart the servers.
  func show(_ console: Console, said: Verdict, restarts: Bool) {
    console.events("plan", rows, fields: Self.fields)
    let refusals = refusals
    let texts = zip(rows, refusals).map { row, refusal in
      (name: row.name, value: lines(row, refusal.refusal, said, restarts))
    }
    for group in NodeNames.grouped(texts) {
      console.progress(NodeNames.folded(group.names))
      for line in group.value {
        let styled = Console.difference("  " + line)
        if styled.parts[0].style == .plain {
          console.prose("  " + line)
        } else {
          console.progress(styled)
        }
      }
    }
    if restarts { for change in programChanges { console.prose(change) } }
  }

  private func lines(
    _ row: NodeAnswer<PlanAnswer>, _ refusal: Refusal?, _ said: Verdict, _ restarts: Bool
  ) -> [String] {
    var why = ""
    if let refusal, !said.tells(of: row.name) { why = ": \(refusal.message)" }
    guard let answer = row.answer else {
      return ["\(refusal?.code.title ?? "unreachable")\(why)"]
    }
    // The finding that the refusal repeats is left out.
    var lines = answer.findings.filter { $0.statement != refusal?.message }.map(\.text)
    if let refusal { lines.insert("refused (\(refusal.code.title))\(why)", at: 0) }
    if answer.before == answer.after {
      lines.append("\(answer.path) stays as it is")
    } else {
      lines.append(answer.before == nil ? "\(answer.path) is new" : "\(answer.path) changes")
      lines += answer.difference.map { "  " + $0 }
    }
    var cause = answer.restartNeeded ? answer.restartReason : nil
    // Files are to be put right elsewhere, and this is why that takes a restart.
    if restarts, changesFiles, cause == nil { cause = restartCause(of: answer) }
    lines.append(cause.map { "restart needed: \($0)" } ?? "the server runs with it already")
    if let key = answer.seal?.keyName { lines.append("the SSE key is sealed: \(key)") }
    return lines
  }

  private static func fields(_ answer: PlanAnswer) -> JSONObject {
    [
      "file": answer.path, "before": answer.before?.hex, "after": answer.after?.hex,
      "difference": answer.difference, "restartNeeded": answer.restartNeeded,
      "restartReason": answer.restartReason, "findings": answer.findings.map(JSONObject.init),
      "refusal": answer.refusal.map {
        ["kind": $0.code.rawValue, "message": $0.message] as JSONObject
      },
      "activeRollout": answer.activeRollout, "sealedKey": answer.seal?.keyName,
      "epoch": answer.epoch, "programs": answer.programs,
    ]
  }
}

extension JSONObject {
  /// `more` only where the finding stands for others.
  init(_ finding: Finding) {
    var parts: JSONObject = [
      "severity": finding.severity.rawValue, "rule": finding.rule, "variable": finding.variable,
      "file": finding.file, "line": finding.line, "column": finding.column,
      "message": finding.message, "remedy": finding.remedy,
    ]
    if let more = finding.more { parts["more"] = more }
    self = parts
  }
}

extension RefusalCode {
  fileprivate var title: String {
    switch self {
    case .guarded: "key guard"
    case .keyManager: "Key Manager"
    case .notPermitted: "not permitted"
    case .validation, .file, .unit, .vote, .clock, .busy, .unreachable, .configuration, .failed:
      rawValue
    }
  }
}
