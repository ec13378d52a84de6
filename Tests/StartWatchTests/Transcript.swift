// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Model
import ServerUnit
import StartWatch
import Testing

/// One recorded start: what was heard when, and what must be said of it. The README in
/// Tests/Fixtures/StartWatch describes the form.
struct Transcript: Sendable, CustomTestStringConvertible {
  enum Event: Sendable {
    case unit(UnitState)
    case entry(JournalEntry)
    case fileLine(JournalEntry)
    case health(HealthAnswers)
    case environment(EnvironmentAnswer)
  }

  var name: String
  var headers: [String: String] = [:]
  var events: [(milliseconds: Int, event: Event)] = []

  var testDescription: String { name }

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/StartWatch")

  static let all: [Transcript] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".txt") }.sorted().map { Transcript(file: $0) }
  }()

  init(file: String) {
    name = String(file.dropLast(4))
    let path = Self.folder.appendingPathComponent(file)
    let text = (try? String(contentsOf: path, encoding: .utf8)) ?? ""
    var isHead = true
    for (index, line) in text.split(separator: "\n").enumerated() where !line.hasPrefix("#") {
      if line == "---" {
        isHead = false
      } else if isHead {
        let parts = line.split(separator: ":", maxSplits: 1)
        precondition(parts.count == 2, "\(file):\(index + 1): a header is `name: value`")
        headers[String(parts[0])] = String(parts[1].drop { $0 == " " })
      } else {
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, let milliseconds = Int(parts[0]) else {
          preconditionFailure("\(file):\(index + 1): an event begins with its milliseconds")
        }
        let rest = parts.count == 3 ? String(parts[2]) : ""
        events.append(
          (milliseconds, event(String(parts[1]), rest, at: milliseconds)))
      }
    }
  }

  private func event(_ kind: String, _ rest: String, at milliseconds: Int) -> Event {
    switch kind {
    case "unit":
      let words = rest.split(separator: " ").map(String.init)
      let states = words[0].split(separator: "/").map(String.init)
      var state = UnitState(id: "minio.service", activeState: states[0], subState: states[1])
      state.type = headers["type"] ?? "notify"
      state.invocationID = words[1]
      let process: Int32 = words[1] == "old" ? 100 : 200
      // systemd has forgotten the last main process when a start begins, and not before.
      state.execMainPID = states[1] == "start-pre" ? 0 : process
      let isAlive = !["start-pre", "auto-restart", "dead", "failed"].contains(states[1])
      state.mainPID = isAlive ? process : 0
      if words[1] != "old" {
        state.execMainStartMonotonicMicroseconds =
          UInt64(startedMilliseconds ?? milliseconds) * 1_000
        state.execMainStartRealtimeMicroseconds =
          UInt64(startedMilliseconds ?? milliseconds) * 1_000
      }
      for word in words.dropFirst(2) {
        let pair = word.split(separator: "=").map(String.init)
        switch pair[0] {
        case "restarts": state.nRestarts = Int(pair[1]) ?? 0
        case "result": state.result = pair[1]
        case "pid": state.mainPID = Int32(pair[1]) ?? 0
        case "exit":
          state.execMainCode = 1
          state.execMainStatus = Int32(pair[1]) ?? 0
        default: preconditionFailure("\(name): \(word)")
        }
      }
      return .unit(state)
    case "environment":
      let words = rest.split(separator: " ").map(String.init)
      switch words[0] {
      case "same": return .environment(.same(.word))
      case "differs": return .environment(.differs(Array(words.dropFirst())))
      default: return .environment(.unknown(rest))
      }
    case "journald!", "file|":
      let entry = JournalEntry(
        cursor: "", realtimeMicroseconds: Int64(milliseconds) * 1_000,
        monotonicMicroseconds: rest.hasPrefix("Entries") ? 0 : UInt64(milliseconds) * 1_000,
        bootID: "", invocationID: kind == "file|" ? nil : "journald",
        pid: kind == "file|" ? nil : 50, priority: 6,
        identifier: kind == "file|" ? nil : "systemd-journald", message: rest)
      return kind == "file|" ? .fileLine(entry) : .entry(entry)
    case "health": return .health(Self.health(rest))
    default:
      let isManager = kind.hasSuffix("!")
      let invocation = String(kind.dropLast())
      let process = invocation.hasPrefix("-") ? Int32(invocation.dropFirst()) : nil
      return .entry(
        JournalEntry(
          cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 0, bootID: "",
          invocationID: invocation.hasPrefix("-") ? nil : invocation,
          pid: isManager ? 1 : process ?? (invocation == "old" ? 100 : 200), priority: 6,
          identifier: isManager ? "systemd" : "minio", message: rest))
    }
  }

  /// `READY CLUSTER [WRITES]`.
  private static func health(_ text: String) -> HealthAnswers {
    let words = text.split(separator: " ").map(String.init)
    func answer(_ word: String) -> HealthAnswer {
      let coded = word.split(separator: "=", maxSplits: 1).map(String.init)
      let parts = coded[0].split(separator: ":", maxSplits: 1).map(String.init)
      guard let status = Int(parts[0]) else { return .failed(parts[0]) }
      return .answered(
        status: status, serverStatus: parts.count > 1 ? parts[1] : nil,
        code: coded.count > 1 ? coded[1] : nil)
    }
    let writes: WriteAnswer =
      switch words.count > 2 ? words[2] : "taken" {
      case "taken": .taken(asked: 1)
      case "refused": .refused("503 SlowDownWrite")
      case "busy": .busy("429 TooManyRequests")
      default: .untold("403 InvalidAccessKeyId")
      }
    return HealthAnswers(ready: answer(words[0]), writes: writes, cluster: answer(words[1]))
  }

  /// What a look asks for: each question only if what comes before it is good.
  private static func asked(_ all: HealthAnswers) -> HealthAnswers {
    guard all.ready.isGood else { return HealthAnswers(ready: all.ready) }
    if case .refused = all.writes { return HealthAnswers(ready: all.ready, writes: all.writes) }
    return all
  }

  /// When the new process was started: at the first word of the unit about it.
  private var startedMilliseconds: Int? {
    events.first { event in
      if case .unit(let state) = event.event { state.invocationID == "new" } else { false }
    }?.milliseconds
  }

  /// Runs the machine over the events in virtual time: timers fire when they are due, and what is
  /// asked for is what was last given, one millisecond later.
  func run() -> Run {
    var run = Run()
    var machine = StartMachine(
      arguments: ServerArguments(
        arguments: ServerArguments.words(headers["arguments"] ?? "server")),
      peers: headers["peers"].flatMap { Int($0) })
    var timers: [StartTimer: Int] = [:]
    var health = HealthAnswers(ready: .failed("refused"), cluster: .failed("refused"))
    var environment = EnvironmentAnswer.same(.word)
    var unit: UnitState?
    var due: [(milliseconds: Int, question: StartEffect)] = []

    func feed(_ input: StartInput, _ now: Int) {
      if run.outcome != nil { run.inputsAfterTheEnd += 1 }
      for effect in machine.handle(input, at: Instant(nanoseconds: 0).advanced(byMilliseconds: now))
      {
        precondition(run.outcome == nil, "\(name): an effect after the end")
        switch effect {
        case .arm(let timer, let instant):
          timers[timer] = instant.milliseconds(since: Instant(nanoseconds: 0))
        case .askHealth, .askEnvironment, .askUnit:
          precondition(!due.contains { $0.question == effect }, "\(name): \(effect) twice")
          due.append((now + 1, effect))
          if effect == .askHealth { run.healthAskedAt.append(now) }
        case .takesWrites(let since):
          run.takesWritesSince = since.milliseconds(since: Instant(nanoseconds: 0))
        case .phase(let phase, let detail): run.phases.append((now, phase, detail))
        case .finished(let outcome): (run.outcome, run.endedAt) = (outcome, now)
        }
      }
    }
    func pass(until end: Int) {
      while true {
        let timer = timers.min { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }
        if let next = due.first, next.milliseconds <= min(end, timer?.value ?? end) {
          due.removeFirst()
          switch next.question {
          case .askEnvironment(let pid):
            feed(.environment(pid: pid, environment), next.milliseconds)
          case .askUnit: if let unit { feed(.unit(unit), next.milliseconds) }
          default: feed(.health(Self.asked(health)), next.milliseconds)
          }
        } else if let timer, timer.value <= end, run.outcome == nil {
          timers[timer.key] = nil
          feed(.fired(timer.key), timer.value)
        } else {
          return
        }
      }
    }

    let deadlines = StartDeadlines(
      stop: Instant(nanoseconds: 10_000_000_000), start: Instant(nanoseconds: 60_000_000_000),
      settleMilliseconds: Int(headers["settle"] ?? "10000") ?? 0)
    feed(
      .restartIssued(
        previousInvocation: headers["previous"] ?? "old", issued: 0, deadlines: deadlines), 0)
    if let trouble = headers["unreadable"] { feed(.filesUnreadable(trouble), 0) }
    for (milliseconds, event) in events {
      pass(until: milliseconds)
      switch event {
      case .unit(let state):
        unit = state
        feed(.unit(state), milliseconds)
      case .entry(let entry): feed(.entry(entry), milliseconds)
      case .fileLine(let entry): feed(.fileLine(entry), milliseconds)
      case .environment(let answer): environment = answer
      case .health(let answers): health = answers
      }
    }
    pass(until: 120_000)
    return run
  }

  struct Run {
    var phases: [(milliseconds: Int, phase: RolloutPhase, detail: String)] = []
    var healthAskedAt: [Int] = []
    /// Since when it takes writes, as told last.
    var takesWritesSince: Int?
    var outcome: StartOutcome?
    var endedAt: Int?
    var inputsAfterTheEnd = 0

    /// The phases in their order, each run of one once.
    var phaseNames: [String] {
      phases.map(\.phase.rawValue).reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }
  }
}
