// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

// What follows on this node from the end of a rollout.

extension Agent {
  func conclude(_ finished: FinishedRollout) {
    let id = finished.rollout.id
    // Whoever reads of the end finds what is proposed as it is now, and somebody to whom to tell what
    // became of the rollout.
    if finished.outcome.kind != .aborted { follow(finished) }
    let now = time()
    state.update { state in
      if state.timeline?.id == id { state.timeline?.end(finished.outcome, at: now) }
    }
    ports.log(
      finished.outcome.kind == .confirmed || finished.outcome.kind == .aborted ? 6 : 3,
      "rollout \(id): \(finished.outcome.kind.rawValue) \(finished.outcome.reason)")
    // What others did meanwhile has not been looked at.
    ports.watch.wake()
  }

  /// The start is confirmed: the file is a generation now, and the seal that was voted on is in
  /// force.
  func sealAndKeep(_ finished: FinishedRollout) throws(Refusal) {
    try seal(finished)
    let damaged = state.withLock { $0.damaged }
    // What could not be read is not written over.
    if let damaged { throw damaged }
    let content = finished.rollout.content(of: node)
    let path = content?.path ?? inventory.environmentFile
    guard let bytes = try ports.file.read(path) else { return }
    guard Digest.sha256(bytes) == content?.after else {
      ports.log(
        4, "\(path) was changed during the start; it is no generation")
      return
    }
    try keepGeneration(bytes, of: finished, at: Clock.realtimeMicroseconds())
    // What drift is measured against stops no rollout.
    do throws(Refusal) {
      var findings: [Finding] = []
      let unit = lookAtServer(&findings).unit
      let server = try ServerEnvironment(
        unit: unit, fallback: path, ports: ports, deadline: .inMilliseconds(5_000))
      try keepConfirmed(finished.rollout, unit, server)
    } catch { ports.log(4, "drift is measured against an earlier start: \(error.message)") }
  }
}
