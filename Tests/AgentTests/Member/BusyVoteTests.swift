// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Model
import Rollout
import Secrets
import Testing
import Threads

@Suite("Agent: a vote while the node is in another rollout")
struct BusyVoteTests {
  private static let changes = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))]

  @Test(
    "the refusal is busy, and names the rollout that the node is in",
    arguments: ["while the checks run", "after the vote", "after an agent's restart"])
  func busy(moment: String) throws {
    let node = Node()
    let first = try node.rollout(Self.changes)
    var second = first
    second.id = "00000000000000bb"
    second.epoch += 1
    let next = second

    let answer = Lock(VoteAnswer?.none)
    if moment == "while the checks run" {
      node.host.state.update { state in
        state.onCursor = {
          let vote = try? node.prepare(next, Self.changes)
          answer.update { $0 = vote }
        }
      }
    }
    #expect(try node.prepare(first, Self.changes).refusal == nil)
    switch moment {
    case "after the vote":
      let vote = try node.prepare(next, Self.changes)
      answer.update { $0 = vote }
    case "after an agent's restart":
      let again = Node(node.host, settles: false, seals: node.seals)
      let vote = try again.prepare(next, Self.changes)
      answer.update { $0 = vote }
    default: break
    }
    let refusal = try #require(answer.withLock { $0 }?.refusal)
    #expect(refusal.code == .busy)
    #expect(refusal.message.contains(first.id), "\(refusal.message)")
  }
}
