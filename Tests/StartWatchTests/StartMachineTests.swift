// SPDX-License-Identifier: Apache-2.0
import Model
import ServerUnit
import StartWatch
import Testing

@Suite struct StartMachineTests {
  private static let plain = ServerArguments(arguments: ["server"])
  private static let quiet = ServerArguments(arguments: ["server", "--quiet"])
  private static let zero = Instant(nanoseconds: 0)
  private static let restart = StartInput.restartIssued(
    previousInvocation: "old", issued: 5_000_000,
    deadlines: StartDeadlines(
      stop: zero.advanced(byMilliseconds: 10_000), start: zero.advanced(byMilliseconds: 60_000),
      settleMilliseconds: 10_000))
  private static let active = StartInput.unit(
    UnitState(
      id: "minio.service", activeState: "active", subState: "running", mainPID: 200,
      invocationID: "new"))
  private static let reloading = UnitState(
    id: "minio.service", activeState: "reloading", subState: "reload", mainPID: 200,
    invocationID: "new")
  private static let good = StartInput.health(
    HealthAnswers(
      ready: .answered(status: 200), writes: .taken(asked: 1), cluster: .answered(status: 200)))

  @Test(
    "before the restart nothing is judged; then both deadlines are armed and the phase is shown")
  func begin() {
    var machine = StartMachine(arguments: Self.plain)
    #expect(machine.handle(Self.active, at: Self.zero) == [])
    #expect(machine.handle(.fired(.startDeadline), at: Self.zero) == [])
    #expect(
      machine.handle(Self.restart, at: Self.zero) == [
        .arm(.stopDeadline, Instant(nanoseconds: 10_000_000_000)),
        .arm(.startDeadline, Instant(nanoseconds: 60_000_000_000)),
        .phase(.stopping, detail: "the restart was ordered"),
      ])
    #expect(machine.handle(Self.restart, at: Self.zero) == [])
  }

  @Test("a start that nobody waits for any more ends at once; the server's own last word stays")
  func brokenOff() {
    for (inputs, kind) in [
      ([], StartFailure.Kind.brokenOff), ([Self.active, Self.good], .brokenOff),
      ([Self.active, Self.line("new", 5_200_000, Self.fatal)], .fatalLine),
    ] {
      var machine = StartMachine(arguments: Self.plain)
      for input in [Self.restart] + inputs { _ = machine.handle(input, at: Self.zero) }
      let effects = machine.handle(.brokenOff("minio-3 was not confirmed"), at: Self.zero)
      guard case .failed(let failure) = machine.outcome else {
        Issue.record("\(kind): \(effects)")
        continue
      }
      #expect(failure.kind == .known(kind))
      #expect(failure.reason.contains("minio-3") == (kind == .brokenOff))
    }
  }

  // MARK: what began before the order

  /// The unit of a server that systemd started after the last look and before the order.
  private static func between(_ activeState: String, mainPID: Int32) -> StartInput {
    var unit = UnitState(
      id: "minio.service", activeState: activeState, subState: "x", mainPID: mainPID,
      invocationID: "between")
    (unit.execMainPID, unit.execMainStartMonotonicMicroseconds) = (150, 4_900_000)
    return .unit(unit)
  }

  private static func line(_ invocation: String, _ time: UInt64, _ message: String) -> StartInput {
    .entry(
      JournalEntry(
        cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: time, bootID: "",
        invocationID: invocation, pid: 150, priority: 6, identifier: "minio", message: message))
  }

  private static let fatal = "FATAL Unable to initialize the server: the lot"

  @Test("a crash loop that went round once more before the order does not fail the restart")
  func loopBeforeTheOrder() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    for input in [
      Self.between("deactivating", mainPID: 150), Self.between("inactive", mainPID: 0),
      Self.line("between", 5_100_000, Self.fatal), Self.active,
      Self.line("between", 4_950_000, Self.fatal), .fired(.lateLines),
    ] {
      _ = machine.handle(input, at: Self.zero)
      #expect(machine.outcome == nil)
    }
    #expect(machine.phase != .stopping)
  }

  @Test("its lines are told by their time where they come before any word of the unit")
  func linesBeforeTheOrder() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    for time in [UInt64(4_950_000), 5_100_000] {
      _ = machine.handle(Self.line("between", time, Self.fatal), at: Self.zero)
      _ = machine.handle(.fired(.lateLines), at: Self.zero)
      #expect(machine.outcome == nil)
    }
    _ = machine.handle(Self.line("new", 5_200_000, Self.fatal), at: Self.zero)
    _ = machine.handle(.fired(.lateLines), at: Self.zero)
    #expect(machine.outcome != nil)
  }

  @Test("a start that ends before it has a main process is new, whatever the last one's time")
  func endsBeforeItsProcess() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    var unit = UnitState(
      id: "minio.service", activeState: "failed", subState: "failed", mainPID: 0,
      invocationID: "new")
    unit.execMainStartMonotonicMicroseconds = 4_900_000
    _ = machine.handle(.unit(unit), at: Self.zero)
    _ = machine.handle(.fired(.lateLines), at: Self.zero)
    #expect(machine.outcome != nil)
  }

  // MARK: a look

  private static let running = UnitState(
    id: "minio.service", activeState: "active", subState: "running", mainPID: 200,
    invocationID: "old")

  /// A machine that looks at a server that runs, at once or for 10 s.
  private static func look(settleMilliseconds: Int = 0) -> StartMachine {
    var machine = StartMachine(arguments: plain)
    let effects = machine.handle(
      .look(
        running,
        StartDeadlines(
          stop: zero, start: zero.advanced(byMilliseconds: 60_000),
          settleMilliseconds: settleMilliseconds)), at: zero)
    #expect(
      effects == [
        .arm(.startDeadline, zero.advanced(byMilliseconds: 60_000)), .askHealth,
        .phase(.ready, detail: ""),
      ])
    _ = machine.handle(good, at: zero)
    _ = machine.handle(environment(.same(.notSealed)), at: zero)
    return machine
  }

  @Test("a server that runs is looked at without a restart, and needs no lines of its start")
  func looks() {
    var machine = Self.look()
    #expect(machine.outcome == nil)
    #expect(machine.handle(.fired(.settled), at: Self.zero) == [.askUnit])
    _ = machine.handle(.unit(Self.running), at: Self.zero)
    guard case .confirmed(let evidence)? = machine.outcome else {
      Issue.record("\(String(describing: machine.outcome))")
      return
    }
    #expect(evidence.isLook && evidence.description == "healthy, not restarted")
  }

  @Test("while it is looked at another start, an end, and a line of a broken server fail the look")
  func looksBadly() {
    var (ended, other) = (Self.running, Self.running)
    (ended.activeState, ended.mainPID) = ("inactive", 0)
    other.invocationID = "new"
    let broken = Self.line("old", 9_000_000, "ERROR: ciphertext is not authentic")
    for input in [StartInput.unit(ended), .unit(other), broken] {
      var machine = Self.look(settleMilliseconds: 10_000)
      _ = machine.handle(input, at: Self.zero)
      _ = machine.handle(.fired(.lateLines), at: Self.zero)
      guard case .failed? = machine.outcome else {
        Issue.record("\(input): \(String(describing: machine.outcome))")
        continue
      }
    }
  }

  @Test("a server that does not run yet is waited for, until the deadline")
  func looksTooEarly() {
    var machine = StartMachine(arguments: Self.plain)
    var unit = UnitState(
      id: "minio.service", activeState: "inactive", subState: "dead", mainPID: 0, invocationID: "")
    let deadlines = StartDeadlines(
      stop: Self.zero, start: Self.zero.advanced(byMilliseconds: 60_000), settleMilliseconds: 0)
    _ = machine.handle(.look(unit, deadlines), at: Self.zero)
    #expect(machine.outcome == nil && machine.detail == "the server is not running")
    unit = Self.running
    #expect(machine.handle(.unit(unit), at: Self.zero).contains(.askHealth))
    _ = machine.handle(.fired(.startDeadline), at: Self.settled)
    guard case .failed(let failure)? = machine.outcome else {
      Issue.record("not failed")
      return
    }
    #expect(failure.kind == .known(.startDeadline))
  }

  /// Answers about the environment of the new process.
  private static func environment(_ answer: EnvironmentAnswer, pid: Int32 = 200) -> StartInput {
    .environment(pid: pid, answer)
  }

  /// A machine whose server is good in all, with 10 s to settle before it.
  private static func settling() -> StartMachine {
    var machine = StartMachine(arguments: quiet)
    _ = machine.handle(restart, at: zero)
    _ = machine.handle(active, at: zero)
    _ = machine.handle(good, at: zero)
    _ = machine.handle(environment(.same(.word)), at: zero)
    return machine
  }

  private static let settled = zero.advanced(byMilliseconds: 10_000)

  @Test("what is not known is asked for, one after the other, before anything settles")
  func questions() {
    var machine = StartMachine(arguments: Self.quiet)
    _ = machine.handle(Self.restart, at: Self.zero)
    #expect(machine.handle(Self.active, at: Self.zero) == [.askHealth, .phase(.ready, detail: "")])
    #expect(
      machine.handle(Self.good, at: Self.zero) == [
        .arm(.health, Self.zero.advanced(byMilliseconds: 250)), .takesWrites(since: Self.zero),
        .askEnvironment(pid: 200),
        .phase(.serving, detail: ""),
      ])
    #expect(
      machine.handle(Self.environment(.same(.word)), at: Self.zero) == [
        .arm(.settled, Self.settled),
        .phase(.settling, detail: "healthy, and must stay so for 10 s"),
      ])
    #expect(machine.handle(.fired(.settled), at: Self.settled) == [.askUnit])
    let end = machine.handle(Self.active, at: Self.settled)
    guard case .finished(.confirmed(let evidence)) = end.last else {
      Issue.record("not confirmed: \(end)")
      return
    }
    #expect(evidence.log == .nowhere("--quiet") && evidence.settledMilliseconds == 10_000)
    #expect(evidence.writes == .taken(asked: 1) && evidence.warning == nil)
  }

  @Test("after the end every input is taken and none has an effect")
  func deaf() {
    var machine = Self.settling()
    _ = machine.handle(.fired(.settled), at: Self.settled)
    _ = machine.handle(Self.active, at: Self.settled)
    #expect(machine.phase == .confirmed)
    for input in [Self.restart, Self.active, Self.good] + StartTimer.allCases.map(StartInput.fired)
    {
      #expect(machine.handle(input, at: Self.settled) == [])
    }
  }

  @Test("an earlier settle timer, one that is early, and a unit that was not asked end nothing")
  func earlyResult() {
    var machine = Self.settling()
    let early = Self.zero.advanced(byMilliseconds: 9_999)
    #expect(machine.handle(.fired(.settled), at: early) == [])
    #expect(machine.handle(Self.active, at: Self.settled) == [])
    _ = machine.handle(
      .health(HealthAnswers(ready: .failed("refused"), cluster: .failed("refused"))), at: early)
    #expect(machine.phase == .ready)
    #expect(machine.handle(.fired(.settled), at: Self.settled) == [])
    #expect(
      machine.handle(Self.good, at: Self.settled).contains(
        .arm(.settled, Self.settled.advanced(byMilliseconds: 10_000))))
  }

  @Test("what the last look at the unit shows counts")
  func lastLook() {
    var machine = Self.settling()
    _ = machine.handle(.fired(.settled), at: Self.settled)
    _ = machine.handle(.unit(Self.reloading), at: Self.settled)
    #expect(machine.outcome == nil && machine.phase != .settling)
  }

  @Test("the environment of a process that is not the main one any more says nothing")
  func oldProcess() {
    var machine = StartMachine(arguments: Self.quiet)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    _ = machine.handle(Self.good, at: Self.zero)
    _ = machine.handle(Self.environment(.same(.word), pid: 199), at: Self.zero)
    #expect(machine.phase == .serving)
    #expect(machine.handle(Self.good, at: Self.zero).contains(.askEnvironment(pid: 200)))
    // And one that was not asked about neither.
    #expect(machine.handle(Self.environment(.differs(["A"]), pid: 7), at: Self.zero) == [])
    #expect(machine.outcome == nil)
  }

  @Test("health is asked for once a second while the start settles")
  func settlingRhythm() {
    var machine = Self.settling()
    #expect(
      machine.handle(Self.good, at: Self.zero) == [
        .arm(.health, Instant(nanoseconds: 1_000_000_000))
      ])
  }

  @Test("the same word of the unit twice is shown and asked about once")
  func duplicates() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    #expect(machine.handle(Self.active, at: Self.zero) == [])
  }

  @Test(
    "health that is good is not enough: neither alone, nor with an offline header, nor half",
    arguments: [
      HealthAnswers(ready: .answered(status: 200, serverStatus: "offline"), cluster: .failed("x")),
      HealthAnswers(
        ready: .answered(status: 200, serverStatus: "offline"),
        cluster: .answered(status: 200, serverStatus: nil)),
      HealthAnswers(
        ready: .answered(status: 200), writes: .taken(asked: 1),
        cluster: .answered(status: 200, serverStatus: "iam-offline")),
      HealthAnswers(
        ready: .answered(status: 200), writes: .taken(asked: 1), cluster: .answered(status: 412)),
      HealthAnswers(ready: .answered(status: 200), cluster: .answered(status: 200)),
      HealthAnswers(ready: .answered(status: 200), writes: .taken(asked: 1)),
      HealthAnswers(
        ready: .answered(status: 200), writes: .refused("503 SlowDownWrite"),
        cluster: .answered(status: 200)),
      HealthAnswers(
        ready: .failed("refused"), cluster: .answered(status: 200, serverStatus: nil)),
    ])
  func half(_ answers: HealthAnswers) {
    var machine = StartMachine(arguments: Self.quiet)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    let effects = machine.handle(.health(answers), at: Self.zero)
    #expect(!effects.contains(.askEnvironment(pid: 200)) && machine.outcome == nil)
  }

  @Test("a unit that was active and is not any more is not confirmed by earlier health")
  func reloading() {
    var machine = StartMachine(arguments: Self.quiet)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    _ = machine.handle(.unit(Self.reloading), at: Self.zero)
    let effects = machine.handle(Self.good, at: Self.zero)
    #expect(!effects.contains(.askEnvironment(pid: 200)) && machine.outcome == nil)
  }

  @Test("a health timer that fires while the unit is not active asks nothing")
  func lateHealthTimer() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    #expect(machine.handle(.fired(.health), at: Self.zero) == [])
  }

  @Test("an answer about health arms the next question, and the unit's word does not ask before it")
  func healthTimer() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    #expect(machine.handle(.fired(.health), at: Self.zero) == [])
    let answers = HealthAnswers(ready: .failed("refused"))
    #expect(
      machine.handle(.health(answers), at: Self.zero) == [
        .arm(.health, Instant(nanoseconds: 250_000_000)),
        .phase(.ready, detail: "/minio/health/ready: refused"),
      ])
    #expect(machine.handle(.fired(.health), at: Self.zero) == [.askHealth])
  }

  @Test("a unit that is active again while a question is open is not asked twice")
  func flapping() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    _ = machine.handle(.unit(Self.reloading), at: Self.zero)
    #expect(!machine.handle(Self.active, at: Self.zero).contains(.askHealth))
  }

  @Test("warnings and the lines of a fatal message are kept up to their limits")
  func limits() {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    func say(_ message: String) -> [StartEffect] {
      machine.handle(
        .entry(
          JournalEntry(
            cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 0, bootID: "",
            invocationID: "new", pid: 200, priority: 6, identifier: "minio", message: message)),
        at: Self.zero)
    }
    for number in 0...StartMachine.warningLimit { _ = say("Error: number \(number)") }
    _ = say("FATAL x")
    for _ in 0..<100 { _ = say("      more") }
    guard case .finished(.failed(let failure)) = say("INFO: end").last else {
      Issue.record("no failure")
      return
    }
    #expect(failure.reason.split(separator: " ").count(where: { $0 == "more" }) == 39)
  }

  // MARK: writes

  @Test("since when writes are taken is told again after each refusal, and they are counted")
  func takesWrites() {
    var machine = StartMachine(arguments: Self.quiet)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    func told(_ writes: WriteAnswer, _ milliseconds: Int) -> [StartEffect] {
      machine.handle(
        .health(HealthAnswers(ready: .answered(status: 200), writes: writes)),
        at: Self.zero.advanced(byMilliseconds: milliseconds)
      ).filter { if case .takesWrites = $0 { true } else { false } }
    }
    #expect(told(.refused("503 SlowDownWrite"), 100) == [])
    #expect(
      told(.taken(asked: 4), 200) == [.takesWrites(since: Self.zero.advanced(byMilliseconds: 200))])
    #expect(told(.taken(asked: 4), 300) == [])
    #expect(told(.refused("503 SlowDownWrite"), 400) == [])
    #expect(
      told(.taken(asked: 4), 500) == [.takesWrites(since: Self.zero.advanced(byMilliseconds: 500))])
  }

  @Test(
    "a server that does not tell is good 17 s after its last line of a missing drive",
    arguments: [(16_999, false), (17_000, true)])
  func missedDrive(milliseconds: Int, isGood: Bool) {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    _ = machine.handle(
      Self.line(
        "new", 6_000_000,
        "INFO: Unable to use the drive http://minio-2:9000/d: drive not found, will be retried"),
      at: Self.zero)
    _ = machine.handle(Self.active, at: Self.zero)
    let answers = HealthAnswers(
      ready: .answered(status: 200), writes: .untold("403 InvalidAccessKeyId"),
      cluster: .answered(status: 200))
    let effects = machine.handle(
      .health(answers), at: Self.zero.advanced(byMilliseconds: milliseconds))
    #expect(effects.contains(.askEnvironment(pid: 200)) == isGood)
  }

  @Test("the Key Manager's refusal is the verdict at the third answer in a row, and not before")
  func keyRefused() {
    for code in ["kms:NotAuthorized", "kms:KeyNotFound"] {
      var machine = StartMachine(arguments: Self.quiet)
      _ = machine.handle(Self.restart, at: Self.zero)
      _ = machine.handle(Self.active, at: Self.zero)
      let refused = StartInput.health(HealthAnswers(ready: .answered(status: 403, code: code)))
      let away = StartInput.health(
        HealthAnswers(ready: .answered(status: 500, code: "kms:KeyGenerationFailed")))
      for input in [refused, refused, away, refused, refused, away, away, away] {
        _ = machine.handle(input, at: Self.zero)
        #expect(machine.outcome == nil)
      }
      for _ in 0..<3 { _ = machine.handle(refused, at: Self.zero) }
      guard case .failed(let failure) = machine.outcome else {
        Issue.record("no failure")
        continue
      }
      #expect(failure.kind == .keyRefused && failure.cause != nil && failure.remedy != nil)
      #expect(failure.reason.contains(code))
    }
  }

  @Test(
    "of the lines that are nobody's yet the last ones are kept until the unit says whose they are",
    arguments: [(63, true), (64, false)])
  func unclaimed(later: Int, isKept: Bool) {
    var machine = StartMachine(arguments: Self.plain)
    _ = machine.handle(Self.restart, at: Self.zero)
    func say(_ pid: Int32, _ message: String) {
      let effects = machine.handle(
        .entry(
          JournalEntry(
            cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 0, bootID: "",
            invocationID: nil, pid: pid, priority: 6, identifier: "minio", message: message)),
        at: Self.zero)
      #expect(effects == [])
    }
    say(200, "FATAL x")
    for number in 0..<later { say(300, "FATAL number \(number)") }
    let ended = UnitState(
      id: "minio.service", activeState: "failed", subState: "failed", invocationID: "new"
    ) { $0.execMainPID = 200 }
    let wait =
      isKept ? StartMachine.continuationMilliseconds : StartMachine.lateLinesMilliseconds
    let effects = machine.handle(.unit(ended), at: Self.zero)
    #expect(effects.contains(.arm(.lateLines, Self.zero.advanced(byMilliseconds: wait))))
    #expect(effects.contains(.phase(.failed, detail: "FATAL x")) == isKept)
  }
}
