// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import HTTP
import JSONCoding
import Model
@testable import Operator
import Rollout
import Secrets
import Testing
import Threads

@Suite("apply after the commit, and watch", .timeLimit(.minutes(1)))
struct AfterCommitTests {
  private func agents(
    _ fault: FakeAgent.Fault, alwaysFails: Bool = false, undoRefusal: Refusal? = nil
  ) -> [FakeAgent] {
    Sample.names.map { name in
      FakeAgent(
        name, name == "minio-4" ? fault : .none, alwaysFails: alwaysFails, undoRefusal: undoRefusal)
    }
  }

  @Test("a start that fails is rolled back on all nodes: exit 10, and every node is told")
  func rolledBack() throws {
    let agents = agents(.failsToStart("FATAL x"))
    let (code, host) = Sample.run("apply --yes --settings kms.env", agents)
    #expect(code == .rolledBack, "\(host.output)\(host.errors)")
    #expect(agents.map(\.restarts) == [2, 2, 2, 2])
    let requests = agents.compactMap(\.request?.rollout)
    #expect(requests.allSatisfy { $0.kind == .rollback && $0.undoes != nil })
    #expect(agents.allSatisfy { $0.rolloutResult?.kind == .confirmed })
    #expect(host.errors.contains("rolled back: your change is NOT in force"), "\(host.errors)")
    #expect(host.output.contains("the files from before rollout"), "\(host.output)")
    #expect(host.output.contains("minio-4: failed: FATAL x"), "\(host.output)")
  }

  @Test("a start that has failed is enough: the others are not waited for, and are no cause")
  func brokenOff() {
    let agents = Sample.names.map { name in
      FakeAgent(name, name == "minio-4" ? .failsToStart("FATAL x") : .startsForLong)
    }
    let (code, host) = Sample.run("apply --yes --settings kms.env", agents)
    #expect(code == .rolledBack, "\(host.output)\(host.errors)")
    #expect(agents.map { $0.brokenOff.withLock { $0 } } == [1, 1, 1, 0])
    #expect(host.output.contains("minio-4: failed: FATAL x"), "\(host.output)")
    #expect(
      host.output.contains("minio-[1-3]: not watched to the end, since that was enough"),
      "\(host.output)")
  }

  @Test("a note goes with the rollout, and is refused before anything is asked")
  func note() {
    let agents = agents(.none)
    #expect(Sample.run("apply --yes -m CHG-123 --settings kms.env", agents).code == .done)
    #expect(agents.allSatisfy { $0.request?.rollout.occasion?.note == "CHG-123" })
    let fresh = self.agents(.none)
    #expect(Sample.run("restart --yes", fresh).code == .done)
    #expect(fresh.allSatisfy { $0.request?.rollout.occasion == nil })
    let long = self.agents(.none)
    let (code, host) = Sample.run(
      "restart --yes --note \(String(repeating: "n", count: 201))", long)
    #expect(code == .usage && host.errors.contains("201 bytes, 200 are allowed"), "\(host.errors)")
    #expect(long.allSatisfy { $0.calls == 0 })
  }

  @Test("a rollback that does not start either is exit 11")
  func unhealthy() {
    let agents = agents(.failsToStart("FATAL x"), alwaysFails: true)
    #expect(Sample.run("apply --yes --settings kms.env", agents).code == .rolledBackUnhealthy)
    #expect(agents.allSatisfy { $0.rolloutResult?.kind == .held })
  }

  @Test("never, by option or inventory, holds everything: exit 9, and says why")
  func never() {
    for (option, inventory) in [(" --rollback never", ""), ("", #", "rollback": "never""#)] {
      let agents = agents(.failsToStart("FATAL x"))
      let files = [
        "./inventory.json": Sample.files["./inventory.json"]?.replacing(
          #""cluster": "prod""#, with: #""cluster": "prod"\#(inventory)"#) ?? ""
      ]
      let (code, host) = Sample.run(
        "apply --yes --settings kms.env\(option)", agents, files: files)
      #expect(code == .notConfirmed, "\(host.errors)")
      #expect(agents.map(\.restarts) == [1, 1, 1, 1])
      #expect(host.errors.contains("the new files stay"), "\(host.errors)")
      let reason = "not rolled back: the rollback policy of this rollout is \"never\""
      #expect(host.output.contains(reason), "\(host.output)")
      #expect(agents.allSatisfy { $0.rolloutResult?.kind == .held })
    }
  }

  @Test("a node that would not take its file back holds everything")
  func refused() {
    let agents = agents(
      .failsToStart("FATAL x"), undoRefusal: Refusal(.guarded, "the key is sealed"))
    let (code, host) = Sample.run("apply --yes --settings kms.env", agents)
    #expect(code == .notConfirmed)
    #expect(host.output.contains("the key is sealed"), "\(host.output)")
    #expect(agents.map(\.restarts) == [1, 1, 1, 1])
  }

  @Test("a policy that there is not is a wrong command line")
  func usage() {
    let (code, host) = Sample.run("apply --yes --settings kms.env --rollback soon", agents(.none))
    #expect(
      code == .usage && host.errors.contains("--rollback soon is none of when-safe, never"))
  }

  @Test("watch ends as the rollout does: 0 confirmed, 9 held, and 1 where nobody knows it")
  func watch() throws {
    let good = agents(.none)
    #expect(Sample.run("apply --yes --settings kms.env", good).code == .done)
    let id = try #require(good[0].request?.rollout.id)
    #expect(Sample.run("watch \(id)", good).code == .done)
    #expect(Sample.run("watch", good).code == .done)

    let held = agents(.failsToStart("FATAL x"))
    #expect(
      Sample.run("apply --yes --settings kms.env --rollback never", held).code == .notConfirmed)
    let (code, host) = Sample.run("watch", held)
    #expect(code == .notConfirmed && host.output.contains("not rolled back"), "\(host.output)")
    let fresh = agents(.none)
    #expect(Sample.run("watch", fresh).code == .done)
  }

  @Test("watch of one that was aborted before all were asked: exit 8, nobody is unknown")
  func abortedEarly() {
    let aborted = RolloutView(
      id: "aa", events: [], report: nil, outcome: Outcome(.aborted, "the coordinator went away"))
    let agents = Sample.names.map { name in
      FakeAgent(name, kept: [name == "minio-4" ? .sample("old", shift: 0) : aborted])
    }
    let (code, host) = Sample.run("watch aa", agents)
    #expect(code == .voteRefused, "\(host.output)\(host.errors)")
    #expect(host.errors.contains("nothing was touched: rollout aa was aborted"))
    #expect(host.output.contains("no file was replaced, no server restarted"), "\(host.output)")
  }

  @Test("watch of a rollout that nobody knows says so once: exit 5")
  func unknown() {
    let agents = Sample.names.map { FakeAgent($0, kept: [.sample("old", shift: 0)]) }
    let (code, host) = Sample.run("watch aa", agents)
    #expect(code == .validationRefused)
    #expect(host.errors == "keyturn: error: no node knows rollout aa; each keeps its last 20\n")
  }

  @Test("the last lines name the nodes that were not confirmed, and why")
  func namedAtTheEnd() {
    let (_, host) = Sample.run(
      "apply --yes --settings kms.env --rollback never", agents(.failsToStart("FATAL x")))
    let why = host.lines.first { $0.hasPrefix("  why ") }
    #expect(why == "  why       minio-4: failed: FATAL x", "\(host.output)")
    #expect(host.lines.contains { $0.hasPrefix("  in force  the new file") })
    #expect(host.lines.contains { $0.contains("keyturn logs --rollout ") })
  }

  @Test("a failed start keeps its kind, phase and pattern from the agent's answer to the JSON")
  func failure() throws {
    let agents = agents(.failsToStart("FATAL x"))
    let links = agents.map { WireLink(agent: $0) { $0 } }
    let whole =
      #""failure":{"kind":"fatalLine","patternID":"kms-refused","phase":"starting","reason":"FATAL x"}"#
    let apply = Sample.run("apply --yes --settings kms.env --rollback never --json", over: links)
    let id = try #require(agents[0].request?.rollout.id)
    for host in [
      apply.host, Sample.run("watch \(id) --json", over: links).host,
      Sample.run("show \(id) --json", over: links).host,
    ] { #expect(host.lines.last?.contains(whole) == true, "\(host.output)\(host.errors)") }
  }

  // MARK: joining

  private func busy(_ other: Bool) -> [FakeAgent] {
    Sample.names.map { name in
      var plan = PlanAnswer.sample(name)
      let rollout = Rollout(
        id: "00000000000000aa", epoch: 3, kind: .apply, cluster: "prod", generation: 1, seal: nil,
        contents: Sample.names.map {
          MemberContent(
            member: $0, incarnation: .sample, path: "/etc/default/minio", before: nil,
            after: .ofFields([other ? "other" : "new"]))
        },
        createdBy: "bob", prepareMilliseconds: 1, stopMilliseconds: 1, startMilliseconds: 1)
      plan.activeRollout = rollout.id
      plan.active = ActiveSummary(rollout, sinceMicroseconds: 1_800_000_000_000_000)
      return FakeAgent(name, plan: plan)
    }
  }

  @Test("another rollout is under way: exit 75, and whose it is and since when")
  func holder() {
    let (code, host) = Sample.run("apply --yes --settings kms.env", busy(true))
    #expect(code == .busy)
    #expect(
      host.errors.contains("rollout 00000000000000aa (apply by bob, since 08:00:00 UTC)"),
      "\(host.errors)")
  }

  @Test("the same rollout is under way: it is joined, and nobody is asked for a vote")
  func joins() {
    let agents = busy(false)
    // It ended confirmed everywhere meanwhile.
    for agent in agents {
      let rollout = Rollout(
        id: "00000000000000aa", epoch: 4, kind: .apply, cluster: "prod", generation: 1, seal: nil,
        contents: Sample.names.map {
          MemberContent(
            member: $0, incarnation: .sample, path: "/etc/default/minio",
            before: .ofFields(["old"]),
            after: .ofFields(["new"]))
        },
        createdBy: "bob", prepareMilliseconds: 1_000, stopMilliseconds: 1_000,
        startMilliseconds: 1_000)
      agent.take(.prepare(rollout))
      agent.take(
        .decided(rollout.key(for: "minio-1"), .commit, instant: nil, bootID: "", reason: ""))
    }
    let (code, host) = Sample.run("apply --yes --settings kms.env", agents)
    #expect(code == .done, "\(host.output)\(host.errors)")
    #expect(host.errors.contains("the same is under way already"))
    #expect(agents.allSatisfy { $0.request == nil && $0.restarts == 1 })
  }
}

@Suite("propose and proposals", .timeLimit(.minutes(1)))
struct ProposeTests {
  private let proposal = Digest.ofFields(["proposal"])

  private func view(
    _ phase: ProposalPhase, rollout: String? = nil, missing: [String] = [], refusal: Refusal? = nil,
    results: [RolloutResult] = [], isChanged: Bool = false, digest: Digest? = nil
  ) -> HTTPResponse {
    let statement = MemberProposal(
      serial: 1, digest: digest ?? proposal, isInForce: phase == .inForce)
    return .json(
      200,
      ProposalsView(
        node: "minio-1", own: statement, phase: phase,
        rows: Sample.names.map {
          ProposalRow(member: $0, statement: missing.contains($0) ? nil : statement)
        }, rollout: rollout, refusal: refusal, results: results, isChanged: isChanged))
  }

  private func run(
    _ arguments: String, _ answers: [HTTPResponse]
  ) -> (code: ExitCode, host: FakeCommandHost, local: FakeLocalAgent) {
    let local = FakeLocalAgent(answers)
    let (code, host) = Sample.run(arguments, [], local: local)
    #expect(!(host.output + host.errors).contains(Sample.apiKey))
    return (code, host, local)
  }

  @Test("it returns at once, says who is missing, and whether anything was changed")
  func atOnce() throws {
    let (code, host, local) = run(
      "propose --settings kms.env --json",
      [view(.waiting, missing: ["minio-3", "minio-4"], isChanged: true)])
    #expect(code == .done)
    #expect(host.lines.last?.contains(#""changed":true"#) == true, "\(host.output)")
    #expect(host.output.contains(#""missing":["minio-3","minio-4"]"#))
    let body = try #require(local.requests.withLock { $0.first?.body })
    let request = try JSON.decode(RolloutRequest.self, from: body)
    #expect(request.changes.map(\.name).contains("MINIO_KMS_API_KEY"))
    let text = run("propose --settings kms.env", [view(.waiting, missing: ["minio-4"])]).host
    #expect(text.output.contains("not yet on minio-4"))
  }

  @Test("each result says in one sentence what it came to, and whether anything was changed")
  func sentence() {
    for (answers, code) in [
      ([view(.inForce)], ExitCode.done), ([view(.waiting, isChanged: true)], .done),
      ([HTTPResponse.refusal(400, .guarded, "the key is sealed")], .guardRefused),
      ([], .unreachable),
    ] {
      for arguments in ["propose --settings kms.env --json", "propose --withdraw --json"] {
        let run = run(arguments, answers)
        let last = run.host.lines.last ?? ""
        #expect(last.contains(#""changed":"#) && last.contains(#""message":""#), "\(last)")
        if code != .done { #expect(last.contains(#""changed":false"#) && run.code == code) }
      }
    }
    let refused = run(
      "propose --settings kms.env --json",
      [HTTPResponse.refusal(400, .guarded, "the key is sealed")])
    #expect(
      refused.host.lines.last?.contains(#""message":"nothing was proposed: the key is sealed""#)
        == true)
  }

  @Test("--check says what it would do: 0, 2 with the difference, or the no's own code")
  func check() {
    func answer(
      held: Bool = false, inForce: Bool = false, refusal: Refusal? = nil,
      failure: ProposalFailure? = nil, obstacle: Refusal? = nil
    ) -> HTTPResponse {
      .json(
        200,
        ProposalCheck(
          node: "minio-1", digest: proposal, isHeld: held, isInForce: inForce, refusal: refusal,
          failure: failure, path: "/etc/default/minio",
          difference: inForce ? [] : ["+MINIO_SITE_NAME=x"], restartReason: "it has none",
          obstacle: obstacle))
    }
    let failure = ProposalFailure(
      digest: proposal, rollout: "0011223344556677", ending: .rolledBack, reason: "fatal")
    let rows: [(HTTPResponse, ExitCode, String)] = [
      (answer(), .changesPending, "would be proposed on minio-1; restart needed: it has none"),
      (answer(held: true), .done, "already proposed"),
      (answer(held: true, inForce: true), .done, "already in force"),
      (
        answer(obstacle: Refusal(.keyManager, "refused")), .changesPending, "would not get its vote"
      ),
      (answer(refusal: Refusal(.guarded, "sealed")), .guardRefused, "would be refused on minio-1"),
      (answer(failure: failure), .rolledBack, "nothing would be proposed on minio-1"),
    ]
    for (response, code, words) in rows {
      let run = run("propose --check --settings kms.env", [response])
      #expect(run.code == code)
      #expect((run.host.output + run.host.errors).contains(words), "\(run.host.output)")
      #expect(run.local.requests.withLock { $0.map(\.path) } == ["/v1/proposal/check"])
    }
    let json = run("propose --check --settings kms.env --json", [answer()]).host
    #expect(json.lines.last?.contains(#""changed":false"#) == true)
    #expect(json.output.contains(#""difference":["+MINIO_SITE_NAME=x"]"#), "\(json.output)")
    #expect(run("propose --check --withdraw", [view(.waiting)]).code == .changesPending)
    #expect(run("propose --check --wait --settings kms.env", []).code == .usage)
  }

  @Test("what is in force is said so, exit 0, nothing changed")
  func inForce() {
    let (code, host, _) = run("propose --settings kms.env --json", [view(.inForce)])
    #expect(code == .done)
    #expect(host.output.contains(#""outcome":"inForce""#))
    #expect(host.output.contains(#""changed":false"#))
  }

  @Test("--wait ends with the rollout: 0, the no's own code, 9, 10, 11, and 75 when time is up")
  func waits() {
    func settled(_ kind: RolloutResult.Kind, back: RolloutResult.Kind? = nil) -> HTTPResponse {
      var all = [
        RolloutResult(rollout: "r1", kind: kind, rollback: back == nil ? nil : "r2", by: "a")
      ]
      if let back { all.append(RolloutResult(rollout: "r2", kind: back, by: "a")) }
      return view(.inForce, rollout: "r1", results: all)
    }
    let rolling = view(.rollingOut, rollout: "r1")
    let cases: [([HTTPResponse], ExitCode)] = [
      ([rolling, settled(.confirmed)], .done), ([settled(.held)], .notConfirmed),
      ([settled(.rollingBack, back: .confirmed)], .rolledBack),
      ([settled(.rollingBack, back: .held)], .rolledBackUnhealthy),
      ([view(.refused, refusal: Refusal(.keyManager, "no"))], .keyManagerRefused),
      ([view(.waiting, missing: ["minio-2"])], .busy), ([view(.inForce)], .done),
    ]
    let commands = [
      "propose --settings kms.env --wait --timeout 2",
      // What is proposed already, without settings, inventory or certificate.
      "proposals --wait --timeout 2 --inventory /none --credentials /none",
    ]
    for (command, (answers, code)) in commands.flatMap({ name in cases.map { (name, $0) } }) {
      let run = run(command, answers)
      #expect(run.code == code, "\(command): \(run.host.output)\(run.host.errors)")
      if ![.done, .busy].contains(code) {
        #expect(run.host.output.contains("  in force  "), "\(run.host.output)")
        #expect(run.host.output.contains("  next "), "\(run.host.output)")
      }
      let isBack = [.rolledBack, .rolledBackUnhealthy].contains(code)
      #expect(run.host.errors.contains("NOT in force") == isBack, "\(run.host.errors)")
    }
  }

  @Test(
    "proposals --wait says where nothing is proposed, and with the code of it what failed before")
  func waitsForOwn() {
    let none = view(.none)
    let nothing = run("proposals --wait --json", [none])
    #expect(nothing.code == .failed)
    #expect(nothing.host.output.contains("nothing is proposed on minio-1"))
    #expect(run("proposals --wait", [none]).host.errors.contains("keyturn propose --settings"))
    #expect(nothing.local.requests.withLock { $0.map(\.method) } == ["GET"])
    for (ending, code) in [
      (ProposalFailure.Ending.notConfirmed, ExitCode.notConfirmed), (.rolledBack, .rolledBack),
      (.rolledBackUnhealthy, .rolledBackUnhealthy),
    ] {
      let failed = ProposalsView(
        node: "minio-1", own: MemberProposal(serial: 2, digest: nil), phase: .notConfirmed,
        rows: [], rollout: "r1", refusal: nil,
        failure: ProposalFailure(digest: proposal, rollout: "r1", ending: ending, reason: "no"))
      let (red, host, _) = run("proposals --wait", [.json(200, failed)])
      #expect(red == code && host.errors.contains("keyturn proposals --retry"), "\(host.errors)")
    }
    #expect(run("proposals --wait", []).code == .unreachable)
    for arguments in [
      "proposals --wait --retry 4f1c9a02", "proposals --timeout 5", "proposals --socket /s",
      "proposals --wait --timeout 0",
    ] { #expect(run(arguments, [none]).code == .usage, "\(arguments)") }
  }

  @Test("what the agent refuses, no agent, wrong settings and a wrong command line touch nothing")
  func refused() {
    let no = HTTPResponse.refusal(400, .guarded, "the key is sealed")
    #expect(run("propose --settings kms.env", [no]).code == .guardRefused)
    #expect(run("propose --settings kms.env", []).code == .unreachable)
    for arguments in [
      "propose", "propose --withdraw --wait", "propose --settings kms.env --timeout 0",
    ] { #expect(run(arguments, []).code == .usage, "\(arguments)") }
    #expect(
      run("propose --withdraw", [view(.none, isChanged: true)]).host.output
        .contains("withdrawn"))
  }

  @Test(
    "--wait says that nothing changed for what is in force, also when the rollout of it is known")
  func waitsForNothing() {
    let settled = [RolloutResult(rollout: "r1", kind: .confirmed, by: "a")]
    // What was proposed before and rolled out; and one that is found in force while it is waited for.
    let known = view(.inForce, rollout: "r1", results: settled)
    for answers in [[known], [view(.inForce)], [view(.waiting, results: settled), known]] {
      for _ in 0..<2 {
        let (code, host, _) = run("propose --settings kms.env --wait --json", answers)
        let last = host.lines.last ?? ""
        #expect(code == .done)
        #expect(
          last.contains(#""outcome":"inForce""#) && last.contains(#""changed":false"#), "\(last)")
      }
    }
    let (_, host, _) = run(
      "propose --settings kms.env --wait --json",
      [
        view(.waiting, isChanged: true), view(.rollingOut, rollout: "r2"),
        view(
          .inForce, rollout: "r2",
          results: [RolloutResult(rollout: "r2", kind: .confirmed, by: "a")]),
      ])
    #expect(host.lines.last?.contains(#""outcome":"confirmed""#) == true, "\(host.output)")
    // Where it stands is told at the beginning and at the end.
    let told = host.lines.filter { $0.contains(#""event":"proposal""#) }
    #expect(told.count == 2, "\(told)")
    #expect(
      told.last?.contains(#""phase":"inForce""#) == true
        && told.last?.contains(#""rollout":"r2""#) == true
        && told.last?.contains(#""changed":true"#) == true, "\(told)")
    #expect(host.lines.last?.contains(#""changed":true"#) == true, "\(host.output)")
  }

  @Test(
    "settings that were not confirmed end each run with the code and the reason of that",
    arguments: zip(
      ProposalFailure.Ending.allCases,
      [ExitCode.notConfirmed, .rolledBack, .rolledBackUnhealthy]))
  func failedBefore(ending: ProposalFailure.Ending, code: ExitCode) throws {
    let statement = MemberProposal(serial: 3, digest: nil)
    let failure = ProposalFailure(
      digest: proposal, rollout: "r1", ending: ending, reason: "minio-2: failed: FATAL x")
    let answer = HTTPResponse.json(
      200,
      ProposalsView(
        node: "minio-1", own: statement, phase: .notConfirmed,
        rows: Sample.names.map { ProposalRow(member: $0, statement: nil) }, rollout: "r1",
        refusal: nil, failure: failure))
    for arguments in ["propose --settings kms.env", "propose --settings kms.env --wait"] {
      for _ in 0..<2 {
        let run = run(arguments, [answer])
        #expect(run.code == code)
        #expect(
          run.host.errors.contains("FATAL x") && run.host.errors.contains("--retry"),
          "\(run.host.errors)")
      }
    }
    let json = run("propose --settings kms.env --json", [answer]).host.lines.last ?? ""
    #expect(
      json.contains(#""changed":false"#) && json.contains(#""outcome":"notConfirmed""#), "\(json)")
    // Nobody is waited for.
    let said = run("propose --settings kms.env --json", [answer]).host.output
    #expect(said.contains(#""missing":[]"#) && said.contains(#""differing":[]"#), "\(said)")
    #expect(run("propose --check --withdraw", [answer]).code == .changesPending)
  }

  @Test("proposals --retry has every node take settings again, and says where none were refused")
  func retry() {
    func agents(_ isChanged: Bool) -> [FakeAgent] {
      Sample.names.map { name in
        FakeAgent(
          name,
          proposals: ProposalsView(
            node: name, own: MemberProposal(serial: 1, digest: nil), phase: .none, rows: [],
            rollout: nil, refusal: nil, isChanged: isChanged))
      }
    }
    let (code, host) = Sample.run("proposals --retry 4f1c9a02b7d3", agents(true))
    #expect(code == .done && host.output.contains("taken again on minio-[1-4]"), "\(host.output)")
    #expect(Sample.run("proposals --retry 4f1c9a02b7d3", agents(false)).code == .validationRefused)
    #expect(Sample.run("proposals --retry 4f1c9a0", agents(true)).code == .usage)
    #expect(Sample.run("proposals --retry 4F1C9A02", agents(true)).code == .usage)
    let (some, away) = Sample.run("proposals --retry 4f1c9a02", Array(agents(true).dropLast()))
    #expect(some == .unknown && away.errors.contains("minio-4"), "\(away.errors)")
  }

  @Test("proposals approve tells every node the whole digest, which one at least proposes")
  func approve() {
    func agents() -> [FakeAgent] {
      Sample.names.map { name in
        FakeAgent(
          name,
          proposals: ProposalsView(
            node: name, own: MemberProposal(serial: 1, digest: name == "minio-4" ? nil : proposal),
            phase: .unapproved, rows: [], rollout: nil, refusal: nil, isChanged: true))
      }
    }
    let (all, digits) = (agents(), proposal.hex.prefix(12))
    let (code, host) = Sample.run("proposals approve \(digits)", all)
    #expect(code == .done && host.output.contains("approved on minio-[1-4]"), "\(host.output)")
    #expect(all.allSatisfy { $0.retries.withLock { $0 } == [proposal.hex] })
    let none = agents()
    #expect(Sample.run("proposals approve 0123456789ab", none).code == .validationRefused)
    #expect(none.allSatisfy { $0.retries.withLock { $0.isEmpty } })
    #expect(Sample.run("proposals approve", agents()).code == .usage)
    #expect(Sample.run("proposals approve x", agents()).code == .usage)
    let (some, away) = Sample.run("proposals approve \(digits)", Array(agents().dropLast()))
    #expect(some == .unknown && away.errors.contains("minio-4"), "\(away.errors)")
    let shown = Sample.run("proposals", agents()).host
    #expect(shown.output.contains("waits for approval"), "\(shown.output)")
    #expect(shown.errors.contains("keyturn proposals approve \(digits)"), "\(shown.errors)")
    #expect(Sample.run("proposals --help", agents()).host.output.contains("--retry"))
  }

  @Test("the first member, which begins, is told of an approval when all others know it")
  func approvalOrder() {
    let told = Lock([String]())
    let agents = Sample.names.map { name in
      let agent = FakeAgent(
        name,
        proposals: ProposalsView(
          node: name, own: MemberProposal(serial: 1, digest: proposal), phase: .unapproved,
          rows: [], rollout: nil, refusal: nil, isChanged: true))
      agent.onApprove.update {
        $0 = {
          if name != "minio-1" { Clock.sleep(until: .inMilliseconds(100)) }
          told.update { $0.append(name) }
        }
      }
      return agent
    }
    let (code, _) = Sample.run("proposals approve \(proposal.hex.prefix(12))", agents)
    #expect(code == .done)
    #expect(told.withLock { $0.last } == "minio-1", "\(told.withLock { $0 })")
    #expect(told.withLock { $0.sorted() } == Sample.names)
  }

  @Test("proposals shows every node, reachable or not")
  func proposals() {
    let agents = Sample.names.dropLast().map { name in
      FakeAgent(
        name,
        proposals: ProposalsView(
          node: name, own: MemberProposal(serial: 1, digest: proposal), phase: .waiting, rows: [],
          rollout: nil, refusal: nil))
    }
    let (code, host) = Sample.run("proposals", agents)
    #expect(code == .unknown)
    #expect(host.output.contains("waiting for others"))
    #expect(host.output.contains(String(proposal.hex.prefix(12))))
    #expect(host.errors.contains("minio-4"))
  }
}
