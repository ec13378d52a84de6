// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

/// `keyturn check`: every Key Manager from every node and back, and drift.
struct CheckCommand: Command {
  struct Options: OptionGroup {
    @Option("strict", help: "exit 1 also on drift, and on anything degraded") var isStrict: Bool
    @Option(
      "timeout", takes: "SECONDS",
      help: "for all of it, 1 to 60; probeSeconds of the inventory if left out, which is 5",
      as: .number(of: "seconds", in: 1...60))
    var timeout: Int?
    var watch = WatchOptions()
    @Option("nagios", help: "one line with performance data for Nagios and compatible systems")
    var isNagios: Bool
    @Option(
      "html", takes: "FILE",
      help: "write a page instead (0600; a file that is there is refused; - prints it)", as: .text)
    var page: String?
    var cluster = ClusterOptions()

    var problem: String? {
      if page != nil, watch.watches || isNagios {
        return "--html is one look for people; leave --watch and --nagios out"
      }
      if watch.watches, isNagios { return "--nagios is one look; leave --watch out" }
      return watch.problem
    }
  }

  static let rule = CommandRule(
    name: "check",
    summary: "whether every server and link works and the nodes agree, and drift",
    details: """
      There: DNS, TCP, TLS chain and name, /version, readiness, and with settings the identity, the enclave and
      the key. Back: the witness on each Key Manager host connects to the node's agent and to its MinIO. Then what
      differs between the files, the running process and the last confirmed start; whether every server runs and is
      READY; and what differs between the nodes. All nodes at once. With --json one object. --nagios: one line, and
      Nagios' exit codes: 0 ok, 1 warning (degraded, drift), 2 critical (something is wrong now), 3 unknown (a node
      did not answer). Exits 1 where Nagios is told critical, with --strict also where it is told warning.
      """,
    examples: [
      ("keyturn check", "before a maintenance window"),
      ("keyturn check --quiet --strict", "as a test in configuration management"),
      ("keyturn check --watch", "while a firewall is repaired"),
      ("keyturn check --nagios --timeout 8", "as a check of a monitoring system"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  /// Past the nodes' own deadline, for the way there and back.
  private static let graceMilliseconds = 500

  func run() throws(Refusal) -> CommandResult {
    if options.isNagios { return nagios() }
    let cluster = try context.cluster(options.cluster, warns: context.console.format == .text)
    let timeout = timeout(cluster)
    if options.watch.watches { return watch(cluster, timeout: timeout) }
    let report = ask(cluster, timeout: timeout)
    if let path = options.page {
      try context.writePage(
        CheckPage(
          report: report, time: CalendarTime.text(microseconds: Clock.realtimeMicroseconds())
        ).text, path)
    } else {
      tell(report)
    }
    return report.result
  }

  /// One line, and an exit status that is Nagios' own.
  private func nagios() -> CommandResult {
    var result = CommandResult(.done, isTold: true)
    do throws(Refusal) {
      let cluster = try context.cluster(options.cluster, warns: false)
      let timeout = timeout(cluster)
      let began = Clock.now()
      let nagios = CheckNagios(
        report: ask(cluster, timeout: timeout),
        milliseconds: Clock.now().milliseconds(since: began))
      context.console.host.write(nagios.line + "\n", to: .standardOutput)
      result.foreignStatus = nagios.state.rawValue
    } catch { result.foreignStatus = CheckNagios.tellUnknown(error.message, context.host) }
    return result
  }

  private func timeout(_ cluster: Cluster) -> Int {
    options.timeout ?? cluster.inventory.timeouts.probeSeconds
  }

  private func ask(_ cluster: Cluster, timeout: Int) -> CheckReport {
    let answers = context.ask(
      cluster, .check(timeoutMilliseconds: timeout * 900),
      milliseconds: timeout * 1_000 + Self.graceMilliseconds)
    return CheckReport(answers, inventory: cluster.inventory, isStrict: options.isStrict)
  }

  private var width: Int { context.console.host.terminal(.standardOutput)?.columns ?? 132 }

  private func tell(_ report: CheckReport) {
    let console = context.console
    guard console.format == .text else {
      console.event("check", Self.fields(report))
      return
    }
    for line in CheckView(report: report, columns: width).lines { console.progress(line) }
    for error in Self.errors(report) { console.message(.error, error) }
    console.line(report.conclusion)
  }

  /// What is wrong and who did not answer, a line each.
  private static func errors(_ report: CheckReport) -> [String] {
    report.health.statements.filter(report.fails).map(\.text)
      + NodeNames.lines(report.health.unanswered.map { (name: $0.name, value: $0.refusal.message) })
  }

  // MARK: watching

  private func watch(_ cluster: Cluster, timeout: Int) -> CommandResult {
    var screen = Redrawing(context.console)
    var before: [String: [StyledText]] = [:]
    return context.rounds(options.watch) {
      let report = ask(cluster, timeout: timeout)
      if context.console.isLive {
        screen.draw(picture(report))
      } else if context.console.format == .json {
        tell(report)
      } else {
        tellChanges(report, &before)
      }
      return report.result
    }
  }

  private func picture(_ report: CheckReport) -> [StyledLine] {
    let time = CalendarTime.text(microseconds: Clock.realtimeMicroseconds())
    let errors = Self.errors(report).map {
      StyledLine([StyledText("error: \($0)", .bad)])
    }
    return [StyledLine("\(report.cluster) at \(time)")]
      + CheckView(report: report, columns: width).lines + errors + [StyledLine(report.conclusion)]
  }

  /// All nodes at first, then those that changed.
  private func tellChanges(_ report: CheckReport, _ before: inout [String: [StyledText]]) {
    let time = CalendarTime.text(microseconds: Clock.realtimeMicroseconds())
    var changed: [(name: String, value: [StyledText])] = []
    for row in report.rows {
      let isWell = report.health.level(of: row.name) < .unknown
      var words = CheckView.words(row, report.columns, isWell: isWell)
      if row.answer.failure == nil {
        // Those of a link are among the words.
        words += report.health.statements(of: row.name, from: report.threshold)
          .filter { $0.finding.link == nil }.map { StyledText($0.finding.statement, .bad) }
      }
      if before[row.name] == words { continue }
      before[row.name] = words
      changed.append((row.name, words))
    }
    for group in NodeNames.grouped(changed) {
      for word in group.value {
        let line = StyledLine(group.names, word)
        context.console.progress(StyledLine([StyledText("\(time) ")] + line.parts))
      }
    }
  }

  // MARK: for programs

  private static func fields(_ report: CheckReport) -> JSONObject {
    var fields = report.result.fields
    fields["cluster"] = report.cluster
    fields["keyManagers"] = report.columns
    fields["problems"] = report.health.fields
    fields["nodes"] = zip(report.rows, report.result.nodes).map { row, node in
      var object: JSONObject = ["name": node.name, "outcome": node.outcome, "reason": node.reason]
      guard let answer = row.answer.answer else {
        object["kind"] = row.answer.failure?.code.rawValue
        return object
      }
      object["endpoints"] = answer.endpoints
      object["back"] = (answer.back ?? []).map(JSONObject.init)
      object["drift"] = JSONObject(answer.drift)
      object["findings"] = answer.findings.map(JSONObject.init)
      object["report"] = answer.report?.forOutput
      return object
    }
    fields["skewMilliseconds"] = nil
    fields["issueSkewMilliseconds"] = nil
    return fields
  }
}

extension JSONObject {
  init(_ back: ReverseAnswer) {
    self = [
      "keyManager": back.keyManager, "endpoint": back.endpoint, "verdict": back.verdict,
      "unverified": back.unverified, "detail": back.detail,
      "links": back.links.map {
        [
          "port": $0.port, "address": $0.address, "verdict": $0.verdict, "outcome": $0.outcome,
          "milliseconds": $0.milliseconds, "detail": $0.detail,
          "certificateValidUntil": $0.validUntil,
        ] as JSONObject
      },
    ]
  }
}
