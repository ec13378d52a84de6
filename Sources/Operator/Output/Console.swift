// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Threads

/// A command's output: lines for people, or JSON lines.
///
/// Used from the command's thread only. Results go to standard output, messages to standard error;
/// with `--json` everything is an event on standard output.
struct Console: Sendable {
  enum Format: Sendable { case text, json }

  let host: any CommandHost
  let format: Format
  let isQuiet: Bool
  /// Whether standard output is a terminal that may be redrawn.
  let isLive: Bool
  let hasColor: Bool

  init(_ host: any CommandHost, json: Bool, quiet: Bool, noColor: Bool) {
    self.host = host
    format = json ? .json : .text
    isQuiet = quiet
    let dumb = host.variable("TERM") == "dumb"
    isLive = !json && !quiet && !dumb && host.terminal(.standardOutput) != nil
    hasColor = isLive && !noColor && (host.variable("NO_COLOR") ?? "").isEmpty
  }

  /// A line of the result, for people; false when nobody reads any more.
  @discardableResult
  func line(_ text: String) -> Bool {
    format != .text || host.write(Self.visible(text) + "\n", to: .standardOutput)
  }

  func progress(_ text: String) { if !isQuiet { line(text) } }

  /// The same, broken between words where the terminal is narrower.
  func prose(_ text: String) {
    let columns = isLive ? host.terminal(.standardOutput)?.columns : nil
    let indent = text.prefix { $0 == " " }.count + 2
    for line in Self.broken(text, columns, indent: indent) { progress(line) }
  }

  /// A line of the result that is a sentence: broken between words where the terminal is narrower.
  func result(_ text: String) {
    let columns = isLive ? host.terminal(.standardOutput)?.columns : nil
    for line in Self.broken(text, columns, indent: 2) { self.line(line) }
  }

  /// A table of the result, no wider than the terminal.
  func table(_ header: [String], _ rows: [[String]]) {
    let columns = isLive ? host.terminal(.standardOutput)?.columns ?? .max : .max
    for line in TextTable.lines(header, rows, columns: max(columns, 40)) { self.line(line) }
  }

  private static func broken(_ text: String, _ columns: Int?, indent: Int) -> [String] {
    guard let columns, columns >= 40 else { return [text] }
    return Wrapping.lines(text, columns: columns, indent: indent)
  }

  /// An event, for programs; false when nobody reads any more.
  @discardableResult
  func event(_ name: String, node: String? = nil, _ fields: JSONObject = [:]) -> Bool {
    guard format == .json else { return true }
    var object = fields
    object["event"] = name
    if object["time"] == nil {
      object["time"] = CalendarTime.text(microseconds: Clock.realtimeMicroseconds())
    }
    if let node { object["node"] = node }
    return host.write(object.text + "\n", to: .standardOutput)
  }

  /// `--quiet` leaves notes out.
  func message(_ severity: Severity, _ text: String) {
    if isQuiet, severity == .note { return }
    switch format {
    case .json:
      event("message", ["severity": severity.rawValue, "message": text])
    case .text:
      let head = severity == .note ? "" : "\(severity.rawValue): "
      let lines = Self.broken(
        "keyturn: \(head)\(Self.visible(text))", host.terminal(.standardError)?.columns, indent: 2)
      host.write(lines.joined(separator: "\n") + "\n", to: .standardError)
    }
  }

  /// One message for all nodes with the same error, and for those whose errors differ in nothing but
  /// the node's own name; none for nil.
  func errors(_ rows: [(name: String, message: String?)]) {
    let told = rows.compactMap { row in row.message.map { (name: row.name, message: $0) } }
    let alike = told.map { (name: $0.name, value: $0.message.replacing($0.name, with: "NODE")) }
    for group in NodeNames.grouped(alike) {
      let own = told.first { $0.name == group.names[0] }?.message ?? group.value
      message(
        .error,
        "\(NodeNames.folded(group.names)): \(group.names.count == 1 ? own : group.value)")
    }
  }

  /// `text` without what could drive a terminal or show one name as another.
  static func visible(_ text: String) -> String { HiddenCharacters.visible(text) }
}

extension Console {
  /// An event for each node: `name` with its answer, or `unreachable` with the reason.
  func events<Answer>(
    _ name: String, _ rows: [NodeAnswer<Answer>], fields: (Answer) -> JSONObject
  ) {
    for row in rows {
      switch row.result {
      case .success(let answer): event(name, node: row.name, fields(answer))
      case .failure(let failure):
        event(
          "unreachable", node: row.name,
          [
            "kind": failure.code.rawValue, "reason": failure.message,
          ])
      }
    }
  }
}
