// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout

/// `keyturn rollouts`: the rollouts that the nodes have kept, whatever became of them.
struct RolloutsCommand: Command {
  typealias Options = ClusterOptions

  static let rule = CommandRule(
    name: "rollouts",
    summary: "the last rollouts, aborted and failed ones too: when, what, by whom, how each ended",
    details: """
      The newest first. Each node keeps its last 20. Commands that take a rollout's ID take its first digits too,
      if no other begins with them.
      """,
    examples: [
      ("keyturn rollouts", "which was it?"),
      ("keyturn show 0d07", "the steps of the one whose id begins so"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options)
    let rows = context.ask(cluster, .rollouts)
    context.console.events("rollouts", rows) { ["rollouts": $0.rollouts.map(JSONObject.init)] }
    let kept = KeptRollouts(rows: rows)
    if kept.all.isEmpty {
      context.console.progress("no node has kept a rollout")
    } else {
      context.console.table(kept.header, kept.table)
    }
    context.tellFailures(rows)
    return .asked(rows) { _ in .reachable }
  }
}

/// The rollouts that the nodes have kept, each once. Pure.
struct KeptRollouts: Sendable {
  struct Kept: Sendable {
    var head: RolloutHead
    /// When it began on the first node, by that node's clock, microseconds since 1970.
    var beganMicroseconds: Int64
    /// How it ended on each node that has kept it, in a word; nil where it has not, or not as a part of it.
    var outcomes: [(name: String, value: String?)]
  }

  /// The newest first.
  let all: [Kept]

  init(rows: [NodeAnswer<RolloutsAnswer>]) {
    var all: [Kept] = []
    for row in rows {
      for entry in row.answer?.rollouts ?? [] {
        let outcome = (name: row.name, value: entry.outcome?.word)
        if let index = all.firstIndex(where: { $0.head.id == entry.rollout.id }) {
          all[index].beganMicroseconds = min(
            all[index].beganMicroseconds, entry.beganMicroseconds)
          all[index].outcomes.append(outcome)
        } else {
          all.append(
            Kept(
              head: entry.rollout, beganMicroseconds: entry.beganMicroseconds, outcomes: [outcome]))
        }
      }
    }
    self.all = all.sorted { ($0.head.epoch, $0.head.id) > ($1.head.epoch, $1.head.id) }
  }

  private var hasNotes: Bool { all.contains { $0.head.note != nil } }

  var header: [String] {
    ["ROLLOUT", "BEGAN", "KIND", "BY", "GENERATION", "RESULT"] + (hasNotes ? ["NOTE"] : [])
  }

  var table: [[String]] {
    all.map { kept in
      [
        kept.head.id, ClusterGenerations.time(kept.beganMicroseconds), kept.head.kindText,
        kept.head.createdBy, "\(kept.head.generation)", Self.result(kept.outcomes),
      ] + (hasNotes ? [kept.head.note ?? ""] : [])
    }
  }

  /// `confirmed`, or `minio-[1-3] confirmed, minio-4 failed`.
  private static func result(_ outcomes: [(name: String, value: String?)]) -> String {
    let groups = NodeNames.grouped(outcomes)
    let words = groups.map { $0.value ?? "no outcome" }
    if words.count == 1 { return words[0] }
    return zip(groups, words).map { "\(NodeNames.folded($0.names)) \($1)" }
      .joined(separator: ", ")
  }

  /// The rollout whose id begins so; nil if there is none.
  ///
  /// - Throws: a refusal if there are several.
  func id(beginningWith digits: String) throws(Refusal) -> String? {
    let ids = all.map(\.head.id)
    if ids.contains(digits) { return digits }
    let found = ids.filter { $0.hasPrefix(digits) }
    if found.count > 1 {
      throw Refusal(
        .validation, "several rollouts begin with \(digits): \(found.joined(separator: ", "))")
    }
    return found.first
  }
}

extension JSONObject {
  fileprivate init(_ entry: RolloutEntry) {
    self = [
      "id": entry.rollout.id, "kind": entry.rollout.kind.rawValue,
      "restarted": entry.rollout.withoutRestart != true,
      "rotation": entry.rollout.occasion?.isRotation == true, "note": entry.rollout.note,
      "createdBy": entry.rollout.createdBy, "epoch": entry.rollout.epoch,
      "generation": entry.rollout.generation,
      "began": CalendarTime.text(microseconds: entry.beganMicroseconds),
      "outcome": entry.outcome?.word, "reason": entry.outcome?.reason,
    ]
  }
}

extension CommandContext {
  /// Digits of a rollout's id.
  private static let idDigits = 16

  /// The whole id of a rollout that was named by its first digits; as it was given where no node
  /// knows it. Blocks while the nodes are asked.
  func rolloutID(_ given: String, _ cluster: Cluster) throws(Refusal) -> String {
    if given.count >= Self.idDigits { return given }
    return try KeptRollouts(rows: ask(cluster, .rollouts)).id(beginningWith: given) ?? given
  }
}
