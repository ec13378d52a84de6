// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
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

  /// The list that the last links of a command were opened with.
  private func refused(
    _ command: String, _ lists: [SignedRevocations?]
  ) throws -> [String]? {
    let agents = Sample.agents()
    for (agent, list) in zip(agents, lists) { agent.revocations.update { $0 = list } }
    let network = FakeNetwork(agents: agents)
    let host = FakeCommandHost(
      files: Sample.files, variables: ["KEYTURN_INVENTORY": "./inventory.json"])
    _ = Keyturn(
      host: host, network: network, workshop: FakeWorkshop(), local: FakeLocalAgent(),
      stores: FakeStores(), newcomer: FakeNewcomer(), interruption: Interruption(),
      version: "test"
    ).run(command.split(separator: " ").map(String.init))
    return network.revoked.withLock { $0?.entries.map(\.name).sorted() }
  }

  @Test(
    "plan, apply, restart, inventory apply and resolve open their links with what any node knows",
    arguments: [
      "plan --settings kms.env", "apply --settings kms.env --yes", "restart --yes",
      "inventory apply --yes", "inventory diff", "resolve 00000000000000aa",
    ])
  func links(_ command: String) throws {
    let two = [nil, Self.list(["minio-3"]), Self.list(["minio-4"], number: 3), nil]
    #expect(try refused(command, two) == ["minio-3", "minio-4"])
    #expect(try refused(command, [nil, nil, nil, nil]) == nil)
    #expect(try refused(command, [Self.list([]), nil, nil, nil]) == nil)
  }

  @Test("a list that no trusted CA has signed revokes nobody")
  func strange() throws {
    let lists = [Self.list(["minio-1"], by: "strange"), Self.list(["minio-3"]), nil, nil]
    #expect(try refused("plan --settings kms.env", lists) == ["minio-3"])
  }
}
