// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONCoding
import Testing

/// What is read and written is what Foundation reads and writes.
@Suite struct JSONTests {
  private struct Everything: Codable, Equatable {
    enum Kind: String, Codable { case one, two }
    struct Inner: Codable, Equatable {
      var name: String
      var numbers: [Int]
    }

    var text = "a \"b\" \\ / \u{1} \u{7F} \n\t\r \u{8}\u{C} é 😀 \u{2028}"
    var yes = true
    var small: Int8 = -128
    var large: UInt64 = .max
    var least: Int64 = .min
    var part = 0.25
    var whole = 3.0
    var missing: String?
    var there: String? = ""
    var list: [Inner] = [Inner(name: "x", numbers: [1, 2]), Inner(name: "", numbers: [])]
    var words: [String: [String?]] = ["b": ["1", nil], "a": [], "B": [nil]]
    var kind = Kind.two
    var nested: [[Bool]] = [[], [true, false]]
  }

  @Test("what one writes the other reads, and both write the same", arguments: [false, true])
  func roundTrip(pretty: Bool) throws {
    let value = Everything()
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    let ours = JSON.encode(value, pretty: pretty)
    #expect(try JSON.decode(Everything.self, from: ours) == value)
    let theirs = try encoder.encode(value)
    #expect(try JSON.decode(Everything.self, from: Array(theirs)) == value)
    #expect(try JSONDecoder().decode(Everything.self, from: Data(ours)) == value)
    // An empty list or object has a line of its own there.
    if !pretty {
      #expect(String(decoding: ours, as: UTF8.self) == String(decoding: theirs, as: UTF8.self))
    }
  }

  /// Any JSON, as a value that can be compared.
  private indirect enum Value: Decodable, Equatable {
    case null, bool(Bool), number(Double), text([UInt8]), list([Value]), object([String: Value])

    init(from decoder: any Decoder) throws {
      let one = try decoder.singleValueContainer()
      if one.decodeNil() {
        self = .null
      } else if let value = try? one.decode(Bool.self) {
        self = .bool(value)
      } else if let value = try? one.decode(Double.self) {
        self = .number(value)
      } else if let value = try? one.decode(String.self) {
        self = .text(Array(value.utf8))
      } else if let value = try? one.decode([Value].self) {
        self = .list(value)
      } else {
        self = .object(try one.decode([String: Value].self))
      }
    }
  }

  private static let twice = "{\"a\":1,\"a\":2}"
  private static let texts = [
    "null", "true", "false", "0", "-0", "1", "-1", "01", "1.", ".5", "1.5e3", "1E+2", "1e", "+1",
    "--1",
    "\"\"", "\"a\\u0041\\n\\/\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\ude00\"",
    "\"\\ud83dx\"",
    "\"\\u12\"", "\"\\x\"", "\"a\nb\"", "\"a", "a\"", "[]", "[ ]", "[1,2]", "[1,]", "[1, ]",
    "[1,,]", "[,]", "[,1]", "{,}", "[1 2]",
    "[",
    "]", "{}", "{ \"a\" : 1 }", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{\"a\":1", "{1:2}",
    twice, "", " ",
    "tru",
    "nul", "truex", "[1]x", "{\"a\":{\"b\":[null,{}]}}", "\u{FEFF}1", "\u{FEFF}", "1 \n",
    "\t[\r\n]",
    "[\"\\\\\",\"\\\"\"]", "{\"\":0}", "[1e400]", "[-]", "[0x1]", "[NaN]", "[Infinity]", "'a'",
    "[1]//",
    "\"\u{0}\"", "\"\u{1F}\"", "\"\u{7F}\"",
  ]

  /// Both read it as the same value, or both refuse it.
  private func compare(_ bytes: [UInt8]) {
    let ours = try? JSON.decode(Value.self, from: bytes)
    let theirs = try? JSONDecoder().decode(Value.self, from: Data(bytes))
    // Not by #expect each time: there are thousands of them.
    if ours != theirs {
      Issue.record(
        "\(String(decoding: bytes, as: UTF8.self).debugDescription): \(String(describing: ours)), \(String(describing: theirs))"
      )
    }
  }

  @Test("a text is read as Foundation reads it, or refused by both", arguments: texts)
  func same(text: String) { compare(Array(text.utf8)) }

  @Test("so is each of these with a byte changed, doubled or taken away, and one cut off")
  func mutated() {
    var random = SystemRandomNumberGenerator()
    // Foundation looks at no number under a name that comes twice: it takes {"a":1,"a":-}.
    for text in Self.texts where !text.hasPrefix("\u{FEFF}") && text != Self.twice {
      let bytes = Array(text.utf8)
      for index in bytes.indices {
        compare(Array(bytes[..<index]))
        compare(Array(bytes[..<index] + bytes[(index + 1)...]))
        compare(Array(bytes[...index] + bytes[index...]))
        for _ in 0..<4 {
          var changed = bytes
          changed[index] = UInt8.random(in: 0x01...0x7E, using: &random)
          // Foundation takes some texts for UTF-16 by their zeros, and a 0 byte for one of these.
          compare(changed)
        }
      }
    }
  }

  @Test("bytes that are no UTF-8 are refused")
  func encoding() {
    for bad: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0x80]] {
      #expect(throws: JSONFailure.self) {
        try JSON.decode(String.self, from: [0x22] + bad + [0x22])
      }
    }
  }

  @Test("a text of 512 lists within each other is read, one more is not")
  func depth() {
    func nested(_ depth: Int) -> [UInt8] {
      Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    }
    #expect(throws: Never.self) { try JSON.decode(Value.self, from: nested(511)) }
    #expect(throws: JSONFailure.self) { try JSON.decode(Value.self, from: nested(513)) }
    #expect(throws: JSONFailure.self) { try JSON.decode(Value.self, from: nested(100_000)) }
  }

  @Test(
    "what is wrong is said with its place",
    arguments: [
      (#"{"name":1,"numbers":[]}"#, "name: is not a text"),
      (#"{"name":"","numbers":{}}"#, "numbers: is not a list"),
      (#"{"name":"","numbers":[1,"2"]}"#, "numbers[1]: is not a whole number"),
      (#"{"name":"","numbers":[1.5]}"#, "numbers[0]: the number 1.5 is too large, or not whole"),
      (
        #"{"name":"","numbers":[99999999999999999999]}"#,
        "numbers[0]: the number 99999999999999999999 is too large, or not whole"
      ),
      (#"{"name":null,"numbers":[]}"#, "name: is null"), (#"{"numbers":[]}"#, "name: is missing"),
      ("[]", "the whole: is not an object"),
      ("{\n \"name\": x", "not JSON: line 2, column 10: unexpected \"x\""),
      (#"{"name":"\q"}"#, "not JSON: line 1, column 12: unexpected quote"),
      ("{", "not JSON: line 1, column 2: unexpected end"),
    ])
  func words(text: String, words: String) {
    let failure = #expect(throws: JSONFailure.self) {
      try JSON.decode(Everything.Inner.self, from: Array(text.utf8))
    }
    #expect(failure?.description == words)
  }

  @Test(
    "whole numbers may be written with a point or an exponent",
    arguments: ["10", "1e1", "10.0", "100E-1"])
  func whole(text: String) throws {
    #expect(try JSON.decode(Int.self, from: Array(text.utf8)) == 10)
  }
}
