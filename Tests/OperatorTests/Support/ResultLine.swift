// SPDX-License-Identifier: Apache-2.0
import JSONCoding
@testable import Operator
import Testing

/// The last line of a command with `--json`.
struct ResultLine: Decodable {
  struct Node: Decodable {
    var name: String
    var outcome: String
    var reason: String
  }
  var event: String
  var outcome: String
  var exitCode: Int32
  var skewMilliseconds: Double?
  var nodes: [Node]
  var time: String

  init(_ host: FakeCommandHost) throws {
    let last = try #require(host.lines.last)
    self = try JSON.decode(Self.self, from: Array(last.utf8))
  }
}
