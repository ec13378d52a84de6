// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// `keyturn show`: a rollout's steps on every node, on one axis.
struct ShowCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "ID", as: .text) var id: String?
    @Option(
      "html", takes: "FILE",
      help:
        "write a page with a chart instead (0600; a file that is there is refused; - prints it)",
      as: .text)
    var page: String?
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "show",
    summary: "how a rollout went on each node: votes, instant, stop, start, ready, confirmed",
    details: """
      Without ID: the last rollout. Each node keeps the steps of its last 20. All stand on one axis, whose zero is
      the instant of the restart, as the nodes' clocks were measured then.
      """,
    examples: [
      ("keyturn show", "the last rollout"),
      ("keyturn show 0d07a7a0593ac303 --html rollout.html", "as a page, for a report"),
    ],
    exitCodes: [.done, .failed, .unknown, .validationRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let id: String?
    if let given = options.id {
      id = try context.rolloutID(given, cluster)
    } else {
      id = try newest(cluster)
    }
    guard let id else {
      return context.ended(.validationRefused, "no node has kept a rollout")
    }
    let rows = context.ask(cluster, .follow(id: id, after: 0, waitMilliseconds: 0))
    let axis = TimelineAxis(
      id: id, rows.map { (node: $0.name, view: $0.result) },
      corrections: corrections(cluster, rows))
    let unknown = rows.filter { Self.knowsNothing($0.failure) }
    if unknown.count == rows.count {
      return context.ended(.validationRefused, Self.unknown(id), nodes: nodes(axis))
    }
    if let path = options.page {
      let page = TimelinePage(
        axis: axis, cluster: cluster.inventory.cluster, changes: changes(axis, rows, cluster)
      ).text
      try context.writePage(page, path)
    } else {
      print(axis)
    }
    events(axis)
    context.tellFailures(rows)
    let unread = rows.compactMap { row in
      row.answer?.problem.map { (name: row.name, value: $0) }
    }
    for line in NodeNames.lines(unread) { context.console.message(.warning, line) }
    var result = CommandResult.asked(
      nodes(axis), failures: rows.compactMap { $0.failure?.code }, isSound: unread.isEmpty)
    result.times = RolloutTimes(
      skew: axis.skew(of: .start), issueSkew: axis.skew(of: .issued),
      stopSkew: axis.skew(of: .stop), writeOutage: axis.writeOutage)
    return result
  }

  /// The id of the rollout with the highest epoch that any node has kept.
  private func newest(_ cluster: Cluster) throws(Refusal) -> String? {
    let rows = context.ask(cluster, .rollouts)
    let all = rows.compactMap(\.answer).flatMap(\.rollouts).map(\.rollout)
    // If a node does not answer, there may be a newer one.
    context.tellFailures(rows)
    if let newest = all.max(by: { $0.epoch < $1.epoch }) { return newest.id }
    if let failure = rows.compactMap(\.failure).first { throw failure }
    return nil
  }

  /// What the rollout has changed in the files, or would have, nodes with the same together.
  private func changes(
    _ axis: TimelineAxis, _ rows: [NodeAnswer<RolloutView>], _ cluster: Cluster
  ) -> [(nodes: String, lines: [String])] {
    let told = rows.compactMap { row in
      row.answer?.changes.map { (name: row.name, value: $0) }
    }
    let all = told.isEmpty ? kept(axis, cluster) : told
    return NodeNames.grouped(all).filter { !$0.value.isEmpty }.map { group in
      (
        nodes: group.names.count == cluster.names.count
          ? "" : " on \(NodeNames.folded(group.names))", lines: group.value
      )
    }
  }

  /// What its generation has changed against the one before it, of agents that do not tell it with the rollout; nothing
  /// where it is not kept, or no start was confirmed with it.
  private func kept(
    _ axis: TimelineAxis, _ cluster: Cluster
  ) -> [(name: String, value: [String])] {
    guard let head = axis.head, head.kind != .restart, head.kind != .members else { return [] }
    let numbers = context.ask(cluster, .generations).compactMap(\.answer).flatMap { answer in
      answer.generations.filter { $0.generation?.rollout != head.id || $0.number == 0 }
        .map(\.number)
    }
    guard let before = numbers.filter({ $0 < head.generation }).max() else { return [] }
    return context.ask(cluster, .diff(from: before, to: head.generation)).compactMap { row in
      row.answer.map { (name: row.name, value: $0.difference) }
    }
  }

  /// Of the nodes' wall clocks, where these place the steps.
  private func corrections(_ cluster: Cluster, _ rows: [NodeAnswer<RolloutView>]) -> [Int64] {
    if rows.contains(where: { $0.answer?.instant != nil }) { return [] }
    let links = cluster.connections.links
    return Parallel.map(Array(zip(links, rows.map { $0.answer != nil }))) { link, answers in
      answers ? NodeClock.correction(link) : 0
    }
  }

  static func unknown(_ id: String) -> String {
    "no node knows rollout \(id); each keeps its last \(Limits.timelines)"
  }

  static func knowsNothing(_ failure: Refusal?) -> Bool { failure?.code == .validation }

  private func nodes(_ axis: TimelineAxis) -> [NodeResult] {
    axis.rows.map { row in
      NodeResult(
        name: row.node, outcome: NodeOutcome(rawValue: row.word) ?? .unknown, reason: row.reason,
        failure: row.outcome?.failure)
    }
  }

  private func print(_ axis: TimelineAxis) {
    let console = context.console
    let text = TimelineText(axis: axis)
    let columns = context.host.terminal(.standardOutput)?.columns ?? 100
    let parts = [text.heading, text.summary, text.table, text.bars(columns: columns)]
    for (number, part) in parts.filter({ !$0.isEmpty }).enumerated() {
      if number > 0 { console.line("") }
      for line in part { console.line(line) }
    }
    let reasons = axis.rows.compactMap { row -> (name: String, value: String)? in
      guard let end = row.end, end.phase != .known(.confirmed) else { return nil }
      return (row.node, "\(end.phase.text): \(row.outcome?.reason ?? end.detail)")
    }
    if !reasons.isEmpty { console.line("") }
    for line in NodeNames.lines(reasons) { console.result(line) }
  }

  private func events(_ axis: TimelineAxis) {
    let console = context.console
    console.event(
      "rollout",
      [
        "id": axis.id, "kind": axis.head?.kind.rawValue, "createdBy": axis.head?.createdBy,
        "rotation": axis.head.map { $0.occasion?.isRotation == true }, "note": axis.head?.note,
        "epoch": axis.head?.epoch, "generation": axis.head?.generation,
        "hasInstant": axis.hasInstant,
        "restarted": axis.head.map { $0.withoutRestart != true },
        "zero": axis.zeroMicroseconds.map { CalendarTime.text(microseconds: $0) },
      ])
    for row in axis.rows where row.problem == nil {
      console.event(
        "timeline", node: row.node,
        [
          "outcome": row.outcome?.word, "reason": row.outcome?.reason,
          "failure": row.outcome?.failure,
          "byWallClock": row.isByWallClock,
          "steps": row.marks.map { mark in
            [
              "milliseconds": CommandResult.milliseconds(mark.at), "phase": mark.phase.text,
              "detail": mark.detail,
            ] as JSONObject
          },
        ])
    }
  }
}
