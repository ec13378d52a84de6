// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Testing

private struct Sample: Codable {
  struct Node: Codable {
    var name: String
    var ports: [Int]
  }
  var nodes: [Node]
  var unit: String
}

@Suite struct JSONTests {
  @Test("what a text says and its value does not hold is told with its place and its neighbours")
  func ignored() throws {
    let text = #"""
      {"nodes":[{"name":"a","ports":[]},{"name":"b","ports":[1],"port":{"x":1}}],"unit":"u","y":null,"unti":"v"}
      """#
    let bytes = Array(text.utf8)
    let ignored = JSON.ignored(in: bytes, by: try JSON.decode(Sample.self, from: bytes))
    #expect(ignored.map(\.place) == ["nodes[1].port", "unti"])
    #expect(ignored.map(\.siblings) == [["name", "ports"], ["nodes", "unit"]])
    #expect(JSON.ignored(in: Array("[".utf8), by: 1).isEmpty)
  }

  @Test("keys are sorted and slashes are not escaped")
  func encode() {
    let sample = Sample(nodes: [.init(name: "a", ports: [1])], unit: "a/b")
    #expect(JSON.line(sample) == #"{"nodes":[{"name":"a","ports":[1]}],"unit":"a/b"}"#)
  }

  @Test(
    "a failure says where and what",
    arguments: [
      (#"{"nodes":[]}"#, "unit: is missing"),
      (#"{"nodes":[{"name":"a"}],"unit":""}"#, "nodes[0].ports: is missing"),
      (
        #"{"nodes":[{"name":"a","ports":["x"]}],"unit":""}"#,
        "nodes[0].ports[0]: is not a whole number"
      ),
      (#"{"nodes":[{"name":1,"ports":[]}],"unit":""}"#, "nodes[0].name: is not a text"),
      (#"{"nodes":{},"unit":""}"#, "nodes: is not a list"),
      ("[]", "the whole: is not an object"),
      ("{", "not JSON"), ("", "not JSON"),
    ])
  func decode(_ text: String, _ wanted: String) {
    #expect {
      _ = try JSON.decode(Sample.self, from: Array(text.utf8))
    } throws: { "\($0)".hasPrefix(wanted) }
  }

  @Test("nesting without end is refused")
  func nesting() {
    let text = String(repeating: "[", count: 100_000)
    #expect(throws: JSONFailure.self) { try JSON.decode(Sample.self, from: Array(text.utf8)) }
  }
}
