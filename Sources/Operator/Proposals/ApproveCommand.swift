// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

/// `keyturn proposals approve`: lets the nodes roll out what they propose, once.
struct ApproveCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "DIGEST", as: .retry) var digest: ProposalRetry
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "proposals approve",
    summary: "approve settings that nodes propose, where the inventory asks for it",
    details: """
      For "approval": "operator" in the inventory's "proposals". DIGEST is at least 8 digits of the digest that keyturn
      proposals shows. All nodes are told; they begin when each of them proposes these settings. An approval is for one
      rollout and seven days; any other rollout ends it, and on a node that it proposes something else or withdraws.
      """,
    examples: [("keyturn proposals approve 4f1c9a02b7d3", "these settings may be rolled out")],
    exitCodes: [.done, .failed, .unknown, .validationRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let (console, given) = (context.console, options.digest.digest)
    let held = context.ask(cluster, .proposals)
    let digests = Set(held.compactMap { $0.answer?.own.digest }).filter { $0.hex.hasPrefix(given) }
    guard let digest = digests.first, digests.count == 1 else {
      context.tellFailures(held)
      return context.ended(
        held.contains { $0.failure != nil } && digests.isEmpty ? .unknown : .validationRefused,
        digests.isEmpty
          ? "no node that answers proposes settings \(given): nothing was approved"
          : "several proposals begin with \(given): give more digits; nothing was approved")
    }
    let holders = held.compactMap(\.answer?.own).filter { $0.digest == digest }
    if holders.allSatisfy(\.isInForce) {
      return context.ended(
        .validationRefused,
        "settings \(digest.hex.prefix(12)) are in force where they are proposed: there is nothing to approve, and an approval would count for a later rollout"
      )
    }
    let rows = approve(digest, cluster)
    console.events("approval", rows) { ["digest": digest.hex, "changed": $0.isChanged] }
    context.tellFailures(rows)
    let told = rows.filter { $0.answer != nil }.map(\.name)
    if !told.isEmpty {
      console.line(
        "settings \(digest.hex.prefix(12)) are approved on \(NodeNames.folded(told)) for one rollout, which begins when all nodes propose them"
      )
    }
    var result = CommandResult.asked(rows) { $0.isChanged ? .taken : .unchanged }
    result.isChanged = rows.contains { $0.answer?.isChanged ?? false }
    return result
  }

  /// The first member begins as soon as it knows: the others know before it, or they would refuse, and it would try again
  /// a minute later.
  private func approve(_ digest: Digest, _ cluster: Cluster) -> [NodeAnswer<ProposalsView>] {
    let first = cluster.names.min()
    func ask(_ isAsked: (String) -> Bool) -> [NodeAnswer<ProposalsView>] {
      Parallel.ask(
        .approve(ApprovalRequest(digest: digest)), of: cluster.members.filter { isAsked($0.name) },
        milliseconds: CommandContext.answerMilliseconds)
    }
    let rows = ask { $0 != first } + ask { $0 == first }
    return cluster.names.compactMap { name in rows.first { $0.name == name } }
  }
}
