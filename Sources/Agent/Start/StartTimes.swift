// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

// When the server of this node stopped, started and took writes in a rollout.

extension Member {
  /// Tells when systemd began to stop the old process, had stopped it, and started the new one,
  /// translated to CLOCK_BOOTTIME: the skew of a rollout is measured with it.
  func noteTimes(of unit: UnitState, after report: RestartReport, _ id: String) {
    let (now, monotonic) = (Clock.now(), Clock.monotonicMicroseconds())
    func instant(_ microseconds: UInt64) -> Instant? {
      guard microseconds > 0 else { return nil }
      let age = Int64(clamping: monotonic).subtractingClamped(Int64(clamping: microseconds))
      return Instant(
        nanoseconds: now.nanoseconds.subtractingClamped(age.multipliedClamped(by: 1_000)))
    }
    var seen = report
    // What is older belongs to an earlier restart; systemd's clock has microseconds only.
    func isOfThis(_ instant: Instant) -> Bool {
      instant >= report.issued.advanced(byMilliseconds: -1)
    }
    seen.stopping = instant(unit.activeExitMonotonicMicroseconds).flatMap {
      isOfThis($0) ? $0 : nil
    }
    seen.stopped = instant(unit.inactiveEnterMonotonicMicroseconds).flatMap {
      isOfThis($0) ? $0 : nil
    }
    if unit.invocationID != report.previousInvocation, unit.mainPID > 0 {
      seen.started = instant(unit.execMainStartMonotonicMicroseconds)
    }
    if seen == report { return }
    timelines.change(id) { timeline, _ in
      // What is known already stays: a server that crashes later stops and starts again.
      let known = timeline.report
      seen.stopping = known?.stopping ?? seen.stopping
      seen.stopped = known?.stopped ?? seen.stopped
      seen.started = known?.started ?? seen.started
      timeline.note(seen)
    }
  }

  /// Tells since when the new server takes writes: the outage for writes ends with it.
  func noteWrites(_ since: Instant, after report: RestartReport, _ id: String) {
    timelines.change(id) { timeline, _ in
      var known = timeline.report ?? report
      known.writable = since
      timeline.note(known)
    }
  }
}
