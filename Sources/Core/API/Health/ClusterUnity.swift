// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model
internal import Rollout

/// What differs between the nodes of a cluster although it must not.
///
/// Nothing is compared that a rollout which is under way changes: its restarts are one instant, the answers are not.
struct ClusterUnity {
  typealias Row = (name: String, report: NodeReport)
  typealias Statement = ClusterHealth.Statement

  private let rows: [Row]
  private let inventory: Inventory
  /// What the program that would coordinate a rollout speaks.
  private let protocols: ProtocolRange

  init(_ rows: [Row], inventory: Inventory, protocols: ProtocolRange) {
    self.rows = rows
    self.inventory = inventory
    self.protocols = protocols
  }

  var statements: [Statement] {
    let isChanging = rows.contains { $0.report.restartsIn != nil }
    return (isChanging ? [] : environments + programs + seals + generations) + guards + inventories
      + revocations + versions
  }

  private func differs(_ rule: String, _ nodes: [String], _ message: String, _ remedy: String)
    -> Statement
  {
    Statement(
      level: .wrong, nodes: nodes,
      finding: Finding(.error, rule: rule, refusal: .vote, message: message, remedy: remedy))
  }

  // MARK: settings

  private typealias EnvironmentRow = (name: String, environment: NodeReport.Environment)

  private func rows(_ environment: (NodeReport) -> NodeReport.Environment?) -> [EnvironmentRow] {
    rows.compactMap { row in environment(row.report).map { (row.name, $0) } }
  }

  /// AIStor's nodes wait for one another until their MINIO_* variables are alike.
  private var environments: [Statement] {
    // What a unit that is not loaded would read is no other settings: the unit is the news.
    let (running, files) = (
      difference(rows(\.running)), difference(rows { $0.isUnitLoaded ? $0.files : nil })
    )
    if let files {
      let place = running?.text == files.text ? "the files and the running servers" : "the files"
      var found = [
        differs(
          "settings-differ", files.nodes, "\(place) have other settings: \(files.text)",
          "`keyturn apply --settings FILE` (or `--unset NAME`) gives all nodes the same; `keyturn explain NAME` shows where each has it from"
        )
      ]
      if let running, running.text != files.text { found.append(ofRunning(running)) }
      return found
    }
    return running.map { [ofRunning($0)] } ?? []
  }

  private func ofRunning(_ difference: (nodes: [String], text: String)) -> Statement {
    differs(
      "running-settings-differ", difference.nodes,
      "the running servers have other settings: \(difference.text)",
      "`keyturn restart` starts all of them with what the files say")
  }

  /// Which variables differ and who is not with the most; nil if all have the same.
  private func difference(_ rows: [EnvironmentRow]) -> (nodes: [String], text: String)? {
    let digests = rows.map { (name: $0.name, value: $0.environment.digest) }
    guard NodeNames.grouped(digests).count > 1 else { return nil }
    let clauses = VariableDifferences.clauses(
      rows.map { (name: $0.name, variables: $0.environment.variables) })
    // An observer is not told of variables whose values may be secrets.
    let text =
      clauses.isEmpty
      ? "secret variables, which an operator's certificate shows" : clauses.joined(separator: "; ")
    return (VariableDifferences.minority(digests), text)
  }

  // MARK: the program

  /// AIStor's nodes do not start among others of another binary.
  private var programs: [Statement] {
    func difference(_ program: (ServerPrograms) -> ServerProgram?) -> (
      nodes: [String], text: String
    )? {
      let known = rows.map { (name: $0.name, program: $0.report.programs.flatMap(program)) }
      guard let text = ProgramDifference.text(known) else { return nil }
      let digests = known.compactMap { row in
        row.program.map { (name: row.name, value: $0.digest) }
      }
      return (VariableDifferences.minority(digests), text)
    }
    if let installed = difference(\.installed) {
      return [
        differs(
          "programs-differ", installed.nodes,
          "the installed MinIO programs are not the same: \(installed.text)",
          "install the same package on all nodes, then `keyturn restart`")
      ]
    }
    guard let running = difference(\.running) else { return [] }
    return [
      differs(
        "running-programs-differ", running.nodes,
        "the running servers are not of the same program: \(running.text)",
        "`keyturn restart` starts the installed one on all nodes")
    ]
  }

  // MARK: what was confirmed

  /// A node that was away from a rollout which changed nothing for it.
  private var generations: [Statement] {
    let numbers = rows.map { (name: $0.name, value: $0.report.generation) }
    let last = numbers.map(\.value).max() ?? 0
    return NodeNames.grouped(numbers.filter { $0.value < last }).map { group in
      Statement(
        level: .well, nodes: group.names,
        finding: Finding(
          .note, rule: "generation-behind", refusal: .vote,
          message: group.value == 0
            ? "no generation was confirmed here, and \(last) elsewhere"
            : "generation \(group.value), and \(last) elsewhere",
          remedy: "the next rollout gives all nodes the same"))
    }
  }

  static let sealRule = "seals-differ"

  private var seals: [Statement] {
    let digests = rows.map { (name: $0.name, value: $0.report.seal) }
    let groups = NodeNames.grouped(digests)
    guard groups.count > 1 else { return [] }
    let words = groups.map { group in
      "\(NodeNames.folded(group.names)) \(group.value.map { "has \($0.hex.prefix(12))" } ?? "has none")"
    }
    return [
      differs(
        Self.sealRule, VariableDifferences.minority(digests),
        "the seals are not the same: \(words.joined(separator: ", "))",
        "`keyturn seal show`; `keyturn seal recover NODE` takes the others'")
    ]
  }

  private var guards: [Statement] {
    let known = rows.compactMap { row in row.report.hasStartGuard.map { (row.name, $0) } }
    let without = known.filter { !$0.1 }.map(\.0)
    guard !without.isEmpty, without.count < known.count else { return [] }
    return [
      differs(
        "start-guard-differs", without,
        "the start guard is not in force here, and is on the other nodes",
        "install systemd/minio.service.d/10-keyturn.conf there as on the others, and run `systemctl daemon-reload`"
      )
    ]
  }

  // MARK: revoked certificates

  /// A node with an older list lets in who was shut out.
  private var revocations: [Statement] {
    let newest = rows.compactMap(\.report.revocations).max() ?? 0
    let older = rows.filter { ($0.report.revocations ?? 0) < newest }.map(\.name)
    if older.isEmpty { return [] }
    return [
      differs(
        "revocations-differ", older,
        "its list of revoked certificates is older than number \(newest), which other nodes have: what was revoked since is still taken here",
        "it asks a few others about every minute and takes that from one that has it; its journal says if it cannot. `keyturn pki revoke` where the authority is brings lists together that lack something of each other, and sends the list again"
      )
    ]
  }

  // MARK: versions

  /// Agents of different versions share rollouts where they have a protocol in common.
  private var versions: [Statement] {
    let told = rows.map { (name: $0.name, version: $0.report.version) }
    let impossible = NodeNames.grouped(
      told.compactMap { row in row.version.protocolProblem.map { (name: row.name, value: $0) } }
    ).map { group in
      Statement(
        level: .remarked, nodes: group.names,
        finding: Finding(
          .warning, rule: "protocols-impossible", refusal: .vote, message: group.value,
          remedy: "until then every rollout is refused"))
    }
    if let difference = told.protocolDifference(with: protocols) {
      return impossible + [
        Statement(
          level: .remarked, nodes: told.map(\.name),
          finding: Finding(
            .warning, rule: "protocols-differ", refusal: .vote, message: difference,
            remedy: "until then every rollout is refused"))
      ]
    }
    let texts = told.map { (name: $0.name, value: $0.version?.text ?? "an older one") }
    let groups = NodeNames.grouped(texts)
    guard groups.count > 1 else { return impossible }
    let clauses = groups.map { "\(NodeNames.folded($0.names)) \($0.value)" }
    return impossible + [
      Statement(
        level: .well, nodes: VariableDifferences.minority(texts),
        finding: Finding(
          .note, rule: "versions-differ", refusal: .vote,
          message: "the agents are of different versions: \(clauses.joined(separator: ", "))",
          remedy: "they share rollouts; docs/use/upgrade.md"))
    ]
  }

  // MARK: the inventory

  private var inventories: [Statement] {
    let newest = rows.compactMap(\.report.inventoryNumber).max() ?? 0
    let behind = rows.filter { ($0.report.inventoryNumber ?? newest) < newest }.map(\.name)
    let older =
      behind.isEmpty
      ? []
      : [
        differs(
          "inventory-behind", behind,
          "its inventory is older than number \(newest), which other nodes go by",
          "it asks a few others about every minute, and takes that once more than half of its members have it; keyturn inventory show and keyturnd's journal tell what keeps it from that"
        )
      ]
    return older + ofFile
  }

  private var ofFile: [Statement] {
    let own = inventory.parts
    // A part that only one of two versions knows is not compared.
    let differing = rows.map { row in
      let parts = Dictionary(
        row.report.inventory.map { ($0.name, $0.digest) }, uniquingKeysWith: { $1 })
      return (
        name: row.name,
        value: own.filter { part in parts[part.name].map { $0 != part.digest } ?? false }
          .map(\.name)
      )
    }
    return NodeNames.grouped(differing).filter { !$0.value.isEmpty }.map { group in
      let what = group.value.joined(separator: ", ")
      return differs(
        "inventory-differs", group.names,
        "the agent's inventory is another one than this command's: \(what)",
        "`keyturn inventory diff` shows it; `keyturn inventory show > FILE` makes a file of the nodes'; only if this command's is the newer one, `keyturn inventory apply` gives them that"
      )
    }
  }
}
