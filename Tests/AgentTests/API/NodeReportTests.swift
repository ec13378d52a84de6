// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import Model
import Rollout
import ServerUnit
import Testing
import Threads

@Suite("What an agent reports of its node", .timeLimit(.minutes(1)))
struct NodeReportTests {
  private static let observer = Principal(cluster: "prod", role: .observer, name: "eve")

  private func status(_ node: Node, as principal: Principal = alice) throws -> NodeReport {
    let status = try JSON.decode(
      NodeStatus.self, from: node.send("GET", "/v1/status", as: principal).body)
    return try #require(status.report)
  }

  private func check(_ node: Node, as principal: Principal = alice) throws -> NodeReport {
    let answer = try JSON.decode(
      CheckAnswer.self, from: node.send("POST", "/v1/check", as: principal).body)
    return try #require(answer.report)
  }

  @Test("status and check report the same: unit, settings, inventory, generation, seal")
  func same() throws {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    let report = try status(node)
    #expect(try check(node) == report)
    #expect(report.unit?.isReady == true && report.generation == 1 && report.seal != nil)
    #expect(report.running == report.files)
    #expect(report.files?.variables.map(\.name).contains("MINIO_KMS_API_KEY") == true)
    #expect(report.inventory == node.agent.inventory.parts)
  }

  @Test("a server that is stopped has no settings in force, and the metrics say that it is down")
  func stopped() throws {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    try node.agent.drift.watch()
    node.host.state.update { state in
      state.unit.activeState = "inactive"
      state.unit.subState = "dead"
      state.unit.mainPID = 0
    }
    let report = try status(node)
    #expect(report.unit?.isReady == false && report.running == nil && report.files != nil)
    node.agent.site.ports.watch.wake()
    let deadline = Instant.inMilliseconds(20_000)
    var text = ""
    while !text.contains("\nkeyturn_server_up 0\n"), Clock.now() < deadline {
      text = String(decoding: node.send("GET", "/metrics").body, as: UTF8.self)
    }
    #expect(text.contains("\nkeyturn_server_up 0\n") && text.contains("\nkeyturn_server_ready 0\n"))
    #expect(text.contains("\nkeyturn_settings_fingerprint{of=\"files\"} "))
    #expect(text.contains("\nkeyturn_inventory_fingerprint "))
  }

  @Test("an observer gets no digest of a variable whose value may be a secret")
  func observer() throws {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    let full = try status(node)
    for report in [try status(node, as: Self.observer), try check(node, as: Self.observer)] {
      for environment in [report.running, report.files] {
        let names = environment?.variables.map(\.name) ?? []
        #expect(names.contains("MINIO_KMS_SERVER") && !names.contains("MINIO_KMS_API_KEY"))
      }
      #expect(report.running?.digest == full.running?.digest)
    }
  }
}
