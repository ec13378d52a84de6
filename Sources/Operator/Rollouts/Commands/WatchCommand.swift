// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model

/// `keyturn watch`: follows the rollout that the nodes are in, or the last one. Changes nothing.
struct WatchCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "ID", as: .text) var id: String?
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "watch",
    summary: "follow a rollout to its end, from anywhere, through a rollback too",
    details: """
      Changes nothing; Ctrl-C ends the watching only. Without ID: the rollout that the nodes are in, or the last
      one. The exit code is the one that the rollout's own command line would have; one that was aborted is 8.
      """,
    examples: [
      ("keyturn watch", "what is going on?"),
      ("keyturn watch 0d07a7a0593ac303", "after Ctrl-C, or one that began with proposals"),
    ],
    exitCodes: [
      .done, .failed, .unknown, .validationRefused, .voteRefused, .notConfirmed, .rolledBack,
      .rolledBackUnhealthy,
    ] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let follower = RolloutFollower(context: context, cluster: cluster)
    if let id = options.id {
      return try follower.follow(context.rolloutID(id, cluster))
    }
    let rows = context.ask(cluster, .status)
    let answers = rows.compactMap(\.answer)
    if answers.isEmpty, let failure = rows.first?.failure { throw failure }
    if let id = Self.mostly(answers.compactMap(\.activeRollout)) {
      return try follower.follow(id)
    }
    guard let id = Self.mostly(answers.compactMap(\.lastRollout)) else {
      context.console.line("no node has been in a rollout")
      return CommandResult(.done, outcome: "nothingToDo")
    }
    context.console.progress("no rollout is under way; the last one:")
    return try follower.follow(id)
  }

  /// The most frequent.
  private static func mostly(_ ids: [String]) -> String? {
    ids.max { a, b in (ids.count { $0 == a }, a) < (ids.count { $0 == b }, b) }
  }
}
