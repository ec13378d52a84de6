// SPDX-License-Identifier: Apache-2.0
import Model
import ServerUnit
import StartWatch
import Testing

/// A server under the load of its clients, which comes back with them.
@Suite struct BusyServerTests {
  private static let quiet = ServerArguments(arguments: ["server", "--quiet"])
  private static let zero = Instant(nanoseconds: 0)

  private static let active = StartInput.unit(
    UnitState(
      id: "minio.service", activeState: "active", subState: "running", mainPID: 200,
      invocationID: "new"))
  private static let asVoted = StartInput.environment(pid: 200, .same(.word))

  /// A machine whose server is active, with 60 s for its start and 10 s to settle.
  private static func started() -> StartMachine {
    var machine = StartMachine(arguments: quiet)
    _ = machine.handle(
      .restartIssued(
        previousInvocation: "old", issued: 5_000_000,
        deadlines: StartDeadlines(
          stop: zero.advanced(byMilliseconds: 10_000),
          start: zero.advanced(byMilliseconds: 60_000), settleMilliseconds: 10_000)), at: zero)
    _ = machine.handle(active, at: zero)
    return machine
  }

  private static func answers(_ writes: WriteAnswer) -> StartInput {
    .health(
      HealthAnswers(
        ready: .answered(status: 200), writes: writes, cluster: .answered(status: 200)))
  }
  private static let busy = answers(.busy("429 TooManyRequests"))

  @Test(
    "a server that is always too busy to tell is judged by its log after 45 s",
    arguments: [(StartMachine.busyMilliseconds - 1, false), (StartMachine.busyMilliseconds, true)])
  func alwaysBusy(milliseconds: Int, settles: Bool) {
    var machine = Self.started()
    _ = machine.handle(Self.busy, at: Self.zero)
    _ = machine.handle(Self.asVoted, at: Self.zero)
    #expect(machine.phase == .serving && machine.detail.contains("429 TooManyRequests"))
    let now = Self.zero.advanced(byMilliseconds: milliseconds)
    _ = machine.handle(Self.busy, at: now)
    #expect((machine.phase == .settling) == settles)
    guard settles else { return }
    let end = now.advanced(byMilliseconds: 10_000)
    _ = machine.handle(.fired(.settled), at: end)
    _ = machine.handle(Self.active, at: end)
    guard case .confirmed(let evidence) = machine.outcome else {
      Issue.record("not confirmed: \(machine.detail)")
      return
    }
    #expect(evidence.writes == .byLog("it was too busy: 429 TooManyRequests"))
  }

  @Test("a write that was taken counts while the server is busy, until one is refused")
  func busyAfterTaken() {
    var machine = Self.started()
    _ = machine.handle(Self.answers(.taken(asked: 1)), at: Self.zero)
    _ = machine.handle(Self.asVoted, at: Self.zero)
    #expect(machine.phase == .settling)
    _ = machine.handle(Self.busy, at: Self.zero)
    #expect(machine.phase == .settling)
    _ = machine.handle(
      .health(HealthAnswers(ready: .answered(status: 503, code: "ServerBusy"))), at: Self.zero)
    #expect(machine.phase == .settling)
    _ = machine.handle(Self.answers(.refused("503 SlowDownWrite")), at: Self.zero)
    _ = machine.handle(Self.busy, at: Self.zero)
    #expect(machine.phase == .serving)
  }

  @Test("one that was busy when it began to be asked, and never was ready, is not ready")
  func busyFromTheBeginning() {
    var machine = Self.started()
    _ = machine.handle(
      .health(HealthAnswers(ready: .answered(status: 503, code: "ServerBusy"))), at: Self.zero)
    #expect(machine.phase == .ready)
    #expect(machine.detail == "/minio/health/ready answers 503 ServerBusy")
  }

  @Test("a busy server that has missed a drive just now is not good, and late at the deadline")
  func busyWithoutADrive() {
    var machine = Self.started()
    _ = machine.handle(Self.busy, at: Self.zero)
    _ = machine.handle(Self.asVoted, at: Self.zero)
    let now = Self.zero.advanced(byMilliseconds: StartMachine.busyMilliseconds)
    _ = machine.handle(
      .entry(
        JournalEntry(
          cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 6_000_000, bootID: "",
          invocationID: "new", pid: 200, priority: 6, identifier: "minio",
          message:
            "INFO: Unable to use the drive http://minio-2:9000/d: drive not found, will be retried")
      ),
      at: now)
    _ = machine.handle(Self.busy, at: now)
    #expect(machine.phase == .serving && machine.detail.contains("a missing drive"))
    _ = machine.handle(.fired(.startDeadline), at: now.advanced(byMilliseconds: 15_000))
    guard case .failed(let failure) = machine.outcome else {
      Issue.record("no failure")
      return
    }
    #expect(failure.kind == .startDeadline)
  }
}
