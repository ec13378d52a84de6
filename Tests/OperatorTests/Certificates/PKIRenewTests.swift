// SPDX-License-Identifier: Apache-2.0
import Model
@testable import Operator
import Testing
import Threads

@Suite("keyturn pki renew")
struct PKIRenewTests {
  private static let names = ["minio-1", "minio-2", "kms-1"]

  private func run(
    _ arguments: String, _ agents: [FakeAgent], _ workshop: FakeWorkshop = FakeWorkshop()
  ) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      arguments, agents, files: ["./inventory.json": PKIIssueTests.inventory], workshop: workshop)
  }

  private var agents: [FakeAgent] { Self.names.map { FakeAgent($0) } }

  @Test("each node and witness gets a certificate for its own request, and says until when")
  func all() {
    let (agents, workshop) = (agents, FakeWorkshop())
    let (code, host) = run("pki renew --days 30", agents, workshop)
    #expect(code == .done, "\(host.errors)")
    let renewed = workshop.issuer.renewed.withLock { $0 }.sorted { $0.request < $1.request }
    #expect(
      renewed.map(\.principal.uri) == [
        "keyturn://prod/witness/kms-1", "keyturn://prod/node/minio-1",
        "keyturn://prod/node/minio-2",
      ])
    #expect(renewed.allSatisfy { $0.request == "request of \($0.principal.name)" && $0.days == 30 })
    for agent in agents {
      #expect(agent.installed.withLock { $0 } == ["certificate of \(agent.name)"])
      #expect(host.output.contains("\(agent.name): renewed, valid until 2030-03-17T17:46:40Z"))
    }
    #expect(run("pki renew --json", agents).host.output.contains(#""changed":true"#))
  }

  @Test("only those that are named; a name that the inventory lacks asks nobody")
  func some() {
    let agents = agents
    #expect(run("pki renew kms-1", agents).code == .done)
    #expect(agents.map { $0.installed.withLock(\.count) } == [0, 0, 1])
    let (code, host) = run("pki renew minio-1 minio-9", agents)
    #expect(code == .validationRefused && host.errors.contains("no witness minio-9, only"))
    #expect(agents.map { $0.installed.withLock(\.count) } == [0, 0, 1])
  }

  @Test("one that does not answer is named, and the others are renewed")
  func unreachable() {
    let agents = [FakeAgent("minio-1"), FakeAgent("minio-2", .unreachable), FakeAgent("kms-1")]
    var workshop = FakeWorkshop()
    workshop.issuer.list = Revocations(cluster: "prod")
    let (code, host) = run("pki renew", agents, workshop)
    #expect(code == .unknown)
    #expect(host.errors.contains("minio-2: "), "\(host.errors)")
    #expect(host.errors.contains("1 of 3 certificates were not renewed: minio-2; run it"))
    #expect(agents.map { $0.installed.withLock(\.count) } == [1, 0, 1])
  }

  @Test("--due leaves those that are not in the last third of their life")
  func due() {
    let now = Clock.realtimeMicroseconds()
    let day: Int64 = 86_400_000_000
    for (left, count) in [(29, 1), (31, 0)] as [(Int64, Int)] {
      var workshop = FakeWorkshop()
      workshop.facts = CertificateFacts(
        principal: nil, subject: "", validFromMicroseconds: now - (90 - left) * day,
        validUntilMicroseconds: now + left * day)
      let agents = agents
      let (code, host) = run("pki renew --due", agents, workshop)
      #expect(code == .done)
      #expect(agents.allSatisfy { $0.installed.withLock(\.count) == count })
      #expect(host.output.contains("not due") == (count == 0))
      #expect(
        run("pki renew --due --json", agents, workshop).host.output.contains(
          #""changed":\#(count == 1)"#))
    }
  }

  @Test("an authority of another cluster is refused before anybody is asked")
  func otherCluster() {
    var workshop = FakeWorkshop()
    workshop.issuer.cluster = "test"
    let agents = agents
    #expect(run("pki renew", agents, workshop).code == .badConfiguration)
    #expect(agents.allSatisfy { $0.installed.withLock(\.isEmpty) })
  }
}
