// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing
import Threads

/// Whom the nodes' lists revoke is asked for no vote: the links of a command that rolls out refuse its certificate.
@Suite(.timeLimit(.minutes(1))) struct RevokedMemberTests {
  private static func list(
    _ names: [String], number: Int = 2, by signature: String = "AAAA"
  ) -> SignedRevocations {
    let list = Revocations(
      cluster: "prod", number: number,
      entries: names.map { .init(role: .node, name: $0, issuedUntil: 7) })
    return SignedRevocations(list: JSON.line(list), signature: signature)
  }

  /// Runs a command; its host, and the list that its last links were opened with.
  private func run(
    _ command: String, _ agents: [FakeAgent]
  ) -> (host: FakeCommandHost, refused: [String]?) {
    let network = FakeNetwork(agents: agents)
    let host = FakeCommandHost(
      files: Sample.files, variables: ["KEYTURN_INVENTORY": "./inventory.json"])
    _ = Keyturn(
      host: host, network: network, workshop: FakeWorkshop(), local: FakeLocalAgent(),
      stores: FakeStores(), newcomer: FakeNewcomer(), interruption: Interruption(),
      version: "test"
    ).run(command.split(separator: " ").map(String.init))
    return (host, network.revoked.withLock { $0?.entries.map(\.name).sorted() })
  }

  private func refused(_ command: String, _ lists: [SignedRevocations?]) -> [String]? {
    let agents = Sample.agents()
    for (agent, list) in zip(agents, lists) { agent.revocations.update { $0 = list } }
    return run(command, agents).refused
  }

  @Test(
    "plan, apply, restart, inventory apply and resolve open their links with what any node knows",
    arguments: [
      "plan --settings kms.env", "apply --settings kms.env --yes", "restart --yes",
      "inventory apply --yes", "inventory diff", "resolve 00000000000000aa",
    ])
  func links(_ command: String) {
    let two = [nil, Self.list(["minio-3"]), Self.list(["minio-4"], number: 3), nil]
    #expect(refused(command, two) == ["minio-3", "minio-4"])
    #expect(refused(command, [nil, nil, nil, nil]) == nil)
    #expect(refused(command, [Self.list([]), nil, nil, nil]) == nil)
  }

  @Test("a node that the new inventory lacks is refused too: it must not vote on its own removal")
  func leaving() throws {
    let agents = Sample.agents() + [FakeAgent("minio-5")]
    let file = Sample.files["./inventory.json"] ?? ""
    let node = #"{"name": "minio-5", "address": "minio-5"}"#
    let five = try JSON.decode(
      Inventory.self, from: Array(file.replacing("}],", with: "},\(node)],").utf8))
    for agent in agents { agent.agreed.update { $0 = AgreedInventory(first: five) } }
    agents[0].revocations.update { $0 = Self.list(["minio-5"]) }
    // The last links that are opened are those to nodes that the file lacks.
    let (host, refused) = run("inventory diff", agents)
    #expect(host.output.contains("minio-5"), "\(host.both)")
    #expect(refused == ["minio-5"])
  }

  @Test("a list that no trusted CA has signed revokes nobody, and that is said")
  func strange() {
    let lists = [Self.list(["minio-1"], by: "strange"), Self.list(["minio-3"]), nil, nil]
    #expect(refused("plan --settings kms.env", lists) == ["minio-3"])
    let agents = Sample.agents()
    agents[1].revocations.update { $0 = Self.list(["minio-1"], by: "strange") }
    let host = Sample.run("plan --settings kms.env", agents).host
    #expect(host.errors.contains("the list of revoked certificates of minio-2 names is not known"))
  }
}
