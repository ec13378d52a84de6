// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

/// What came of a look at the seal: this node's records and the other members'.
struct SealFacts: Sendable {
  var record = SealRecord.unsealed(lifted: nil)
  /// What it tells the others of it.
  var view: SealView?
  /// Why the node takes part in nothing.
  var refusal: Refusal?
  var findings: [Finding] = []
  /// Members that could not be asked while this node is not sealed: one of them may be.
  var silent: [String] = []
  /// When the others were asked; nil if they never were.
  var asked: Instant?

  /// Adds what follows for a plan or a vote.
  func complete(_ answer: inout PlanAnswer) {
    answer.sealView = view
    answer.lifted = record.lifted
    answer.findings = (findings.filter { $0.severity < .error } + answer.findings)
      .sorted { $0.severity > $1.severity }
    if let refusal {
      answer.refusal = refusal
    } else if !silent.isEmpty, answer.key != nil, answer.refusal == nil {
      answer.refusal = Refusal(
        .unreachable,
        "\(answer.node) is not sealed, and whether \(silent.joined(separator: ", ")) are is not known: see that every agent runs and has the same version, and plan again"
      )
    }
  }
}
