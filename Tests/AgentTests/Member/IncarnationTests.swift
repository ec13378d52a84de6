// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import JSONCoding
import Model
import Testing
import Threads

@Suite struct IncarnationTests {
  @Test("a state directory gets an incarnation at the first start, and keeps it at the next")
  func kept() throws {
    let host = FakeNodeHost(file: plainFile)
    let first = try #require(Node(host).agent.incarnation)
    #expect(host.state.withLock { $0.records["incarnation"] } == JSON.encode(first))
    #expect(Node(host).agent.incarnation == first)
  }

  @Test("an emptied state directory gets another incarnation")
  func replaced() throws {
    let host = FakeNodeHost(file: plainFile)
    let first = try #require(Node(host).agent.incarnation)
    host.state.update { $0.records = [:] }
    let second = try #require(Node(host).agent.incarnation)
    #expect(second != first)
  }

  @Test("a damaged incarnation is not replaced: nothing is voted on, and status says so")
  func damaged() throws {
    let host = FakeNodeHost(file: plainFile)
    host.state.update { $0.records["incarnation"] = [] }
    let node = Node(host)
    #expect(node.agent.incarnation == nil)
    #expect(host.state.withLock { $0.records["incarnation"] } == [])
    let finding = try #require(node.agent.status().findings.first { $0.rule == "damaged-record" })
    #expect(finding.message.contains("incarnation"))
    #expect(throws: (any Error).self) { try node.plan(enabling) }
  }

  @Test("one that could not be written is none: nothing is voted on")
  func unwritten() {
    let host = FakeNodeHost(file: plainFile)
    host.failRecord("incarnation")
    let node = Node(host)
    #expect(node.agent.incarnation == nil)
    #expect(node.agent.status().findings.contains { $0.rule == "damaged-record" })
  }
}
