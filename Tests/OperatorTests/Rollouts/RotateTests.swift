// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import HTTP
import Model
@testable import Operator
import Rollout
import Testing

@Suite("keyturn rotate api-key") struct RotateTests {
  private static let old = "h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE"
  private static let new = "h1:apx4gmz6zTaxSdQXbZ8xEOnWkIYMyS7rkO630DkWHVk"

  private func agents(
    changesOn names: [String] = Sample.names, seal: Seal? = Sample.seal, findings: [Finding] = [],
    rollback: Refusal? = nil, generations: [(number: Int, text: String)] = [(1, "a"), (2, "b")]
  ) -> [FakeAgent] {
    Sample.names.map { name in
      var plan = PlanAnswer.sample(name, seal: seal, key: Sample.seal.key)
      plan.findings = findings
      if names.contains(name) {
        plan.identities = IdentityChange(present: Self.old, wanted: Self.new)
      }
      return FakeAgent(
        name, plan: plan, sealed: seal, history: .sample(name, generations), undoRefusal: rollback)
    }
  }

  private func rotate(_ agents: [FakeAgent]) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      "rotate api-key --api-key-file key --yes", agents, files: ["key": Sample.apiKey + "\n"])
  }

  @Test("when every start is confirmed it names the old identity, and the command that removes it")
  func rotated() {
    let (code, host) = rotate(agents())
    #expect(code == .done, "\(host.errors)")
    #expect(
      host.output.contains(
        "identity \(Self.old) is used by no node any more; asked once more it still opens the key"))
    #expect(
      host.output.contains("minkms rm-identity \(Self.old) --enclave \(Sample.seal.key.enclave)"))
    #expect(!(host.output + host.errors).contains(Sample.apiKey))
  }

  @Test("programs are told both identities, and whether there is a way to the old one")
  func json() {
    for (rollback, word) in [
      (nil, "true"), (Refusal(.keyManager, "KEY:DECRYPT: access denied"), "false"),
      (Refusal(.unreachable, "connection refused"), "null"),
    ] {
      let (_, host) = Sample.run(
        "rotate api-key --api-key-file key --yes --json", agents(rollback: rollback),
        files: ["key": Sample.apiKey + "\n"])
      let result = host.lines.last ?? ""
      let fields =
        #""identities":{"newIdentity":"\#(Self.new)","oldIdentity":"\#(Self.old)","rollbackPossible":\#(word)}"#
      #expect(result.contains(fields), "\(result)")
    }
  }

  @Test("a key file that is not there touches nothing, and says so")
  func missingFile() {
    let agents = agents()
    let (code, host) = Sample.run("rotate api-key --api-key-file nokey --yes", agents)
    #expect(code == .validationRefused)
    #expect(host.errors.contains("nothing was touched: there is no file nokey"), "\(host.errors)")
    #expect(agents.allSatisfy { $0.restarts == 0 })
  }

  @Test("where the old identity is gone already it says that a rollback to it is refused")
  func goneAlready() {
    let (code, host) = rotate(agents(rollback: Refusal(.keyManager, "KEY:DECRYPT: access denied")))
    #expect(code == .done, "\(host.errors)")
    #expect(
      host.output.contains("a rollback to it is refused: minio-[1-4]: KEY:DECRYPT: access denied"),
      "\(host.output)")
  }

  @Test("where it cannot be asked whether the old identity still works, that is said")
  func notKnown() {
    for agents in [
      agents(generations: [(2, "b")]),
      agents(rollback: Refusal(.unreachable, "connection refused")),
    ] {
      let (code, host) = rotate(agents)
      #expect(code == .done, "\(host.errors)")
      #expect(
        host.output.contains("whether a rollback to it is possible is not known"), "\(host.output)")
    }
  }

  @Test("apply with another API key says the same, and with anything else nothing of it")
  func applied() {
    let files = ["key": Sample.apiKey + "\n"]
    let arguments = "apply --api-key-file key --yes"
    #expect(
      Sample.run(arguments, agents(), files: files).host.output.contains("minkms rm-identity"))
    let others = Sample.run(arguments, agents(changesOn: []), files: files)
    #expect(others.code == .done && !others.host.output.contains("rm-identity"))
  }

  @Test("it is refused where no key is sealed, and where the nodes do not change alike")
  func refused() {
    #expect(rotate(agents(seal: nil)).code == .validationRefused)
    for names in [[], ["minio-2"]] {
      let (code, host) = rotate(agents(changesOn: names))
      #expect(code == .validationRefused)
      #expect(host.errors.contains("do not all change from one identity to one other"))
    }
  }

  @Test(
    "it is refused where the new identity may do less than the old one, and where nothing is proven",
    arguments: ["kms-identity-lesser", "key-proof-missing"])
  func lesser(rule: String) {
    let finding = Finding(
      .warning, rule: rule, refusal: .keyManager,
      message: "identity \(Self.new) may not KEY:STATUS")
    let (code, host) = rotate(agents(findings: [finding]))
    #expect(code == .keyManagerRefused)
    #expect(host.errors.contains("may not KEY:STATUS"))
  }

  @Test("a blank in the file is none of a key's")
  func blank() {
    let (code, host) = Sample.run(
      "rotate api-key --api-key-file key --yes", agents(), files: ["key": Sample.apiKey + " \n"])
    #expect(code == .validationRefused)
    #expect(host.errors.contains("there is a blank in it"), "\(host.errors)")
  }

  @Test("without a file it is a wrong command line")
  func noFile() {
    #expect(Sample.run("rotate api-key", agents()).code == .usage)
  }

  @Test("what a node says of its identities is an identity, or its answer is not taken")
  func hostile() throws {
    for text in [
      "h1:a;rm -rf /", "h1:\u{1b}[2J", "x1:abc", "h1:" + String(repeating: "a", count: 62),
    ] {
      let plan = PlanAnswer.sample("minio-1", seal: Sample.seal, key: Sample.seal.key)
      var hostile = plan
      hostile.identities = IdentityChange(present: text, wanted: Self.new)
      let request = AgentRequest<PlanAnswer>.plan(PlanRequest(RolloutRequest(kind: .restart)))
      #expect(throws: Refusal.self) { try request.answer(in: .json(200, hostile)) }
      #expect(try request.answer(in: .json(200, plan)).identities == nil)
    }
  }
}
