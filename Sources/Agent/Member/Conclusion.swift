// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

// What follows on this node from the end of a rollout.

extension Member {
  func conclude(_ finished: FinishedRollout) {
    let id = finished.rollout.id
    if let change = finished.rollout.change { ended(change, finished) }
    // Whoever reads of the end finds what is proposed as it is now, and a member that takes the rollout's result.
    if finished.outcome.kind != .aborted { summary.follow(finished) }
    timelines.change(id) { $0.end(finished.outcome, at: $1) }
    site.ports.event(AgentEvent(finished))
    // What others did meanwhile has not been looked at.
    site.ports.watch.wake()
  }

  /// The start is confirmed: the file is a generation now, and the seal that was voted on is in
  /// force.
  func sealAndKeep(
    _ finished: FinishedRollout, _ turn: borrowing MemberTurn
  ) throws(Refusal) {
    try seals.confirm(finished, turn)
    // What could not be read is not written over.
    if damage.hasLostGenerations, let refusal = damage.refusal { throw refusal }
    let content = finished.rollout.content(of: site.node)
    let path = content?.path ?? site.inventory.environmentFile
    guard let bytes = try site.ports.file.read(path) else { return }
    guard Digest.sha256(bytes) == content?.after else {
      site.log(
        .warning, "\(path) was changed during the start; it is no generation")
      return
    }
    try generations.keep(bytes, of: finished, at: Clock.realtimeMicroseconds())
    // What drift is measured against stops no rollout.
    do throws(Refusal) { try drift.keepConfirmed(finished.rollout) } catch {
      site.log(.warning, "drift is measured against an earlier start: \(error.message)")
    }
  }
}

extension AgentEvent {
  /// How a rollout ended here, with who began it and what for.
  init(_ finished: FinishedRollout) {
    let (head, outcome) = (RolloutHead(finished.rollout), finished.outcome)
    let isGood = outcome.kind == .confirmed || outcome.kind == .aborted
    let note = head.note.map { " (\($0))" } ?? ""
    self.init(
      id: "c3d1b7a90e5f4b62a8d47f19e06b2c85", priority: isGood ? .information : .error,
      message:
        "rollout \(head.id), \(head.kindText) by \(head.createdBy)\(note): \(outcome.word)\(outcome.reason.isEmpty ? "" : ", \(outcome.reason)")",
      fields: [
        (name: "KEYTURN_ROLLOUT", value: head.id), (name: "KEYTURN_KIND", value: head.kindText),
        (name: "KEYTURN_BY", value: head.createdBy), (name: "KEYTURN_OUTCOME", value: outcome.word),
        (name: "KEYTURN_NOTE", value: head.note ?? ""),
      ])
  }
}
