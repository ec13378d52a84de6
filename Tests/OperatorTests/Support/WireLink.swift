// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import HTTP
import JSONCoding
import Model
@testable import Operator
import Rollout

/// A link that carries every answer as JSON, as the network does; a test may write another one.
struct WireLink: AgentLink {
  let agent: FakeAgent
  let rewrite: @Sendable ([UInt8]) -> [UInt8]

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    let answer = try agent.call(request, lane: lane, deadline: deadline)
    guard let value = answer as? any Encodable else {
      preconditionFailure("every answer can be written")
    }
    let response = HTTPResponse(200, body: rewrite(JSON.encode(value)))
    do throws(Refusal) { return try request.answer(in: response) } catch { throw .answered(error) }
  }
}

/// Agents behind such links.
struct WireNetwork: AgentNetwork {
  let links: [WireLink]

  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles, revoked: Revocations?
  ) throws(Refusal) -> AgentConnections {
    AgentConnections(
      certificate: OwnCertificate(
        principal: Principal(cluster: "prod", role: .operator, name: "alice"),
        validFrom: 0, validUntil: .max / 2), links: links)
  }
}

extension Sample {
  /// Runs a command line against agents whose answers are rewritten.
  static func run(
    _ arguments: String, over links: [WireLink], inventory: String? = nil,
    interruption: Interruption = Interruption()
  ) -> (code: ExitCode, host: FakeCommandHost) {
    let more = inventory.map { ["./inventory.json": $0] } ?? [:]
    let host = FakeCommandHost(files: files.merging(more) { $1 }, mode: 0o600)
    let keyturn = Keyturn(
      host: host, network: WireNetwork(links: links), workshop: FakeWorkshop(),
      local: FakeLocalAgent(), stores: FakeStores(), newcomer: FakeNewcomer(),
      interruption: interruption, version: "test")
    return (keyturn.code(arguments.split(separator: " ").map(String.init)), host)
  }
}
