internal import Digests
internal import LinuxIO
internal import Model
internal import Rollout
internal import StartWatch

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
    let sameBoot = bootID == ports.process.bootID()
    let resumed = !sameBoot || instant < Clock.now().advanced(byMilliseconds: -1_000)
    // The instant means nothing on another boot: then it is past.
    if sameBoot { Clock.sleep(until: instant) }
    do throws(Refusal) {
      if active.facts.staged, let after = content.after {
        try ports.file.install(tag: id, before: content.before, after: after)
      }
      var previous = active.facts.invocation
      var done = false
      if resumed {
        let unit = try ports.unit.state(deadline: .inMilliseconds(10_000))
        done = !unit.invocationID.isEmpty && unit.invocationID != previous && unit.mainPID > 0
        if unit.invocationID.isEmpty { previous = "" }
      }
      let issued = Clock.now()
      if !done { try ports.unit.restart(deadline: .inMilliseconds(30_000)) }
      let report = RestartReport(
        planned: sameBoot ? instant : issued, issued: issued, previousInvocation: previous)
      do throws(Refusal) { try ports.file.syncDirectory() } catch { ports.log(3, error.message) }
      perform(.restarted(id: id, report))
    } catch {
      perform(.fireFailed(id: id, error))
    }
  }
}
