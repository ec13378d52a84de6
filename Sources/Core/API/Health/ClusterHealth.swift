// SPDX-License-Identifier: Apache-2.0
internal import Crypto
package import Model
package import Rollout

/// Whether the cluster is one and alive, judged from what every node said. `keyturn status`, `keyturn check` and its
/// line for Nagios print this, and exit by it. Pure.
package struct ClusterHealth: Sendable {
  /// From best to worst.
  package enum Level: Int, Sendable, Hashable, Comparable {
    case well
    /// It works now, and something should be looked at: drift, a degraded link.
    case remarked
    /// A node did not answer, or does not know its own state.
    case unknown
    /// Something is wrong now.
    case wrong

    package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
  }

  /// One thing, and the nodes that it is said of.
  package struct Statement: Sendable, Hashable {
    package var level: Level
    package var nodes: [String]
    package var finding: Finding

    /// `minio-[1-3]: what is wrong — what mends it`.
    package var text: String { "\(NodeNames.folded(nodes)): \(finding.statement)" }
  }

  /// Every node, in the order of the inventory.
  package let nodes: [String]
  /// The worst first; within a level the server, then what differs between nodes, then what each found itself.
  package let statements: [Statement]
  /// Why a node gave no answer.
  package let unanswered: [(name: String, refusal: Refusal)]

  /// - Parameters:
  ///   - inventory: the operator's own, in the order of which the rows are.
  ///   - protocols: what the program speaks that would coordinate a rollout.
  package init(
    _ rows: [NodeAnswer<NodeSight>], inventory: Inventory, protocols: ProtocolRange = .own
  ) {
    nodes = rows.map(\.name)
    unanswered = rows.compactMap { row in row.failure.map { (name: row.name, refusal: $0) } }
    let sights = rows.compactMap { row in row.answer.map { (name: row.name, value: $0) } }
    var statements: [Statement] = []
    for group in NodeNames.grouped(sights.map { ($0.name, Self.server($0.value, inventory.unit)) })
    {
      guard let (level, finding) = group.value.map({ ($0.level, $0.finding) }) else { continue }
      statements.append(Statement(level: level, nodes: group.names, finding: finding))
    }
    // A node whose seal is not what it must be says so itself, and what to do.
    let lostSeals = Set(
      sights.filter { row in
        row.value.findings.contains { $0.severity == .error && $0.rule.hasPrefix("seal-") }
      }.map(\.name))
    statements += ClusterUnity(
      sights.compactMap { row in row.value.report.map { (name: row.name, report: $0) } },
      inventory: inventory, protocols: protocols
    ).statements.filter {
      $0.finding.rule != ClusterUnity.sealRule || !lostSeals.isSuperset(of: $0.nodes)
    }
    let own = sights.flatMap { row in
      Self.own(row.value).map { (name: row.name, value: $0) }
    }
    statements += NodeNames.grouped(own).map {
      Statement(level: Self.level(of: $0.value), nodes: $0.names, finding: $0.value)
    }
    // As stable as the rules' own order within a level.
    self.statements =
      statements.enumerated().sorted { a, b in
        (a.element.level, a.element.finding.severity) == (
          b.element.level, b.element.finding.severity
        )
          ? a.offset < b.offset
          : (a.element.level, a.element.finding.severity)
            > (b.element.level, b.element.finding.severity)
      }.map(\.element).withoutRepetition
  }

  // MARK: the verdict

  /// Of all nodes.
  package var level: Level {
    max(statements.map(\.level).max() ?? .well, unanswered.isEmpty ? .well : .unknown)
  }

  /// Whether a certificate does not permit the look.
  package var isForbidden: Bool { unanswered.contains { $0.refusal.code == .notPermitted } }

  package func level(of node: String) -> Level {
    if unanswered.contains(where: { $0.name == node }) { return .unknown }
    return statements.filter { $0.nodes.contains(node) }.map(\.level).max() ?? .well
  }

  /// What is said of a node that counts at least so much.
  package func statements(of node: String, from level: Level) -> [Statement] {
    statements.filter { $0.level >= level && $0.nodes.contains(node) }
  }

  /// `4 nodes: 3 fine, 1 not`: the last line for people, and the first of Nagios'.
  ///
  /// - Parameter isComplete: whether every link could be verified.
  package func conclusion(isComplete: Bool) -> String {
    let count = NodeNames.counted(nodes.count)
    func names(_ level: Level) -> [String] { nodes.filter { self.level(of: $0) == level } }
    let (wrong, unknown, remarked) = (names(.wrong), names(.unknown), names(.remarked))
    if wrong.isEmpty && unknown.isEmpty {
      if !remarked.isEmpty {
        return "\(count): nothing is wrong now, but look at \(NodeNames.folded(remarked))"
      }
      return "\(count): everything is fine" + (isComplete ? "" : " that could be checked")
    }
    let fine = nodes.count - wrong.count - unknown.count
    return
      ([
        "\(fine) fine", wrong.isEmpty ? nil : "\(wrong.count) not",
        unknown.isEmpty ? nil : "\(unknown.count) not known",
      ].compactMap(\.self)).reduce("\(count):") { $0 + ($0.hasSuffix(":") ? " " : ", ") + $1 }
  }

  // MARK: the rules on one node

  /// Whether its server runs and is READY; nil if it is.
  private static func server(_ sight: NodeSight, _ unit: String) -> Statement? {
    // Who holds a start back says itself what to do.
    let isHeld = sight.findings.contains { finding in
      holdRules.contains(finding.rule)
        && (finding.severity == .error || finding.rule == "starts-held")
    }
    func statement(_ level: Level, _ message: String, _ remedy: String?) -> Statement {
      let severity: Severity = level == .wrong ? .error : .warning
      let isLoaded = sight.report?.isUnitLoaded ?? true
      let remedy = isHeld && isLoaded && level == .wrong ? nil : remedy
      return Statement(
        level: level, nodes: [],
        finding: Finding(
          severity, rule: "server-state", refusal: .unit, message: message, remedy: remedy))
    }
    guard let report = sight.report else {
      return statement(
        .unknown, "its agent is older than this command and does not say whether the server runs",
        "install the same version of keyturnd everywhere")
    }
    guard let state = report.unit else {
      return statement(
        .unknown, "whether the server runs is not known: the state of \(unit) could not be read",
        "`systemctl status \(unit)` there")
    }
    if state.isReady { return nil }
    if let rollout = report.restartsIn {
      return statement(
        .remarked, "rollout \(rollout) restarts the server", "`keyturn watch \(rollout)`")
    }
    let logs = "`keyturn logs --errors` shows why"
    if state.subState.hasPrefix("auto-restart") {
      return statement(
        .wrong, "the server does not run: it ends after each start, and systemd starts it again",
        logs)
    }
    switch state.activeState {
    case "failed":
      return statement(
        .wrong, "the server does not run: \(unit) is failed (Result=\(state.result))",
        "\(logs); then there `systemctl reset-failed \(unit)` and `systemctl start \(unit)`")
    case "activating", "reloading", "refreshing":
      return statement(
        .wrong, "the server is not READY: its start has not ended",
        "`keyturn logs` shows what it waits for")
    case "deactivating":
      return statement(
        .wrong, "the server is being stopped", "`systemctl start \(unit)` there, once it has ended")
    default:
      if state.loadState != "loaded" {
        return statement(
          .wrong, "the server does not run: \(unit) is \(state.loadState)",
          state.loadState == "masked"
            ? "`systemctl unmask \(unit)` and `systemctl start \(unit)` there"
            : "install the unit, or name the right one as \"unit\" in the inventory")
      }
      return statement(
        .wrong, "the server does not run: \(unit) is \(state.activeState) (\(state.subState))",
        "`systemctl start \(unit)` there")
    }
  }

  /// What a node found itself, without what ``server(_:_:)`` says better.
  private static func own(_ sight: NodeSight) -> [Finding] {
    guard let unit = sight.report?.unit else { return sight.findings }
    return sight.findings.filter { finding in
      if startRules.contains(finding.rule) { return false }
      if finding.rule == "server-down", finding.severity < .error { return false }
      if unit.loadState != "loaded", unitRules.contains(finding.rule) { return false }
      return unit.isReady || !loadRules.contains(finding.rule)
    }
  }

  private static let holdRules: Set = ["server-down", "starts-held", "start-guard"]

  /// Rules of the unit doctor: for a plan they are warnings, since a rollout may be what mends the server.
  private static let startRules: Set = [
    "unit-start-loop", "unit-failed", "unit-start-limit-hit", "unit-starting", "unit-unreadable",
  ]
  /// What follows from a unit that is masked or not there.
  private static let unitRules: Set = ["unit-environment-file", "start-guard"]
  private static let loadRules: Set = ["unit-masked", "unit-not-loaded"]

  /// An error is wrong now. A warning counts where it is of the present state; others advise on a unit or on settings
  /// that have been so for long.
  private static func level(of finding: Finding) -> Level {
    switch finding.severity {
    case .error: .wrong
    case .warning: finding.link != nil || stateRules.contains(finding.rule) ? .remarked : .well
    case .note: .well
    }
  }

  private static let stateRules: Set = [
    "drift", "key-manager-link", "reverse-path", OwnCertificate.rule, "rollout-in-doubt",
    "rollout-instant-unreachable", "starts-held", "seal-waiting", "process-unreadable",
    "file-unreadable", "unit-daemon-reload", "damaged-record", "damaged-generation",
    "inventory-file-differs", "node-not-a-member", "witness-inventory",
    "authority-change",
  ]
}

extension [ClusterHealth.Statement] {
  /// What says nothing that one before it has not said of the same nodes is left out.
  fileprivate var withoutRepetition: Self {
    enumerated().filter { index, statement in
      !self[..<index].contains { earlier in
        earlier.nodes == statement.nodes
          && statement.finding.message.hasSuffix(earlier.finding.message)
      }
    }.map(\.element)
  }
}
