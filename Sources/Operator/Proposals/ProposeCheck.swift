// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout

/// `keyturn propose --check`: what the same command without it would do.
extension ProposeCommand {
  func check(_ request: RolloutRequest) throws(Refusal) -> CommandResult {
    let check: ProposalCheck = try ask(.check(request), Self.proposeMilliseconds)
    context.console.event(
      "proposalCheck", node: check.node,
      [
        "digest": check.digest.hex, "held": check.isHeld, "inForce": check.isInForce,
        "file": check.path, "difference": check.difference, "restartReason": check.restartReason,
        "obstacle": check.obstacle?.message,
      ])
    for line in check.difference { context.console.line(line) }
    if let refusal = check.refusal {
      return told(
        ExitCode(refusal.code), .error, "it would be refused on \(check.node): \(refusal.message)")
    }
    if let failure = check.failure {
      return refused(failure, on: check.node, "nothing would be proposed")
    }
    if check.isInForce {
      return said(.done, "inForce", "already in force on \(check.node)")
    }
    if let obstacle = check.obstacle {
      context.console.message(
        .warning, "a rollout would not get its vote now: \(obstacle.message)")
    }
    if check.isHeld { return said(.done, "held", "already proposed on \(check.node)") }
    let restart = check.restartReason.isEmpty ? "" : "; restart needed: \(check.restartReason)"
    return said(
      .changesPending, "wouldPropose", "it would be proposed on \(check.node)\(restart)")
  }

  func checkWithdrawal() throws(Refusal) -> CommandResult {
    let view: ProposalsView = try ask(.ownProposal, Self.askMilliseconds)
    if view.own.digest == nil, view.phase != .notConfirmed {
      return said(.done, "held", "there is no proposal on \(view.node)")
    }
    return said(
      .changesPending, "wouldWithdraw", "the proposal of \(view.node) would be withdrawn")
  }

  private func said(_ code: ExitCode, _ outcome: String, _ message: String) -> CommandResult {
    context.console.line(message)
    return CommandResult(code, outcome: outcome, message: message)
  }
}
