// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout

/// What the nodes go by, beside the inventory of a file: asked of every node of both.
struct InventoryLook {
  /// As the file says.
  let cluster: Cluster
  /// One row for each node of the file, then those of the nodes' own inventory that it has not.
  let rows: [NodeAnswer<InventoryAnswer>]
  /// The way to each of them.
  let members: [(name: String, link: any AgentLink)]

  var answers: [InventoryAnswer] { rows.compactMap(\.answer) }

  /// - Parameter file: an inventory in place of the options'.
  init(
    _ context: CommandContext, _ options: ClusterOptions, named file: String? = nil
  ) throws(Refusal) {
    cluster = try context.clusterRefusingRevoked(options, named: file)
    var rows = context.ask(cluster, .inventory)
    var members = cluster.members
    // One more round finds all: the highest that was heard of names the others.
    let known = Set(cluster.names)
    let others =
      rows.compactMap(\.answer?.agreed).max { $0.number < $1.number }?
      .inventory.nodes.filter { !known.contains($0.name) } ?? []
    if !others.isEmpty {
      let rest = try Cluster.connect(
        Inventory(cluster: cluster.inventory.cluster, nodes: others), options, context.host,
        context.network, revoked: cluster.revoked)
      rows += context.ask(rest, .inventory)
      members += rest.members
    }
    (self.rows, self.members) = (rows, members)
  }

  func present() throws(Refusal) -> AgreedInventory {
    guard !answers.isEmpty else {
      let first = rows.first.map { "\($0.name): \($0.failure?.message ?? "")" } ?? ""
      throw Refusal(.unreachable, "no node answers (\(first)); keyturn status shows all")
    }
    return try MembersPlan.present(among: answers)
  }
}

/// `keyturn inventory show`: the inventory that the nodes have agreed on.
struct InventoryShowCommand: Command {
  struct Options: OptionGroup { var cluster = ClusterOptions() }

  static let rule = CommandRule(
    name: "inventory show",
    summary: "print the inventory that the nodes have agreed on",
    details: """
      As a file for --inventory; "number" in it says which one it was made from, and keyturn inventory apply refuses it
      once the nodes go by another. Until the first rollout each node goes by
      its own /etc/keyturn/inventory.json; with the first vote that counts, as number 1, and from then on keyturn
      inventory apply changes it.
      """,
    examples: [("keyturn inventory show > agreed.json", "the cluster's own, to be edited")],
    exitCodes: [.done, .failed, .unknown, .unreachable, .voteRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let look = try InventoryLook(context, options.cluster)
    context.tellFailures(look.rows)
    let present = try look.present()
    let isAgreed = look.answers.contains { $0.isRecorded && $0.agreed == present }
    let own = look.cluster.inventory.contentDigest == present.inventory.contentDigest
    context.console.message(
      .note,
      "inventory number \(present.number) of \(present.inventory.cluster), \(isAgreed ? "agreed on by the nodes" : "of the nodes' files, not voted with yet")"
        + (own
          ? "; this command's file says the same" : "; this command's file says something else")
    )
    let holders = look.answers.filter { $0.agreed == present }.map(\.node)
    context.console.event(
      "inventory",
      [
        "number": present.number, "agreed": isAgreed, "nodes": holders,
        "inventory": present.inventory,
      ])
    if context.console.format == .text {
      var file = present.inventory
      file.number = present.number
      context.host.write(file.fileText, to: .standardOutput)
    }
    return .asked(look.rows) { $0.agreed == present ? .same : .different }
  }
}

/// `keyturn inventory diff`: what an inventory would change.
struct InventoryDiffCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "FILE", as: .text) var file: String?
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "inventory diff",
    summary: "show what an inventory would change",
    details: """
      From what the nodes have agreed on to FILE, or to this command's inventory without one. Changes nothing.
      """,
    examples: [("keyturn inventory diff", "what keyturn inventory apply would do")],
    exitCodes: [.done, .failed, .unknown, .unreachable, .voteRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let look = try InventoryLook(context, options.cluster, named: options.file)
    context.tellFailures(look.rows)
    let present = try look.present()
    let lines = InventoryLines(from: present.inventory, to: look.cluster.inventory).lines
    for line in lines { context.console.line(line) }
    if lines.isEmpty {
      context.console.line("the same as inventory number \(present.number) of the nodes")
    }
    for answer in look.answers where answer.agreed.number < present.number {
      context.console.message(
        .warning,
        "\(answer.node) goes by number \(answer.agreed.number), the others by \(present.number)")
    }
    context.console.event("inventoryDifference", ["number": present.number, "lines": lines])
    return .asked(look.rows) { $0.agreed == present ? .same : .different }
  }
}

extension Inventory {
  /// As a file, for people too.
  var fileText: String { String(decoding: fileBytes, as: UTF8.self) }
}
