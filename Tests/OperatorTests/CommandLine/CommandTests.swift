// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

@Suite(.timeLimit(.minutes(1))) struct CommandTests {
  private func agents(_ make: (String) -> FakeAgent = { FakeAgent($0) }) -> [FakeAgent] {
    Sample.names.map(make)
  }

  /// Four agents, the third as given.
  private func agents(third: FakeAgent) -> [FakeAgent] {
    Sample.names.map { $0 == third.name ? third : FakeAgent($0) }
  }

  private struct ResultLine: Decodable {
    struct Node: Decodable {
      var name: String
      var outcome: String
      var reason: String
    }
    var event: String
    var outcome: String
    var exitCode: Int32
    var skewMilliseconds: Double?
    var nodes: [Node]
    var time: String
  }

  private func result(_ host: FakeCommandHost) throws -> ResultLine {
    let last = try #require(host.lines.last)
    return try JSON.decode(ResultLine.self, from: Array(last.utf8))
  }

  // MARK: plan

  @Test("plan shows what changes, nodes with the same content together, and touches nothing")
  func plan() {
    let agents = agents()
    let (code, host) = Sample.run("plan --settings kms.env", agents)
    #expect(code == .done)
    #expect(host.output.contains("minio-[1-4]\n"))
    #expect(host.output.contains("    +MINIO_KMS_ENCLAVE=tenant-1\n"))
    #expect(agents.allSatisfy { $0.restarts == 0 && !$0.isActive })
    #expect(
      Sample.run("plan --settings kms.env --detailed-exitcode", agents).code == .changesPending)
  }

  @Test("nothing differs: nothing to do, exit 0 also with --detailed-exitcode")
  func nothing() throws {
    let agents = agents { FakeAgent($0, plan: .sample($0, changes: false)) }
    let (code, host) = Sample.run("plan --settings kms.env --detailed-exitcode --json", agents)
    #expect(code == .done)
    #expect(try result(host).outcome == "nothingToDo")
    #expect(Sample.run("apply --settings kms.env", agents).code == .done)
  }

  @Test(
    "of several reasons one decides the exit code",
    arguments: [
      ([RefusalCode.busy, .clock], ExitCode.voteRefused),
      ([.vote, .keyManager], .keyManagerRefused),
      ([.keyManager, .unit], .validationRefused), ([.validation, .guarded], .guardRefused),
      ([.guarded, .configuration], .badConfiguration),
      ([.configuration, .notPermitted], .notPermitted),
      ([.notPermitted, .unreachable], .unreachable),
      ([.failed, .busy], .busy),
    ])
  func precedence(_ codes: [RefusalCode], _ exitCode: ExitCode) {
    for codes in [codes, codes.reversed()] {
      let rows = zip(Sample.names, codes).map { name, code in
        NodeAnswer(
          name: name, result: .success(PlanAnswer.sample(name, refusal: Refusal(code, "no"))))
      }
      guard case .refused(let refusal, _) = ClusterPlan(rows: rows).verdict(isRestart: false) else {
        Issue.record("not refused")
        return
      }
      #expect(ExitCode(refusal.code) == exitCode)
    }
  }

  @Test(
    "nodes that were told something else by the Key Managers are refused, with what each was told")
  func keyManagers() {
    let told = ["release a, key usable", "release a, key usable", "release b, no such key", nil]
    let agents = zip(Sample.names, told).map { name, told in
      FakeAgent(name, plan: .sample(name, keyManager: told))
    }
    let (code, host) = Sample.run("plan --settings kms.env", agents)
    #expect(code == .keyManagerRefused)
    #expect(
      host.errors.contains(
        "minio-[1-2]: release a, key usable; minio-3: release b, no such key; minio-4: nothing"))
  }

  @Test("why a node says no is said once, in the last line, unless another node's is said there")
  func saidOnce() {
    func refusing(_ name: String, _ message: String) -> FakeAgent {
      FakeAgent(name, plan: .sample(name, refusal: Refusal(.guarded, message)))
    }
    let alike = Sample.run("plan --settings kms.env", agents { refusing($0, "sealed") }).host
    #expect(alike.output.contains("  refused (key guard)\n"))
    #expect(alike.errors == "keyturn: error: nothing was touched: minio-[1-4]: sealed\n")
    let other = Sample.run(
      "plan --settings kms.env",
      agents { refusing($0, $0 == "minio-4" ? "no seal" : "sealed") }
    ).host
    #expect(other.output.contains("  refused (key guard): no seal\n"))
    #expect(other.errors.contains("minio-[1-3]: sealed (for minio-4 see above)\n"))
  }

  @Test("an unreachable node: exit 4, a row for every node, nothing touched")
  func unreachable() throws {
    let agents = agents(third: FakeAgent("minio-3", .unreachable))
    let (code, host) = Sample.run("apply --yes --json --settings kms.env", agents)
    #expect(code == .unreachable)
    let result = try result(host)
    #expect(result.exitCode == 4)
    #expect(result.nodes.map(\.name) == Sample.names)
    #expect(result.nodes.map(\.outcome) == ["untouched", "untouched", "unreachable", "untouched"])
    #expect(result.nodes[2].reason.contains("connection refused"))
    #expect(agents.allSatisfy { $0.restarts == 0 && !$0.isActive })
  }

  @Test("nodes that would run with other MINIO_* variables: exit 8, the variable named")
  func different() {
    let agents = agents(third: FakeAgent("minio-3", plan: .sample("minio-3", value: "b")))
    let (code, host) = Sample.run("plan --settings kms.env", agents)
    #expect(code == .voteRefused)
    #expect(
      host.errors.contains(
        "MINIO_KMS_SERVER differs: minio-[1-2,4] one value, minio-3 another"))
    #expect(!host.errors.contains("MINIO_VOLUMES"))
  }

  @Test(
    "nodes with different programs: exit 8 with releases and nodes; a new one everywhere is told in the plan"
  )
  func programs() {
    func programs(_ installed: String, _ running: String) -> ServerPrograms {
      func program(_ text: String) -> ServerProgram {
        ServerProgram(digest: .ofFields([text]), release: "RELEASE.\(text)")
      }
      return ServerPrograms(installed: program(installed), running: program(running))
    }
    func agent(_ name: String, _ installed: String) -> FakeAgent {
      var plan = PlanAnswer.sample(name)
      plan.programs = programs(installed, "a")
      return FakeAgent(name, plan: plan)
    }
    let agents = Sample.names.map { agent($0, $0 == "minio-3" ? "b" : "a") }
    for command in ["plan --settings kms.env", "restart --yes"] {
      let (code, host) = Sample.run(command, agents)
      #expect(code == .voteRefused)
      #expect(host.errors.contains("on minio-[1-2,4], RELEASE.b ("), "\(host.errors)")
    }
    #expect(agents.allSatisfy { $0.restarts == 0 && !$0.isActive })
    let upgraded = Sample.names.map { agent($0, "b") }
    let (code, host) = Sample.run("restart --yes", upgraded)
    #expect(code == .done)
    #expect(host.lines.contains("release RELEASE.a -> RELEASE.b on 4 nodes"), "\(host.lines)")
    #expect(upgraded.allSatisfy { $0.request?.program == .ofFields(["b"]) })
  }

  @Test("a mistyped variable: exit 5 with line and remedy, no node asked")
  func mistyped() {
    let (code, host) = Sample.run(
      "plan --settings typo.env", [], files: ["typo.env": "# x\nMINIO_KMS_SERVR=https://a:7373\n"])
    #expect(code == .validationRefused)
    #expect(host.errors.contains("line 2"))
    #expect(host.errors.contains("MINIO_KMS_SERVER"))
  }

  @Test(
    "the SSE key changed, emptied or given twice beside other errors: exit 6 where a node is sealed",
    arguments: [
      "MINIO_KMS_SSE_KEY=\n", "MINIO_KMS_SSE_KEY=primary-key\nMINIO_KMS_SSE_KEY=other\n",
      "MINIO_KMS_SSE_KEY=other\nMINIO_KMS_SERVR=x\n",
    ])
  func guarded(_ settings: String) {
    let sealed = agents(third: FakeAgent("minio-3", sealed: Sample.seal))
    let (code, host) = Sample.run(
      "apply --yes --settings bad.env", sealed, files: ["bad.env": settings])
    #expect(code == .guardRefused)
    #expect(host.errors.contains("primary-key"))
    #expect(sealed.allSatisfy { $0.restarts == 0 && !$0.isActive })
    let free = Sample.run(
      "apply --yes --settings bad.env", agents(), files: ["bad.env": settings])
    #expect(free.code == .validationRefused)
  }

  @Test("the sealed key named as it is does not turn another error into the guard's")
  func sameKey() {
    let sealed = agents { FakeAgent($0, sealed: Sample.seal) }
    let (code, _) = Sample.run(
      "plan --settings bad.env", sealed,
      files: ["bad.env": "MINIO_KMS_SSE_KEY=primary-key\nMINIO_KMS_SERVR=x\n"])
    #expect(code == .validationRefused)
  }

  @Test("the API key in two places, a variable set and removed: exit 5")
  func twice() {
    let files = ["key": Sample.apiKey + "\n"]
    #expect(
      Sample.run("plan --settings kms.env --api-key-file key", agents(), files: files).code
        == .validationRefused)
    #expect(
      Sample.run("plan --settings kms.env --unset MINIO_KMS_ENCLAVE", agents()).code
        == .validationRefused)
    #expect(Sample.run("plan --unset PATH", agents()).code == .validationRefused)
  }

  @Test(
    "a file without a setting, or without a key, is refused: what writes it may have failed",
    arguments: [
      "plan --settings empty", "apply --yes --settings comments", "plan --api-key-file empty",
    ])
  func empty(_ command: String) {
    let agents = agents()
    let (code, host) = Sample.run(
      command, agents, files: ["empty": "", "comments": "# MINIO_KMS_SSE_KEY=x\n\n"])
    #expect(code == .validationRefused)
    #expect(host.errors.contains("there is no"), "\(host.errors)")
    #expect(agents.allSatisfy { $0.restarts == 0 && $0.request == nil })
  }

  // MARK: apply and restart

  @Test("apply with --yes: every node confirmed, skew and recap printed, one line for each change")
  func apply() {
    let agents = agents()
    let (code, host) = Sample.run("apply --yes --settings kms.env", agents)
    #expect(code == .done)
    #expect(agents.map(\.restarts) == [1, 1, 1, 1])
    #expect(host.lines.contains("minio-2: confirmed"))
    #expect(host.errors.contains("keyturn: 4 of 4 starts confirmed\n"), "\(host.errors)")
    #expect(host.lines.contains("  in force  the new file, generation 1, on minio-[1-4]"))
    #expect(
      host.lines.contains { $0.hasPrefix("skew ") && $0.contains(" ms (restarts issued within ") })
  }

  @Test("the last JSON line is the result, keys sorted, one entry for each node")
  func json() throws {
    let (code, host) = Sample.run("restart --yes --json", agents())
    #expect(code == .done)
    let last = try #require(host.lines.last)
    #expect(last.hasPrefix(#"{"changed":true,"ending":{"inForce":["the files as they were, on"#))
    #expect(last.contains(#""message":"4 of 4 starts confirmed""#))
    #expect(
      last.contains(#","nodes":[{"name":"minio-1","outcome":"confirmed","reason":"""#))
    let result = try result(host)
    #expect(result.nodes.map(\.name) == Sample.names)
    #expect(result.skewMilliseconds != nil)
    #expect(host.lines.allSatisfy { $0.hasPrefix("{") && $0.contains(#""event":"#) })
    #expect(host.lines.allSatisfy { $0.contains(#""time":""#) })
    #expect(host.errors.isEmpty)
  }

  @Test("a fatal line is shown with its node, exit 9 where nothing is rolled back")
  func fatal() {
    let line = "FATAL Failed to connect to KMS"
    let (code, host) = Sample.run(
      "apply --yes --rollback never --settings kms.env",
      agents(third: FakeAgent("minio-3", .failsToStart(line))))
    #expect(code == .notConfirmed)
    #expect(host.lines.contains("minio-3: failed: \(line)"))
    #expect(host.errors.contains("3 of 4 starts confirmed, 1 not confirmed; the new files stay"))
  }

  @Test("no terminal and no --yes: exit 64; the wrong answer: exit 1; the cluster's name: on")
  func confirmation() {
    let first = agents()
    let (code, host) = Sample.run("restart", first)
    #expect(code == .usage)
    #expect(host.errors.contains("--yes"))
    #expect(Sample.run("restart", first, answer: "y").code == .failed)
    #expect(first.allSatisfy { $0.restarts == 0 && !$0.isActive })
    #expect(Sample.run("restart", agents(), answer: "prod").code == .done)
  }

  @Test("on a terminal the table is redrawn in place, without colours under NO_COLOR")
  func live() {
    let size = TerminalSize(columns: 100, rows: 24)
    let (_, colored) = Sample.run("restart --yes", agents(), terminal: size)
    #expect(colored.output.contains("\u{1B}[5A"))
    #expect(colored.output.contains("\u{1B}[32m"))
    let (_, plain) = Sample.run(
      "restart --yes", agents(), terminal: size, variables: ["NO_COLOR": "1"])
    #expect(!plain.output.contains("\u{1B}[32m"))
    let (_, dumb) = Sample.run(
      "restart --yes", agents(), terminal: size, variables: ["TERM": "dumb"])
    #expect(!dumb.output.contains("\u{1B}"))
  }

  @Test("what could not be written to standard output makes a command that went well fail")
  func fullDisk() {
    let full = "write: No space left on device"
    for command in ["status", "help", "--version", "status --json"] {
      let (code, host) = Sample.run(command, agents(), outputFailure: full)
      #expect(code == .failed && host.errors.hasSuffix("standard output: \(full)\n"), "\(command)")
    }
    #expect(Sample.run("restart", agents(), outputFailure: full).code == .usage)
  }

  @Test("what a plan adds is green and what it takes away red, on a terminal with colours only")
  func coloredPlan() {
    let agents = agents {
      FakeAgent($0, plan: .sample($0, difference: ["+MINIO_A=1", "-MINIO_B=2"]))
    }
    let size = TerminalSize(columns: 100, rows: 24)
    let colored = Sample.run("plan --settings kms.env", agents, terminal: size).host.output
    #expect(colored.contains("\u{1B}[32m    +MINIO_A=1\u{1B}[0m"), "\(colored)")
    #expect(colored.contains("\u{1B}[31m    -MINIO_B=2\u{1B}[0m"))
    for host in [
      Sample.run("plan --settings kms.env", agents).host,
      Sample.run("plan --settings kms.env --no-color", agents, terminal: size).host,
    ] {
      #expect(host.output.contains("    +MINIO_A=1\n") && !host.output.contains("\u{1B}"))
    }
  }

  @Test("without a command the commands are listed, exit 64")
  func bare() {
    let (code, host) = Sample.run("", [])
    #expect(code == .usage && host.output.isEmpty)
    #expect(host.errors.contains("\n  apply ") && host.errors.contains("A command is missing."))
  }

  @Test("JSON that cannot be read is told with line and column")
  func brokenInventory() {
    for (text, place) in [
      ("{\n  \"cluster\": \"prod\",\n  \"nodes\": [}\n}", "line 3, column 13: unexpected \"}\""),
      ("{\"cluster\": \"prod\"", "line 1, column 19: unexpected end"),
      (" ", "line 1, column 2: unexpected end"),
      ("{\"cluster\": prod}", "line 1, column 13: unexpected \"p\""),
    ] {
      let (code, host) = Sample.run("status", [], files: ["./inventory.json": text])
      #expect(code == .badConfiguration)
      #expect(
        host.errors.contains("./inventory.json is not an inventory: not JSON: \(place)"),
        "\(host.errors)")
    }
  }

  @Test("an inventory that a shell has emptied is told as such")
  func emptiedInventory() {
    let (code, host) = Sample.run("inventory show", [], files: ["./inventory.json": ""])
    #expect(code == .badConfiguration)
    #expect(host.errors.contains("./inventory.json is empty: a shell empties the file"))
  }

  @Test("the table of a rollout stands once on the screen when it is over, the last words below it")
  func onceOnScreen() throws {
    let size = TerminalSize(columns: 80, rows: 24)
    for agents in [agents(), agents(third: FakeAgent("minio-3", .failsToStart("FATAL x")))] {
      for command in ["restart --yes", "apply --yes --settings kms.env --rollback never"] {
        let host = Sample.run(command, agents, terminal: size).host
        let screen = Screen(host.output)
        for name in Sample.names {
          #expect(screen.lines.count { $0.hasPrefix("\(name)  ") } == 1, "\(screen.lines)")
        }
        let table = try #require(screen.lines.firstIndex { $0.hasPrefix("NODE ") })
        let end = try #require(screen.lines.firstIndex { $0.hasPrefix("  in force") })
        #expect(screen.lines.count { $0.hasPrefix("NODE ") } == 1 && table < end)
      }
    }
  }

  @Test("that encryption cannot be undone is said, also where nothing is asked")
  func irreversible() {
    let enabling = agents {
      FakeAgent($0, plan: .sample($0, key: KeyIdentity(name: "primary-key", enclave: "tenant-1")))
    }
    for command in ["apply --yes --settings kms.env", "apply --settings kms.env"] {
      let host = Sample.run(command, enabling, answer: "no").host
      #expect(host.errors.contains("enables encryption and cannot be undone"), "\(host.errors)")
    }
  }

  @Test("a node's own certificate is recognised: exit 77, whose it is and what to use")
  func nodeCertificate() {
    let agents = agents()
    for command in ["plan --settings kms.env", "apply --yes --settings kms.env", "restart --yes"] {
      let (code, host) = Sample.run(command, agents, role: .node, name: "minio-2")
      #expect(code == .notPermitted)
      #expect(host.errors.contains("node minio-2's own"), "\(host.errors)")
      #expect(agents.allSatisfy { $0.calls == 0 })
    }
  }

  @Test(
    "the API key is in no output",
    arguments: [
      "plan --settings kms.env", "plan --settings kms.env --json", "apply --yes --settings kms.env",
      "apply --yes --settings kms.env --json", "plan --api-key-file bad",
      "plan --settings twice.env", "lint kms.env", "lint kms.env --json", "lint quote.env --json",
      "plan --settings quote.env", "lint quote.env",
    ])
  func secret(_ arguments: String) {
    let key = Sample.apiKey
    let (_, host) = Sample.run(
      arguments, agents { FakeAgent($0, sealed: Sample.seal) },
      files: [
        "bad": "\(key)\n\(key)\n",
        "twice.env": "MINIO_KMS_API_KEY=\(key)\nMINIO_KMS_API_KEY=x\(key)\n",
        "quote.env": "MINIO_VOLUMES=\"http://a\nMINIO_KMS_API_KEY=\(key)\nMINIO_OPTS=\"\n",
      ])
    let body = key.dropFirst(3)
    #expect(!host.output.contains(body) && !host.errors.contains(body))
    #expect(!host.output.isEmpty || !host.errors.isEmpty)
  }

  // MARK: configuration

  @Test(
    "no inventory, a bad one, a key that others can read, another cluster's certificate: exit 78")
  func configuration() {
    #expect(Sample.run("status --inventory none.json", []).code == .badConfiguration)
    #expect(
      Sample.run("status", [], files: ["./inventory.json": "{\"cluster\": \"prod\"}"]).code
        == .badConfiguration)
    let (code, host) = Sample.run("status", [], mode: 0o640)
    #expect(code == .badConfiguration)
    #expect(host.errors.contains("chmod 600"))
    #expect(Sample.run("status", [], cluster: "other").code == .badConfiguration)
    #expect(
      Sample.run("status", [], variables: ["KEYTURN_CREDENTIALS": "/nowhere"]).code
        == .badConfiguration)
  }

  // MARK: status, check, lint

  @Test("a field that an inventory does not have is a warning with what was perhaps meant")
  func ignoredField() throws {
    let inventory = try #require(Sample.files["./inventory.json"])
      .replacing("\"cluster\"", with: "\"rolback\": \"never\", \"cluster\"")
    let (code, host) = Sample.run("status", agents(), files: ["./inventory.json": inventory])
    #expect(code == .done)
    #expect(
      host.errors
        == "keyturn: warning: ./inventory.json: rolback is not a field of an inventory and is ignored; did you mean rollback?\n"
    )
    #expect(Sample.run("status", agents()).host.errors.isEmpty)
    let word = inventory.replacing("rolback", with: "rollback").replacing("never", with: "nver")
    let bad = Sample.run("status", agents(), files: ["./inventory.json": word])
    #expect(bad.code == .badConfiguration)
    #expect(
      bad.host.errors.contains("rollback: is none of when-safe, never"), "\(bad.host.errors)")
  }

  @Test("a variable to be removed that MinIO does not know is a warning")
  func unsetUnknown() {
    let host = Sample.run("plan --unset MINIO_KMS_REPLICATE_KEYD", agents()).host
    #expect(host.errors.contains("did you mean MINIO_KMS_REPLICATE_KEYID?"), "\(host.errors)")
    let known = Sample.run("plan --unset MINIO_KMS_REPLICATE_KEYID", agents()).host
    #expect(!known.errors.contains("did you mean"))
  }

  @Test("on a terminal that is too narrow, what all nodes have alike stands above the table, once")
  func narrow() {
    let sealed = agents { FakeAgent($0, sealed: Sample.seal) }
    let narrow = Sample.run("status", sealed, terminal: TerminalSize(columns: 79, rows: 24)).host
    #expect(
      narrow.lines.prefix(3) == [
        "SSE KEY     primary-key (sealed)", "GENERATION  -", "ROLLOUT     -",
      ])
    #expect(
      narrow.lines[3].split(separator: " ").joined(separator: " ") == "NODE UNIT KEY MANAGERS DRIFT"
    )
    #expect(narrow.lines.allSatisfy { $0.count < 80 })
    let wide = Sample.run("status", sealed, terminal: TerminalSize(columns: 200, rows: 24)).host
    #expect(wide.lines[0].contains("SSE KEY") && wide.lines.count == 5)
    let three = agents { FakeAgent($0, sealed: $0 == "minio-4" ? nil : Sample.seal) }
    let other = Sample.run("status", three, terminal: TerminalSize(columns: 79, rows: 24)).host
    #expect(other.output.contains("primary-key (sealed)  "))
  }

  @Test("status has a row for each node; one unreachable is exit 3")
  func status() {
    let (code, host) = Sample.run("status", agents { FakeAgent($0, sealed: Sample.seal) })
    #expect(code == .done)
    #expect(host.lines.count == 5)
    #expect(host.lines[1].contains("primary-key (sealed)"))
    let (other, rows) = Sample.run("status", agents(third: FakeAgent("minio-3", .unreachable)))
    #expect(other == .unknown)
    #expect(rows.lines[3] == "minio-3  unreachable")
  }

  @Test("check: a stage that fails is exit 1 with node, endpoint and stage; unreachable is 3")
  func check() {
    let failed = CheckAnswer(
      node: "minio-3", endpoints: [.sample(.failed)], drift: Drift(), findings: [])
    let (code, host) = Sample.run("check", agents(third: FakeAgent("minio-3", check: failed)))
    #expect(code == .failed)
    #expect(host.errors.contains("minio-3: kms-1:7373: tls failed: the certificate has expired"))
    #expect(Sample.run("check", agents()).code == .done)
    #expect(
      Sample.run("check", agents(third: FakeAgent("minio-3", .unreachable))).code == .unknown)
  }

  @Test("drift is shown; only --strict makes it exit 1")
  func drift() {
    let answer = CheckAnswer(
      node: "minio-3", endpoints: [], drift: Drift(fileChanged: true), findings: [])
    let agents = agents(third: FakeAgent("minio-3", check: answer))
    let (code, host) = Sample.run("check", agents)
    #expect(code == .done)
    #expect(host.output.contains("warning: drift: the environment file has changed"))
    #expect(host.lines.last == "4 nodes: nothing is wrong now, but look at minio-3")
    #expect(Sample.run("check --strict", agents).code == .failed)
  }

  @Test("lint: exit 5 on an error, with --strict on a warning; --json prints one object")
  func lint() {
    let files = [
      "good.env": Sample.settings, "bad.env": "MINIO_KMS_SERVER=https://a:7373\n",
      "port.env": Sample.settings.replacing("kms-2.example.net:7373", with: "kms-2.example.net"),
    ]
    #expect(Sample.run("lint good.env", [], files: files).code == .done)
    #expect(Sample.run("lint bad.env", [], files: files).code == .validationRefused)
    #expect(Sample.run("lint port.env", [], files: files).code == .done)
    #expect(Sample.run("lint port.env --strict", [], files: files).code == .validationRefused)
    #expect(Sample.run("lint none.env", [], files: files).code == .failed)
    let (_, host) = Sample.run("lint good.env --json", [], files: files)
    #expect(host.lines.count == 1)
    #expect(host.output.contains(#""loadable":{"minio":true,"systemd":true}"#))
    #expect(
      host.output.contains(
        #"{"line":4,"minio":"<redacted>","name":"MINIO_KMS_API_KEY","systemd":"<redacted>"}"#))
    let (_, open) = Sample.run("lint good.env --json --show-secrets", [], files: files)
    #expect(open.output.contains(Sample.apiKey))
  }

  @Test(
    "pki refuses what cannot be in a certificate",
    arguments: [
      ("pki init --cluster a/b", ExitCode.usage), ("pki init --cluster prod", .done),
      ("pki issue --role admin --name a", .usage), ("pki issue --role operator --name a", .done),
      ("pki issue --role node --name a", .usage),
      ("pki issue --role node --name a --address b", .done),
      ("pki issue --role operator --name a --days 0", .usage),
    ])
  func pki(_ arguments: String, _ code: ExitCode) {
    #expect(Sample.run(arguments, []).code == code)
  }
}
