// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import HTTP
internal import Model
internal import Rollout
internal import Threads

/// Of commands that wait for what this host's agent proposes.
struct OwnAgentOptions: OptionGroup {
  @Option(
    "timeout", takes: "SECONDS", help: "how long to wait; 900 if left out, then exit 75",
    as: .number(of: "seconds", in: 1...86_400))
  var timeout: Int?
  @Option(
    "socket", takes: "PATH", help: "of this host's agent; /run/keyturn/agent.sock if left out",
    as: .text)
  var socket: String?
}

/// `keyturn propose`: hands settings to this host's agent. When all nodes hold the same, the members
/// roll them out. Configuration management runs it on each node, in any order, as often as it likes.
struct ProposeCommand: Command {
  struct Options: OptionGroup {
    var settings = SettingsOptions()
    @Option("wait", help: "wait until it is in force on all nodes, or has failed") var waits: Bool
    var own = OwnAgentOptions()
    @Option("withdraw", help: "take this host's proposal back, or give up what was not confirmed")
    var withdraws: Bool
    @Option("check", help: "only say what it would do: exit 2 if it would propose") var checks: Bool

    var problem: String? {
      if checks, waits {
        return "--check takes no --wait: it changes nothing that could be waited for"
      }
      guard withdraws else { return settings.problem("propose") }
      let others = [
        ("settings", settings.settings != nil), ("api-key-file", settings.apiKeyFile != nil),
        ("unset", !settings.removals.isEmpty), ("create-key", settings.createKey), ("wait", waits),
      ]
      return others.first(where: \.1).map { "--withdraw takes no --\($0.0)" }
    }
  }

  static let rule = CommandRule(
    name: "propose",
    summary: "hand settings to this host's agent; the nodes roll them out when all have the same",
    details: """
      For configuration management, as root on each node, in any order and as often as it likes. Returns at once
      and says what is still missing. When all nodes hold the same, and nothing new has come for 2 s, the first
      node begins the rollout, with all checks and votes, without a question. For what is in force already it does
      nothing. Settings whose rollout was not confirmed are refused with the exit code of that, until
      they are others, or a person says otherwise (proposals --retry, apply). --json: the result says whether
      anything was changed.

      --check does the same looks, proposes nothing and tells no other node: exit 0 if this node proposes the same
      already or has it in force, 2 if it would propose it, with what would change in the file, secrets left out, and
      otherwise the exit code that proposing it would have. For the check mode of configuration management.
      """,
    examples: [
      ("keyturn propose --settings kms.env", "on each node"),
      (
        "keyturn propose --settings kms.env --wait --json",
        "exit 0 when it is confirmed on all nodes"
      ),
      ("keyturn propose --check --settings kms.env", "what it would do; changes nothing"),
      ("keyturn propose --withdraw", "withdraw this node's proposal"),
    ],
    exitCodes: [.done, .failed, .changesPending] + ofWait)

  /// What `--wait` may end with beside that, here and in `keyturn proposals`.
  static let ofWait: [ExitCode] =
    [.unknown] + ExitCode.untouched + [.notConfirmed, .rolledBack, .rolledBackUnhealthy, .busy]
    + ExitCode.ownFault

  let context: CommandContext
  let options: Options

  private static let socket = "/run/keyturn/agent.sock"
  /// The agent assesses the settings as for a plan, probes included, after another assessment.
  static let proposeMilliseconds = 60_000
  static let askMilliseconds = 10_000
  private static let waitSeconds = 900
  private static let pollMilliseconds = 1_000

  func run() throws(Refusal) -> CommandResult {
    if options.withdraws { return try options.checks ? checkWithdrawal() : withdraw() }
    let proposals = try RequestedSettings(options.settings, context)
    for finding in proposals.findings {
      context.console.message(finding.severity, finding.statement)
    }
    if proposals.hasErrors {
      return told(.validationRefused, .error, "nothing was proposed: the settings are refused")
    }
    if options.checks { return try check(proposals.request) }
    let view: ProposalsView
    do throws(Refusal) {
      view = try ask(.propose(proposals.request), Self.proposeMilliseconds)
    } catch { throw Refusal(error.code, "nothing was proposed: \(error.message)") }
    event(view)
    // Nothing is proposed, with or without --wait.
    if view.phase == .notConfirmed, let failure = view.failure {
      return refused(failure, on: view.node)
    }
    if !options.waits { return told(view) }
    return try wait(view)
  }

  func ask<Answer>(
    _ request: AgentRequest<Answer>, _ milliseconds: Int
  ) throws(Refusal) -> Answer {
    try request.answer(
      in: context.local.ask(
        request.message, socket: options.own.socket ?? Self.socket,
        deadline: .inMilliseconds(milliseconds)))
  }

  private func withdraw() throws(Refusal) -> CommandResult {
    let view = try ask(.withdrawProposal, Self.askMilliseconds)
    event(view)
    let message =
      !view.isChanged
      ? "there was no proposal here"
      : "withdrawn: \(view.node) proposes nothing"
        + (view.failure.map {
          "; what was not confirmed (\($0.digest.hex.prefix(12))) is refused as before if it is proposed again"
        } ?? "")
    context.console.line(message)
    return CommandResult(
      .done, outcome: "withdrawn", isChanged: view.isChanged, message: message)
  }

  /// Says a sentence, which is the result's too.
  func told(
    _ code: ExitCode, _ severity: Severity, _ message: String, outcome: String? = nil,
    isChanged: Bool = false
  ) -> CommandResult {
    context.console.message(severity, message)
    return CommandResult(code, outcome: outcome, isChanged: isChanged, message: message)
  }

  // MARK: what there is to say

  private func event(_ view: ProposalsView) {
    let failure = view.phase == .notConfirmed ? view.failure : nil
    context.console.event(
      "proposal", node: view.node,
      [
        "digest": view.own.digest?.hex, "phase": view.phase.rawValue,
        // Where nothing is proposed nobody is waited for.
        "missing": view.own.digest == nil ? [] : view.missing,
        "differing": view.own.digest == nil ? [] : view.differing, "rollout": view.rollout,
        "reason": view.refusal?.message ?? failure?.reason, "changed": view.isChanged,
      ])
  }

  /// These settings were rolled out and not confirmed: refused until a person has acted.
  func refused(
    _ failure: ProposalFailure, on node: String, _ nothing: String = "nothing is proposed"
  ) -> CommandResult {
    let (code, end): (ExitCode, String) =
      switch failure.ending {
      case .notConfirmed: (.notConfirmed, "and not confirmed on every node")
      case .rolledBack: (.rolledBack, "and rolled back")
      case .rolledBackUnhealthy:
        (.rolledBackUnhealthy, "and rolled back, which was not confirmed either")
      }
    let reason = failure.reason.isEmpty ? "" : " (\(failure.reason))"
    return told(
      code, .error,
      "\(nothing) on \(node): rollout \(failure.rollout) has rolled these settings out before \(end)\(reason); `keyturn show \(failure.rollout)` has the steps. They are not rolled out again: change them, or repair the cause and run `keyturn proposals --retry \(failure.digest)` or `keyturn apply`",
      outcome: "notConfirmed")
  }

  /// Without `--wait`: what is still missing.
  private func told(_ view: ProposalsView) -> CommandResult {
    let message =
      switch view.phase {
      case .inForce: "already in force on \(view.node)"
      case .rollingOut: "under way: keyturn watch \(view.rollout ?? "")"
      case .waiting, .refused, .none, .notConfirmed, .unapproved, .deferred:
        "proposed on \(view.node); \(Self.missing(view))"
      }
    context.console.line(message)
    if let refusal = view.refusal, view.phase != .inForce, view.phase != .rollingOut {
      context.console.message(.warning, "the last attempt came to nothing: \(refusal.message)")
    }
    return CommandResult(
      .done, outcome: view.phase == .inForce ? "inForce" : "proposed", isChanged: view.isChanged,
      message: message)
  }

  private static func missing(_ view: ProposalsView) -> String {
    var parts: [String] = []
    if view.phase == .unapproved {
      parts.append(
        "an operator must approve it: keyturn proposals approve \(view.own.digest?.hex.prefix(12) ?? "")"
      )
    }
    if let time = view.notBeforeMicroseconds {
      parts.append("not before \(CalendarTime.text(microseconds: time))")
    }
    if !view.missing.isEmpty { parts.append("not yet on \(NodeNames.folded(view.missing))") }
    if !view.differing.isEmpty {
      parts.append("something else on \(NodeNames.folded(view.differing))")
    }
    return parts.isEmpty
      ? "all nodes hold the same: they begin in a moment" : parts.joined(separator: "; ")
  }

  // MARK: waiting

  /// `keyturn proposals --wait`: waits for what is proposed here already.
  func awaitOwn() throws(Refusal) -> CommandResult {
    let view = try ask(.ownProposal, Self.askMilliseconds)
    event(view)
    if view.phase == .notConfirmed, let failure = view.failure {
      return refused(failure, on: view.node)
    }
    if view.phase == .none {
      return told(
        .failed, .error,
        "nothing is proposed on \(view.node), so there is nothing to wait for: keyturn propose --settings FILE",
        outcome: "none")
    }
    return try wait(view)
  }

  private func wait(_ first: ProposalsView) throws(Refusal) -> CommandResult {
    let console = context.console
    let deadline = Instant.inMilliseconds((options.own.timeout ?? Self.waitSeconds) * 1_000)
    let before = rolloutResult(of: first.rollout, first)
    if first.phase == .inForce, before == nil || before?.kind == .confirmed { return told(first) }
    let wanted = first.own.digest
    // A rollout that had ended before is not this proposal's.
    let earlier = Set(first.results.map(\.rollout))
    var (view, rollout) = (first, first.rollout)
    var said = ""
    while true {
      if let result = end(view, rollout, wanted, isChanged: first.isChanged) {
        view.isChanged = result.isChanged
        event(view)
        return result
      }
      let state =
        view.phase == .rollingOut ? "rollout \(view.rollout ?? "")" : Self.missing(view)
      if state != said { console.progress(state) }
      said = state
      if Clock.now() >= deadline, view.phase == .rollingOut {
        return told(
          .unknown, .error, "\(state) is still under way; keyturn watch follows it to its end",
          outcome: "waiting", isChanged: first.isChanged)
      }
      if Clock.now() >= deadline {
        return told(
          .busy, .error,
          "\(Self.missing(view)); the proposal stays, keyturn propose --withdraw ends it",
          outcome: "waiting", isChanged: first.isChanged)
      }
      Clock.sleep(until: .inMilliseconds(Self.pollMilliseconds))
      view = try ask(.ownProposal, Self.askMilliseconds)
      if let under = view.rollout, !earlier.contains(under) { rollout = under }
    }
  }

  /// How it ended; nil if it has not.
  private func end(
    _ view: ProposalsView, _ rollout: String?, _ wanted: Digest?, isChanged: Bool
  ) -> CommandResult? {
    if let result = rolloutResult(of: rollout, view) {
      switch result.kind {
      case .confirmed:
        let message = "rollout \(result.rollout): confirmed on all nodes"
        context.console.line(message)
        return CommandResult(.done, outcome: "confirmed", isChanged: true, message: message)
      case .held: return ended(.notConfirmed, .held(result, of: nodes(view), view.own.digest))
      case .rollingBack:
        guard let back = rolloutResult(of: result.rollback, view) else { return nil }
        return ended(
          back.kind == .confirmed ? .rolledBack : .rolledBackUnhealthy,
          .rolledBack(result, by: back, of: nodes(view), view.own.digest))
      }
    }
    switch view.phase {
    case .inForce where rollout == nil:
      let message = "already in force on \(view.node)"
      context.console.line(message)
      return CommandResult(.done, outcome: "inForce", message: message)
    case .refused:
      guard let refusal = view.refusal else { return nil }
      return ended(
        ExitCode(refusal.code),
        .untouched(
          "nothing was touched: \(refusal.message); it is tried again", refusal.code,
          members: nodes(view)), isChanged: isChanged)
    case .none where rollout == nil, .waiting where view.own.digest != wanted,
      .unapproved where view.own.digest != wanted, .deferred where view.own.digest != wanted:
      return told(
        .failed, .error, "the proposal was withdrawn or replaced meanwhile", isChanged: isChanged)
    case .none, .waiting, .rollingOut, .inForce, .notConfirmed, .unapproved, .deferred: return nil
    }
  }

  private func ended(
    _ code: ExitCode, _ ending: Ending, isChanged: Bool = true
  ) -> CommandResult {
    context.console.end(ending)
    return CommandResult(code, ending, nodes: [], isChanged: isChanged)
  }

  private func nodes(_ view: ProposalsView) -> [String] { view.rows.map(\.member) }

  private func rolloutResult(of id: String?, _ view: ProposalsView) -> RolloutResult? {
    view.results.last { $0.rollout == id }
  }
}
