// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Model
@testable import Operator
import Rollout
import Testing

/// One node of four tells numbers that cannot be.
@Suite("A node that tells absurd numbers", .timeLimit(.minutes(2))) struct LiarTests {
  /// JSON in which every number with this name is another one.
  private static func replace(_ name: String, _ number: String, in bytes: [UInt8]) -> [UInt8] {
    let text = String(decoding: bytes, as: UTF8.self)
    let parts = text.split(separator: "\"\(name)\":", omittingEmptySubsequences: false)
    let others = parts.dropFirst().map { part -> String in
      let rest = part.drop { "-0123456789".contains($0) }
      return "\"\(name)\":" + (rest.count < part.count ? number : "") + rest
    }
    return Array((parts.prefix(1).map(String.init) + others).joined().utf8)
  }

  private func links(_ name: String, _ number: String) -> [WireLink] {
    let kept = Sample.names.map { node in
      RolloutView(
        id: "00000000000000aa",
        events: [
          RolloutEvent(
            sequence: 1, realtimeMicroseconds: 1_000_000, phase: .known(.confirmed), detail: "")
        ], report: nil, outcome: Outcome(.confirmed, ""),
        rollout: RolloutHead(
          id: "00000000000000aa", epoch: 4, kind: .apply, generation: 1, createdBy: "alice"),
        bootID: "boot", instant: Instant(nanoseconds: 5))
    }
    return zip(Sample.names, kept).map { node, view in
      let isRollout = ["received", "epoch", "generation"].contains(name)
      return WireLink(agent: FakeAgent(node, kept: isRollout ? [] : [view])) { bytes in
        node == "minio-2" ? Self.replace(name, number, in: bytes) : bytes
      }
    }
  }

  @Test(
    "the command ends with an exit code, and what went wrong names the node",
    arguments: [
      ("status", "epoch"), ("history", "confirmedAtMicroseconds"), ("history", "number"),
      ("show 00000000000000aa", "realtimeMicroseconds"),
      ("show 00000000000000aa --html x.html", "realtimeMicroseconds"),
      ("show 00000000000000aa", "instant"), ("show 00000000000000aa", "sequence"),
      ("apply --settings kms.env --yes", "epoch"), ("restart --yes", "generation"),
      ("restart --yes", "received"), ("restart --yes", "epoch"),
    ], ["-9223372036854775808", "9223372036854775807"])
  func liar(of: (command: String, name: String), number: String) {
    let (code, host) = Sample.run(of.command, over: links(of.name, number))
    #expect(code != .done, "\(of.command) \(of.name)")
    #expect((host.errors + host.output).contains("minio-2"), "\(host.errors)")
  }

  @Test("the last rollout is looked for among what the others tell, and the liar is named")
  func newest() {
    let (code, host) = Sample.run("show", over: links("beganMicroseconds", "9223372036854775807"))
    #expect(code == .done && host.errors.contains("minio-2"), "\(host.errors)")
  }
}
