// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

@Suite(.timeLimit(.minutes(1))) struct PlanCommandTests {
  @Test("plan shows what changes, nodes with the same content together, and touches nothing")
  func plan() {
    let agents = Sample.agents()
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
    let agents = Sample.agents { FakeAgent($0, plan: .sample($0, changes: false)) }
    let (code, host) = Sample.run("plan --settings kms.env --detailed-exitcode --json", agents)
    #expect(code == .done)
    #expect(try ResultLine(host).outcome == "nothingToDo")
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
    let alike = Sample.run("plan --settings kms.env", Sample.agents { refusing($0, "sealed") }).host
    #expect(alike.output.contains("  refused (key guard)\n"))
    #expect(alike.errors == "keyturn: error: nothing was touched: minio-[1-4]: sealed\n")
    let other = Sample.run(
      "plan --settings kms.env",
      Sample.agents { refusing($0, $0 == "minio-4" ? "no seal" : "sealed") }
    ).host
    #expect(other.output.contains("  refused (key guard): no seal\n"))
    #expect(other.errors.contains("minio-[1-3]: sealed (for minio-4 see above)\n"))
  }

  @Test("an unreachable node: exit 4, a row for every node, nothing touched")
  func unreachable() throws {
    let agents = Sample.agents(third: FakeAgent("minio-3", .unreachable))
    let (code, host) = Sample.run("apply --yes --json --settings kms.env", agents)
    #expect(code == .unreachable)
    let result = try ResultLine(host)
    #expect(result.exitCode == 4)
    #expect(result.nodes.map(\.name) == Sample.names)
    #expect(result.nodes.map(\.outcome) == ["untouched", "untouched", "unreachable", "untouched"])
    #expect(result.nodes[2].reason.contains("connection refused"))
    #expect(agents.allSatisfy { $0.restarts == 0 && !$0.isActive })
  }

  @Test("nodes that would run with other MINIO_* variables: exit 8, the variable named")
  func different() {
    let agents = Sample.agents(third: FakeAgent("minio-3", plan: .sample("minio-3", value: "b")))
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
    let sealed = Sample.agents(third: FakeAgent("minio-3", sealed: Sample.seal))
    let (code, host) = Sample.run(
      "apply --yes --settings bad.env", sealed, files: ["bad.env": settings])
    #expect(code == .guardRefused)
    #expect(host.errors.contains("primary-key"))
    #expect(sealed.allSatisfy { $0.restarts == 0 && !$0.isActive })
    let free = Sample.run(
      "apply --yes --settings bad.env", Sample.agents(), files: ["bad.env": settings])
    #expect(free.code == .validationRefused)
  }

  @Test("the sealed key named as it is does not turn another error into the guard's")
  func sameKey() {
    let sealed = Sample.agents { FakeAgent($0, sealed: Sample.seal) }
    let (code, _) = Sample.run(
      "plan --settings bad.env", sealed,
      files: ["bad.env": "MINIO_KMS_SSE_KEY=primary-key\nMINIO_KMS_SERVR=x\n"])
    #expect(code == .validationRefused)
  }

  @Test("the API key in two places, a variable set and removed: exit 5")
  func twice() {
    let files = ["key": Sample.apiKey + "\n"]
    #expect(
      Sample.run("plan --settings kms.env --api-key-file key", Sample.agents(), files: files).code
        == .validationRefused)
    #expect(
      Sample.run("plan --settings kms.env --unset MINIO_KMS_ENCLAVE", Sample.agents()).code
        == .validationRefused)
    #expect(Sample.run("plan --unset PATH", Sample.agents()).code == .validationRefused)
  }

  @Test(
    "a file without a setting, or without a key, is refused: what writes it may have failed",
    arguments: [
      "plan --settings empty", "apply --yes --settings comments", "plan --api-key-file empty",
    ])
  func empty(_ command: String) {
    let agents = Sample.agents()
    let (code, host) = Sample.run(
      command, agents, files: ["empty": "", "comments": "# MINIO_KMS_SSE_KEY=x\n\n"])
    #expect(code == .validationRefused)
    #expect(host.errors.contains("there is no"), "\(host.errors)")
    #expect(agents.allSatisfy { $0.restarts == 0 && $0.request == nil })
  }
}
