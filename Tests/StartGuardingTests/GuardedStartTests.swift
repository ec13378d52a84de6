// SPDX-License-Identifier: Apache-2.0
import Model
import Rollout
import StartGuarding
import Testing

/// The rules are tested through `keyturn guard` (Tests/OperatorTests/Local/GuardTests.swift), which is the same.
@Suite struct GuardedStartTests {
  private struct Host: GuardedHost {
    var variables: [String: String] = [:]
    func content(of path: String, limitBytes: Int) throws(Refusal) -> [UInt8]? { nil }
    func record(_ path: String) throws(Refusal) -> [UInt8]? {
      throw Refusal(.failed, "read \(path): Input/output error.")
    }
    func isDirectory(_ path: String) throws(Refusal) -> Bool { true }
    func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace {
      ConfigFilePlace(path: path)
    }
    func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal) {}
    func variable(_ name: String) -> String? { variables[name] }
  }

  @Test("records that cannot be read refuse the start, in the directory that is the default")
  func unreadable() {
    let refusal = GuardedStart(host: Host(), state: nil).refusal()
    #expect(refusal?.contains("Input/output error") == true)
    #expect(refusal?.contains("(in /var/lib/keyturn)") == true)
  }

  @Test("what systemd has started, and what goes to the journal, is known by the environment")
  func environment() {
    let byHand = GuardedStart(host: Host(), state: nil)
    #expect(!byHand.isBySystemd && byHand.priority.isEmpty)
    let started = GuardedStart(
      host: Host(variables: ["INVOCATION_ID": "x", "JOURNAL_STREAM": "8:1"]), state: nil)
    #expect(started.isBySystemd && started.priority == "<3>")
  }
}
