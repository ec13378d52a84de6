internal import Digests
internal import LinuxIO
internal import Model
internal import Rollout
internal import StartWatch
internal import Wire

extension Agent {
  /// At the instant: rename the staged file over the target, ask systemd to restart the unit, then
  /// make the rename durable. Each step is left out if it was done before a crash. Blocks; runs on
  /// a thread of its own.
  ///
  /// The order keeps the window small in which a new file lies beside an old process: a host that
  /// crashed in it would come up alone with the new environment and wait for its peers.
  func fire(_ active: ActiveRollout, _ instant: Instant, bootID: String) {
    let id = active.rollout.id
    guard let content = active.rollout.content(of: node) else { return }
    // An instant of another boot means nothing any more: it is past.
    let isSameBoot = bootID == ports.process.bootID()
    let isLate = !isSameBoot || instant < Clock.now().advanced(byMilliseconds: -1_000)
    do throws(Refusal) {
      // The unit may have been started anew since the vote: what counts is what runs just before the instant.
      let unit = try? ports.unit.state(deadline: isLate ? .inMilliseconds(10_000) : instant)
      if !isLate { Clock.sleep(until: instant) }
      if active.facts.staged, let after = content.after {
        try ports.file.install(tag: id, before: content.before, after: after)
      }
      let isDone = isLate && wasRestarted(unit, since: active.facts.invocation)
      let previous =
        isDone ? active.facts.invocation : unit?.invocationID ?? active.facts.invocation
      let issued = Clock.now()
      if !isDone { try ports.unit.restart(deadline: .inMilliseconds(30_000)) }
      let report = RestartReport(
        planned: isSameBoot ? instant : issued, issued: issued, previousInvocation: previous)
      do throws(Refusal) { try ports.file.syncDirectory() } catch { ports.log(3, error.message) }
      perform(.restarted(id: id, report))
    } catch {
      perform(.fireFailed(id: id, error))
    }
  }

  /// Whether the restart was done before a crash of this agent: the unit has another invocation than
  /// at the vote, and its process runs with the file as it is now. A unit that only crashed in
  /// between runs with the old one.
  private func wasRestarted(_ unit: UnitState?, since invocation: String) -> Bool {
    guard let unit, unit.mainPID > 0, !unit.invocationID.isEmpty, unit.invocationID != invocation
    else { return false }
    var findings: [Finding] = []
    let look = lookAtServer(&findings)
    return look.running != nil && look.drift.processDiffers.isEmpty
  }
}
