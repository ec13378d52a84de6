// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

/// `keyturn confirm`: one node's running server becomes a confirmed one, without a restart.
struct ConfirmCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "NODE", as: .text) var node: String
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "confirm",
    summary:
      "confirm one node's running server after a start that was not confirmed; restart nothing",
    details: """
      For a server that got well after its deadline, or that was started by hand since. The node looks at it for
      the settle time: READY, takes writes, the environment of the last committed rollout, the sealed key. If all is
      good its start is confirmed: the file becomes a generation, and a key is sealed as the rollout says. Nothing is
      voted on, no file changes, and other nodes are not asked.
      """,
    examples: [
      ("keyturn confirm minio-3", "after exit 9, once the cause is fixed and the server runs")
    ],
    exitCodes: [
      .done, .failed, .unreachable, .validationRefused, .guardRefused, .notConfirmed, .busy,
    ] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let name = options.node
    guard let index = cluster.names.firstIndex(of: name) else {
      return context.ended(
        .usage,
        "there is no node \"\(name)\" in the inventory, only \(NodeNames.folded(cluster.names))")
    }
    let milliseconds =
      Limits.confirmMilliseconds + cluster.inventory.timeouts.settleSeconds * 1_000
      + 2 * CommandContext.answerMilliseconds
    let answer: ConfirmAnswer
    do throws(LinkFailure) {
      answer = try cluster.connections.links[index].call(
        .confirm, lane: .control, deadline: .inMilliseconds(milliseconds))
    } catch {
      throw Refusal(error.refusal.code, "\(name): \(error.refusal.message)")
    }
    let result = tell(answer)
    if answer.outcome.kind == .confirmed { proposeAgain(answer.rollout.id, cluster, index) }
    return result
  }

  /// Settings whose rollout is confirmed on all nodes by now have not failed: every node takes them again when they are
  /// proposed. Nobody is asked where the node knows of none.
  private func proposeAgain(_ id: String, _ cluster: Cluster, _ index: Int) {
    let own = try? cluster.connections.links[index].call(
      .proposals, lane: .control, deadline: .inMilliseconds(CommandContext.answerMilliseconds))
    guard let failure = own?.failure, failure.rollout == id, failure.ending == .notConfirmed else {
      return
    }
    let rows = context.ask(cluster, .follow(id: id, after: 0, waitMilliseconds: 0))
    let open = rows.filter { $0.answer?.outcome?.kind != .confirmed }.map(\.name)
    if !open.isEmpty {
      context.console.message(
        .note,
        "what was proposed counts as failed until every start is confirmed: \(NodeNames.folded(open)) \(open.count == 1 ? "is" : "are") not"
      )
      return
    }
    context.tellFailures(
      context.ask(cluster, .retry(ProposalRetry(digest: failure.digest.hex))))
  }

  private func tell(_ answer: ConfirmAnswer) -> CommandResult {
    let (name, outcome) = (options.node, answer.outcome)
    let isConfirmed = outcome.kind == .confirmed
    let node = NodeResult(MemberOutcome(member: name, outcome: outcome))
    let message: String
    if answer.wasConfirmed {
      message = "\(name): rollout \(answer.rollout.id) is confirmed there already"
    } else if isConfirmed {
      message =
        "\(name): confirmed, \(outcome.reason); rollout \(answer.rollout.id), generation \(answer.rollout.generation)"
    } else {
      message =
        "\(name): not confirmed, and nothing was changed: \(Ending.clean(outcome.reason))"
    }
    if isConfirmed {
      context.console.line(message)
    } else {
      context.console.message(.error, message)
    }
    if let warning = outcome.warning { context.console.message(.warning, "\(name): \(warning)") }
    var result = CommandResult(
      isConfirmed ? .done : .notConfirmed, nodes: [node],
      isChanged: isConfirmed && !answer.wasConfirmed, message: message)
    result.restarted = false
    return result
  }
}
