import FoundationEssentials
import Model
import StartWatch
import Testing

/// One recorded start: what was heard when, and what must be said of it. The README in
/// Tests/Fixtures/StartWatch describes the form.
struct Transcript: Sendable, CustomTestStringConvertible {
  enum Event: Sendable {
    case unit(UnitState)
    case entry(JournalEntry)
    case health(HealthAnswers)
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
          (milliseconds, event(String(parts[1]), rest, type: headers["type"] ?? "notify")))
      }
    }
  }

  private func event(_ kind: String, _ rest: String, type: String) -> Event {
    switch kind {
    case "unit":
      let words = rest.split(separator: " ").map(String.init)
      let states = words[0].split(separator: "/").map(String.init)
      var state = UnitState(id: "minio.service", activeState: states[0], subState: states[1])
      state.type = type
      state.invocationID = words[1]
      let process: Int32 = words[1] == "old" ? 100 : 200
      // systemd has forgotten the last main process when a start begins, and not before.
      state.execMainPID = states[1] == "start-pre" ? 0 : process
      let isAlive = !["start-pre", "auto-restart", "dead", "failed"].contains(states[1])
      state.mainPID = isAlive ? process : 0
      for word in words.dropFirst(2) {
        let pair = word.split(separator: "=").map(String.init)
        switch pair[0] {
        case "restarts": state.nRestarts = Int(pair[1]) ?? 0
        case "result": state.result = pair[1]
        case "exit":
          state.execMainCode = 1
          state.execMainStatus = Int32(pair[1]) ?? 0
        default: preconditionFailure("\(name): \(word)")
        }
      }
      return .unit(state)
    case "health":
      let answers = rest.split(separator: " ").map { word -> HealthAnswer in
        let parts = word.split(separator: ":").map(String.init)
        guard let status = Int(parts[0]) else { return .failed(parts[0]) }
        return .answered(status: status, serverStatus: parts.count > 1 ? parts[1] : nil)
      }
      return .health(HealthAnswers(ready: answers[0], cluster: answers[1]))
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

  /// Runs the machine over the events in virtual time: timers fire when they are due, health is
  /// what was last given, one millisecond after it was asked for.
  func run() -> Run {
    var run = Run()
    var machine = StartMachine(
      serverArguments: ServerArguments.words(headers["arguments"] ?? "server"))
    var timers: [StartTimer: Int] = [:]
    var health = HealthAnswers(ready: .failed("refused"), cluster: .failed("refused"))
    var answerDue: Int?

    func feed(_ input: StartInput, _ now: Int) {
      if run.outcome != nil { run.inputsAfterTheEnd += 1 }
      for effect in machine.handle(input, at: Instant(nanoseconds: 0).advanced(byMilliseconds: now))
      {
        precondition(run.outcome == nil, "\(name): an effect after the end")
        switch effect {
        case .arm(let timer, let instant):
          timers[timer] = instant.milliseconds(since: Instant(nanoseconds: 0))
        case .askHealth:
          precondition(answerDue == nil, "\(name): health is asked for twice")
          answerDue = now + 1
          run.healthAskedAt.append(now)
        case .phase(let phase, let detail): run.phases.append((now, phase, detail))
        case .finished(let outcome): (run.outcome, run.endedAt) = (outcome, now)
        }
      }
    }
    func pass(until end: Int) {
      while true {
        let timer = timers.min { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }
        if let due = answerDue, due <= min(end, timer?.value ?? end) {
          answerDue = nil
          feed(.health(health), due)
        } else if let timer, timer.value <= end, run.outcome == nil {
          timers[timer.key] = nil
          feed(.fired(timer.key), timer.value)
        } else {
          return
        }
      }
    }

    let deadlines = StartDeadlines(
      stop: Instant(nanoseconds: 10_000_000_000), start: Instant(nanoseconds: 60_000_000_000))
    feed(.restartIssued(previousInvocation: headers["previous"] ?? "old", deadlines: deadlines), 0)
    for (milliseconds, event) in events {
      pass(until: milliseconds)
      switch event {
      case .unit(let state): feed(.unit(state), milliseconds)
      case .entry(let entry): feed(.entry(entry), milliseconds)
      case .health(let answers): health = answers
      }
    }
    pass(until: 120_000)
    return run
  }

  struct Run {
    var phases: [(milliseconds: Int, phase: WatchPhase, detail: String)] = []
    var healthAskedAt: [Int] = []
    var outcome: StartOutcome?
    var endedAt: Int?
    var inputsAfterTheEnd = 0

    /// The phases in their order, each run of one once.
    var phaseNames: [String] {
      phases.map(\.phase.rawValue).reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }
  }
}
