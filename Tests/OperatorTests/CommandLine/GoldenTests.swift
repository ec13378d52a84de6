// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import FoundationEssentials
import HTTP
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing
import Threads

/// How commands end, each exit code of the command line at the least once: what stands on a terminal of 80 columns, and
/// the last line of `--json`, each from a run of the command. `KEYTURN_RECORD=1` writes the files
/// (`Tests/Fixtures/Endings`); whoever does so reads them.
@Suite("Endings of commands", .timeLimit(.minutes(2))) struct GoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var code: ExitCode
    var arguments: String
    /// Of minio-4.
    var fault = FakeAgent.Fault.none
    var plan: @Sendable (_ node: String) -> PlanAnswer = { .sample($0) }
    var alwaysFails = false
    var undoRefusal: Refusal?
    var report: @Sendable (_ node: String) -> NodeReport = { _ in .well }
    var kept: @Sendable (_ node: String) -> [RolloutView] = { _ in [] }
    var confirmed: ConfirmAnswer?
    var files: [String: String] = [:]
    var answer: String?
    var local: [HTTPResponse] = []
    /// Interrupted when commit is told.
    var isInterrupted = false

    var testDescription: String { name }
  }

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/Endings")

  private static let apply = "apply --yes --settings kms.env"

  private static func head(_ id: String) -> RolloutHead {
    RolloutHead(id: id, epoch: 3, kind: .apply, generation: 7, createdBy: "alice")
  }

  /// A rollout that failed on minio-3, and the one that has taken it back.
  private static func takenBack(_ node: String) -> [RolloutView] {
    func view(_ id: String, _ kind: RolloutKind, _ outcome: Outcome, _ result: RolloutResult)
      -> RolloutView
    {
      RolloutView(
        id: id, events: [], report: nil, outcome: outcome,
        rollout: RolloutHead(id: id, epoch: 3, kind: kind, generation: 7, createdBy: "alice"),
        rolloutResult: result)
    }
    let (first, back) = ("0d07a7a0593ac303", "77aa7a0593ac3000")
    return [
      view(
        first, .apply,
        node == "minio-3"
          ? Outcome(
            .failed, StartFailure(kind: .fatalLine, phase: .starting, reason: "FATAL x"))
          : Outcome(.confirmed, "healthy for 10 s"),
        RolloutResult(rollout: first, kind: .rollingBack, rollback: back, by: "alice")),
      view(
        back, .rollback, Outcome(.confirmed, "healthy for 10 s"),
        RolloutResult(rollout: back, kind: .confirmed, by: "alice")),
    ]
  }

  /// What an agent says of a proposal whose rollout has ended so.
  private static func proposed(_ kind: RolloutResult.Kind) -> HTTPResponse {
    let statement = MemberProposal(serial: 1, digest: .ofFields(["proposal"]), isInForce: false)
    let (first, back) = ("0d07a7a0593ac303", "77aa7a0593ac3000")
    return .json(
      200,
      ProposalsView(
        node: "minio-1", own: statement, phase: .rollingOut,
        rows: Sample.names.map { ProposalRow(member: $0, statement: statement) }, rollout: first,
        refusal: nil,
        results: [
          RolloutResult(
            rollout: first, kind: kind,
            reason: kind == .held ? "the rollback policy of this rollout is \"never\"" : "",
            rollback: kind == .held ? nil : back, by: "alice"),
          RolloutResult(rollout: back, kind: .confirmed, by: "alice"),
        ], isChanged: true))
  }

  /// What minio-3 says no with.
  private static func refused(_ code: RefusalCode, _ message: String)
    -> @Sendable (String) -> PlanAnswer
  {
    { .sample($0, refusal: $0 == "minio-3" ? Refusal(code, message) : nil) }
  }

  static let cases: [Case] = [
    Case(name: "apply", code: .done, arguments: apply),
    Case(
      name: "apply-nothing", code: .done, arguments: apply, plan: { .sample($0, changes: false) }),
    Case(name: "status-well", code: .done, arguments: "status"),
    Case(name: "apply-answer", code: .failed, arguments: "apply --settings kms.env", answer: "no"),
    Case(
      name: "status-wrong", code: .failed, arguments: "status",
      report: {
        $0 == "minio-2"
          ? NodeReport(
            unit: .init(
              activeState: "failed", subState: "failed", result: "exit-code", isRunning: false))
          : .well
      }),
    Case(
      name: "plan-changes", code: .changesPending,
      arguments: "plan --settings kms.env --detailed-exitcode"),
    Case(name: "apply-unknown", code: .unknown, arguments: apply, fault: .goneAfterCommit),
    Case(
      name: "apply-interrupted", code: .unknown, arguments: apply, fault: .neverStarts,
      isInterrupted: true),
    Case(name: "apply-unreachable", code: .unreachable, arguments: apply, fault: .unreachable),
    Case(
      name: "apply-settings", code: .validationRefused, arguments: "apply --yes --settings bad.env",
      files: ["bad.env": Sample.settings + "MINIO_KMS_ENCLAV=x\n"]),
    Case(
      name: "apply-no-file", code: .validationRefused, arguments: "apply --yes --settings no.env"),
    Case(
      name: "apply-unit", code: .validationRefused, arguments: apply,
      plan: refused(.unit, "minio.service is masked; run `systemctl unmask minio.service` there")),
    Case(
      name: "apply-guard", code: .guardRefused, arguments: apply,
      plan: refused(
        .guarded,
        "the SSE key \"primary-key\" is sealed; the settings name \"other-key\". No option lifts this"
      )),
    Case(
      name: "apply-key-manager", code: .keyManagerRefused, arguments: apply,
      plan: refused(
        .keyManager,
        "kms-1.example.net:7373: TCP failed: connection refused; start the Key Manager, or open its port"
      )),
    Case(
      name: "apply-vote", code: .voteRefused, arguments: apply,
      fault: .votesNo(Refusal(.vote, "the file was changed since the plan"))),
    Case(
      name: "apply-not-confirmed", code: .notConfirmed, arguments: apply + " --rollback never",
      fault: .failsToStart("FATAL Failed to connect to KMS: dial tcp 10.0.0.5:7373: i/o timeout")),
    Case(
      name: "apply-held", code: .notConfirmed, arguments: apply,
      fault: .failsToStart("FATAL Failed to connect to KMS: dial tcp 10.0.0.5:7373: i/o timeout"),
      undoRefusal: Refusal(.guarded, "the SSE key \"primary-key\" is sealed")),
    Case(
      name: "apply-rolled-back", code: .rolledBack, arguments: apply,
      fault: .failsToStart("FATAL Failed to connect to KMS: dial tcp 10.0.0.5:7373: i/o timeout")),
    Case(
      name: "apply-rolled-back-unhealthy", code: .rolledBackUnhealthy, arguments: apply,
      fault: .failsToStart("FATAL Failed to connect to KMS: dial tcp 10.0.0.5:7373: i/o timeout"),
      alwaysFails: true),
    Case(
      name: "watch-rolled-back", code: .rolledBack, arguments: "watch 0d07a7a0593ac303",
      kept: { Self.takenBack($0) }),
    Case(
      name: "confirm", code: .notConfirmed, arguments: "confirm minio-3",
      confirmed: ConfirmAnswer(
        node: "minio-3", rollout: head("0d07a7a0593ac303"),
        outcome: Outcome(
          .failed,
          StartFailure(
            kind: .otherEnvironment, phase: .settling,
            reason: "the server runs with other values of MINIO_KMS_ENCLAVE",
            remedy: "restart it, so that it reads the file")), wasConfirmed: false)),
    Case(
      name: "propose-held", code: .notConfirmed, arguments: "propose --settings kms.env --wait",
      local: [proposed(.held)]),
    Case(
      name: "propose-rolled-back", code: .rolledBack,
      arguments: "propose --settings kms.env --wait", local: [proposed(.rollingBack)]),
    Case(
      name: "propose-refused", code: .guardRefused, arguments: "propose --settings kms.env",
      local: [.refusal(400, .guarded, "the SSE key \"primary-key\" is sealed")]),
    Case(name: "restart-usage", code: .usage, arguments: "restart --yes --every"),
    Case(name: "confirm-no-node", code: .usage, arguments: "confirm minio-9"),
    Case(
      name: "apply-busy", code: .busy, arguments: apply,
      plan: { node in
        var plan = PlanAnswer.sample(node)
        let rollout = Rollout(
          id: "00000000000000aa", epoch: 3, kind: .restart, cluster: "prod", generation: 1,
          seal: nil, contents: [], createdBy: "bob", prepareMilliseconds: 1, stopMilliseconds: 1,
          startMilliseconds: 1)
        plan.activeRollout = rollout.id
        plan.active = ActiveSummary(rollout, sinceMicroseconds: 1_800_000_000_000_000)
        return plan
      }),
    Case(
      name: "apply-not-permitted", code: .notPermitted, arguments: apply,
      fault: .votesNo(Refusal(.notPermitted, "the rollout is bob's, the certificate alice's"))),
    Case(
      name: "status-configuration", code: .badConfiguration,
      arguments: "status --inventory nowhere.json"),
  ]

  /// What a run leaves on a terminal, or writes for programs.
  private static func run(_ test: Case, isJSON: Bool) -> (code: ExitCode, host: FakeCommandHost) {
    let interruption = Interruption()
    let agents = Sample.names.map { name in
      FakeAgent(
        name, name == "minio-4" || test.isInterrupted ? test.fault : .none, plan: test.plan(name),
        kept: test.kept(name), confirmed: test.confirmed, alwaysFails: test.alwaysFails,
        undoRefusal: test.undoRefusal, report: test.report(name),
        onCommit: { if test.isInterrupted { _ = interruption.interrupt() } })
    }
    return Sample.run(
      test.arguments + (isJSON ? " --json" : ""), agents, files: test.files, answer: test.answer,
      terminal: isJSON ? nil : TerminalSize(columns: 80, rows: 40), interruption: interruption,
      local: FakeLocalAgent(test.local))
  }

  /// Without what differs from run to run: ids, times and measured durations.
  private static func steady(_ text: String) -> String {
    var text = text
    for (number, id) in text.matches(of: /\b[0-9a-f]{16}\b/).map({ String($0.output) })
      .reduce(into: [String](), { if !$0.contains($1) { $0.append($1) } }).enumerated()
    {
      text = text.replacing(id, with: "\(number)d07a7a0593ac303")
    }
    return text.replacing(
      /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/, with: "2026-01-31T12:00:00.000Z"
    )
    .replacing(/\b[0-9]+\.[0-9] ms/, with: "0.8 ms")
    .replacing(/(illiseconds":)[0-9.]+/, with: { "\($0.output.1)0.8" })
  }

  @Test("each ending says what is in force and what to do", arguments: cases)
  func ending(_ test: Case) throws {
    // At once: a deadline is waited for once.
    let runs = Parallel.map([false, true]) { Self.run(test, isJSON: $0) }
    let ((code, host), (other, json)) = (runs[0], runs[1])
    #expect(code == test.code && other == test.code, "\(host.output)\(host.errors)")
    let screen = Self.withoutTables(Screen(host.both).lines.map(Self.trimmed))
    #expect(screen.allSatisfy { $0.count <= 80 }, "\(screen)")
    // A faulty command line has no JSON.
    let last = json.lines.last ?? ""
    var seen = Self.steady(
      "$ keyturn \(test.arguments)\n" + screen.joined(separator: "\n")
        + "(exit \(code.rawValue))\n\n"
        + "$ keyturn \(test.arguments) --json | tail -n 1\n" + last + "\n")
    if test.isInterrupted {
      // How far it has come then is left to chance.
      seen = seen.replacing(/skew .*\n/, with: "").replacing(/illiseconds":[a-z0-9.]+/) { _ in
        "illiseconds\":null"
      }
    }
    if !last.isEmpty {
      let result = try JSON.decode(Result.self, from: Array(last.utf8))
      #expect(result.exitCode == Int(code.rawValue) && result.event == "result")
      #expect(!result.message.isEmpty && result.nodes != nil)
    }
    let path = Self.folder.appendingPathComponent("\(code.rawValue)-\(test.name).txt")
    if ProcessInfo.processInfo.environment["KEYTURN_RECORD"] == "1" {
      try seen.write(to: path, atomically: false, encoding: .utf8)
    }
    #expect(try seen == String(contentsOf: path, encoding: .utf8), "\(seen)")
  }

  private struct Result: Decodable {
    var event: String
    var exitCode: Int
    var message: String
    var nodes: [Node]?

    struct Node: Decodable { var name: String }
  }

  /// How far each node had come when a rollout ended early differs from run to run.
  private static func withoutTables(_ lines: [String]) -> [String] {
    var isTable = false
    return lines.compactMap { line in
      if line.hasPrefix("NODE     STATE") || line.hasPrefix("STEP ") {
        isTable = true
        return line.hasPrefix("NODE") ? "(the table of the nodes)" : nil
      }
      isTable = isTable && (line.hasPrefix("minio-") || line.hasPrefix("start "))
      return isTable ? nil : line
    }
  }

  private static func trimmed(_ line: String) -> String {
    var line = line[...]
    while line.last == " " { line.removeLast() }
    return String(line)
  }

  @Test("every exit code has an ending here, and every file is one of them")
  func complete() throws {
    // The start guard speaks to systemd's journal and has no JSON: GuardTests.
    #expect(
      Set(Self.cases.map(\.code)) == Set(ExitCode.allCases).subtracting([.startRefused]))
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(Set(names) == Set(Self.cases.map { "\($0.code.rawValue)-\($0.name).txt" }))
  }
}
