// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// What another inventory means for the servers, by the MINIO_VOLUMES that each would start with.
struct VolumesOutlook {
  /// A sentence each.
  let warnings: [String]

  /// Asks the nodes that stay. Blocks until each has answered or is out of time.
  init(_ context: CommandContext, _ look: InventoryLook, _ plan: MembersPlan) {
    let staying = Set(plan.change.former).intersection(plan.change.latter)
    let rows: [NodeAnswer<ExplainAnswer>] = Parallel.ask(
      .explain("MINIO_VOLUMES"), of: look.members.filter { staying.contains($0.name) },
      milliseconds: CommandContext.answerMilliseconds)
    warnings = Self.warnings(
      rows.compactMap { row in
        row.answer?.winner.map { (name: row.name, value: $0.value) }
      }, plan)
  }

  private static func warnings(
    _ values: [(name: String, value: String)], _ plan: MembersPlan
  ) -> [String] {
    NodeNames.grouped(values).flatMap { names, value -> [String] in
      let (words, nodes) = (value.split(whereSeparator: \.isWhitespace), NodeNames.folded(names))
      let volumes = ServerVolumes(words.map(String.init))
      let differences = volumes.hosts.findings(plan.wanted, whose: "MINIO_VOLUMES")
        .filter { $0.severity == .error }
        .map {
          "\(nodes): with this inventory every rollout is refused (exit 5): \($0.statement)"
        }
      let losses =
        plan.change.without.isEmpty
        ? [] : volumes.named.losses(from: plan.present.inventory, to: plan.wanted)
      return differences + losses
    }
  }
}
