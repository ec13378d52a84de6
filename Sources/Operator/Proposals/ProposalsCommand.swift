// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout

/// `keyturn proposals`: the proposal of each node; `--retry` accepts settings again that were not confirmed.
struct ProposalsCommand: Command {
  struct Options: OptionGroup {
    @Option(
      "retry", takes: "DIGEST",
      help: "take these settings again; at least 8 digits of their digest",
      as: .retry)
    var retry: ProposalRetry?
    @Option(
      "wait",
      help:
        "on a node, as root: wait until what this host proposes is in force everywhere, or has failed"
    )
    var waits: Bool
    var own = OwnAgentOptions()
    var cluster = ClusterOptions()

    var problem: String? {
      if waits { return retry == nil ? nil : "--wait takes no --retry" }
      if own.timeout != nil { return "--timeout is for --wait" }
      return own.socket == nil ? nil : "--socket is for --wait"
    }
  }

  static let rule = CommandRule(
    name: "proposals",
    summary: "who holds which proposal, and where it stands",
    details: """
      PROPOSAL is the beginning of a digest over the settings: nodes with the same one agree. Settings whose rollout
      was not confirmed are not rolled out again, and every run of propose says so. When the cause is repaired,
      --retry with their digest makes all nodes take them again at their next propose.

      --wait is `keyturn propose --wait` without settings: it waits for what this host proposes already, and exits as
      that does. It asks this host's agent alone, and needs neither inventory nor certificate.
      """,
    examples: [
      ("keyturn proposals", "which nodes are still missing?"),
      ("keyturn proposals --wait", "on a node, after configuration management has run"),
      ("keyturn proposals --retry 4f1c9a02b7d3", "the cause is repaired"),
    ],
    exitCodes: [.done, .failed] + ProposeCommand.ofWait)

  let context: CommandContext
  let options: Options

  private static let digestDigits = 12

  func run() throws(Refusal) -> CommandResult {
    if options.waits {
      var waiting = ProposeCommand.Options()
      waiting.own = options.own
      return try ProposeCommand(context: context, options: waiting).awaitOwn()
    }
    let cluster = try context.cluster(options.cluster)
    if let settings = options.retry { return retry(settings, cluster) }
    let console = context.console
    let rows = context.ask(cluster, .proposals)
    console.events("proposal", rows) { view in
      [
        "digest": view.own.digest?.hex, "phase": view.phase.rawValue, "rollout": view.rollout,
        "reason": view.refusal?.message ?? Self.failure(view)?.reason,
        "failed": view.failure?.digest.hex, "approved": view.approval?.digest.hex,
        "approvedBy": view.approval?.by,
        "notBefore": view.notBeforeMicroseconds.map { CalendarTime.text(microseconds: $0) },
      ]
    }
    let cells = rows.map { row -> [String] in
      guard let view = row.answer else {
        return [row.name, "", row.failure?.code.rawValue ?? "", ""]
      }
      return [
        row.name, Self.digest(view).map { String($0.hex.prefix(Self.digestDigits)) } ?? "-",
        Self.words(view), view.rollout ?? "-",
      ]
    }
    for line in TextTable.lines(["NODE", "PROPOSAL", "STATE", "ROLLOUT"], cells) {
      console.line(line)
    }
    context.tellFailures(rows)
    let unapproved = Set(
      rows.compactMap { $0.answer?.phase == .unapproved ? $0.answer?.own.digest : nil })
    for digest in unapproved.map({ String($0.hex.prefix(Self.digestDigits)) }).sorted() {
      console.message(
        .warning, "nobody has approved \(digest): keyturn proposals approve \(digest)")
    }
    console.errors(rows.map { (name: $0.name, message: $0.answer.flatMap(Self.problem)) })
    return .asked(rows, reason: \.refusal?.message) { NodeOutcome($0.phase) }
  }

  private func retry(_ retry: ProposalRetry, _ cluster: Cluster) -> CommandResult {
    let (console, digest) = (context.console, retry.digest)
    let rows = context.ask(cluster, .retry(retry))
    console.events("retry", rows) { ["changed": $0.isChanged] }
    let taken = rows.filter { $0.answer?.isChanged ?? false }.map(\.name)
    context.tellFailures(rows)
    if taken.isEmpty, !rows.contains(where: { $0.failure != nil }) {
      return context.ended(
        .validationRefused,
        "no node has settings \(digest) that were not confirmed: nothing was changed")
    }
    if !taken.isEmpty {
      console.line(
        "settings \(digest) are taken again on \(NodeNames.folded(taken)), at the next `keyturn propose` of each node"
      )
    }
    var result = CommandResult.asked(rows) { $0.isChanged ? .taken : .unchanged }
    result.isChanged = !taken.isEmpty
    return result
  }

  private static func failure(_ view: ProposalsView) -> ProposalFailure? {
    view.phase == .notConfirmed ? view.failure : nil
  }

  /// The settings that the node proposes, or refuses.
  private static func digest(_ view: ProposalsView) -> Digest? {
    view.own.digest ?? failure(view)?.digest
  }

  private static func problem(_ view: ProposalsView) -> String? {
    if let failure = failure(view) {
      let reason = failure.reason.isEmpty ? "" : ": \(failure.reason)"
      return
        "rollout \(failure.rollout) was not confirmed\(reason); its settings are not rolled out again until `keyturn proposals --retry \(failure.digest)`"
    }
    return view.refusal.map { "the last attempt came to nothing: \($0.message)" }
  }

  private static func words(_ view: ProposalsView) -> String {
    switch view.phase {
    case .none: "none"
    case .waiting: "waiting for others"
    case .rollingOut: "rolling out"
    case .inForce: "in force"
    case .refused: "refused, tried again"
    case .notConfirmed: "start not confirmed"
    case .unapproved: "waits for approval"
    case .deferred:
      "not before \(view.notBeforeMicroseconds.map { CalendarTime.text(microseconds: $0) } ?? "a later time")"
    }
  }
}

extension ArgumentType<ProposalRetry> {
  static var retry: Self {
    let digits = ProposalRetry.digits
    return Self(
      "is not \(digits.lowerBound) to \(digits.upperBound) lower-case hexadecimal digits; `keyturn proposals` shows them"
    ) {
      let retry = ProposalRetry(digest: $0)
      return retry.isWellFormed ? retry : nil
    }
  }
}
