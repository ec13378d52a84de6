// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What a hostile or broken peer may send: messages of ours, changed. A seed repeats it.
///
/// It changes numbers to the extremes and to just beside our limits, leaves fields out, gives them
/// another type, makes them huge, repeats them, mixes in values of other messages, sends an old
/// message for a new one, and sometimes what is no JSON at all.
package struct HostileGenerator: Sendable {
  private var random: SeededGenerator
  /// Leaves and whole messages that it has seen.
  private var leaves: [JSONTree] = []
  private var messages: [[UInt8]] = []

  private static let keptLeaves = 512
  private static let keptMessages = 64

  package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

  package mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[below(elements.count)]
  }

  package mutating func once(in times: Int) -> Bool { below(times) == 0 }

  /// A message in place of this one.
  package mutating func message(_ bytes: [UInt8]) -> [UInt8] {
    guard var tree = JSONTree(bytes) else { return raw(bytes) }
    remember(tree, bytes)
    // Late, or an answer to another question.
    if once(in: 20) { return pick(messages) }
    if once(in: 25) { return raw(bytes) }
    for _ in 0...below(3) { tree = changed(tree) }
    return tree.bytes
  }

  /// A query's value in place of this one.
  package mutating func query(_ value: String) -> String {
    once(in: 4)
      ? pick(["", "-", "x", "%", "\u{202E}", "1e3", " 1", "٣", "null"]) : number(near: value)
  }

  private mutating func remember(_ tree: JSONTree, _ bytes: [UInt8]) {
    for leaf in tree.leaves.prefix(32) {
      if leaves.count < Self.keptLeaves {
        leaves.append(leaf)
      } else {
        leaves[below(leaves.count)] = leaf
      }
    }
    if messages.count < Self.keptMessages {
      messages.append(bytes)
    } else {
      messages[below(messages.count)] = bytes
    }
  }

  /// No JSON, or none of ours.
  private mutating func raw(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    switch below(7) {
    case 0: return []
    case 1: return Array(bytes.prefix(below(bytes.count + 1)))
    case 2:
      if !bytes.isEmpty { bytes[below(bytes.count)] = UInt8(below(256)) }
      return bytes
    case 3: return Array(String(repeating: "[", count: 600).utf8)
    case 4: return bytes + bytes
    case 5: return Array(pick(["null", "[]", "{}", "0", "\"\"", "true"]).utf8)
    default: return [0xEF, 0xBB, 0xBF] + bytes
    }
  }

  // MARK: one change somewhere in the tree

  private mutating func changed(_ tree: JSONTree) -> JSONTree {
    switch tree {
    case .object(var fields):
      if fields.isEmpty || once(in: 6) { return reshaped(fields) }
      let index = below(fields.count)
      fields[index].value = changed(fields[index].value)
      return .object(fields)
    case .list(var values):
      if values.isEmpty || once(in: 3) { return reshaped(values) }
      let index = below(values.count)
      values[index] = changed(values[index])
      return .list(values)
    case .word(let word): return once(in: 5) ? anything() : .word(self.word(for: word))
    case .text(let text): return once(in: 5) ? anything() : .text(self.text(for: text))
    }
  }

  private mutating func reshaped(_ fields: [JSONTree.Field]) -> JSONTree {
    guard !fields.isEmpty else { return anything() }
    var fields = fields
    let (one, other) = (below(fields.count), below(fields.count))
    switch below(6) {
    case 0: fields.remove(at: one)
    case 1: fields.append(JSONTree.Field(fields[one].name, anything()))
    case 2: fields.append(JSONTree.Field("unknown", anything()))
    case 3: (fields[one].value, fields[other].value) = (fields[other].value, fields[one].value)
    case 4: fields[one].value = .word("null")
    default: return anything()
    }
    return .object(fields)
  }

  private mutating func reshaped(_ values: [JSONTree]) -> JSONTree {
    guard !values.isEmpty else { return .list([anything()]) }
    switch below(6) {
    case 0: return .list([])
    case 1: return .list(values + values)
    case 2: return .list(values.reversed())
    case 3: return .list(Array(values.dropFirst()))
    case 4: return .list([JSONTree](repeating: values[0], count: once(in: 50) ? 5_000 : 20))
    default: return .list(values + [anything()])
    }
  }

  private mutating func anything() -> JSONTree {
    switch below(7) {
    case 0: .word("null")
    case 1: .word(pick(["true", "false"]))
    case 2: .word(number(near: "0"))
    case 3: .text(text(for: ""))
    case 4: .list([])
    case 5: .object([])
    default: leaves.isEmpty ? .word("0") : pick(leaves)
    }
  }

  private mutating func word(for word: String) -> String {
    switch word {
    case "true": "false"
    case "false": "true"
    case "null": number(near: "0")
    default: number(near: word)
    }
  }

  // MARK: leaves

  /// Where arithmetic ends, and where our limits are.
  private static let edges: [Int64] = [
    0, -1, .min, .max, 1 << 31, 1 << 32, 1 << 53, 1 << 62, Int64(Int32.min),
    Limits.instantNanoseconds, -Limits.instantNanoseconds, Int64(Limits.epoch),
    Int64(Limits.serial), Limits.wallSeconds, Limits.wallSeconds * 1_000_000,
    Int64(Limits.generationNumber), Int64(Limits.firstGenerations), Int64(Limits.generationStep),
    Int64(Limits.durationMilliseconds), Int64(Limits.settleMilliseconds), Int64(Limits.count),
    Int64(Limits.longPollMilliseconds), 9_223_372_036_854,
  ]

  private mutating func number(near text: String) -> String {
    switch below(8) {
    case 0: return pick(["1e400", "-1e400", "1e18", "0.5", "-0", "1E2", "18446744073709551615"])
    case 1: return pick(["18446744073709551616", "99999999999999999999999", "1.0", "-1e-9"])
    case 2, 3:
      guard let number = Int64(text) else { return "1" }
      return "\(number.addingClamped(pick([-1, 1, -1_000, 1_000, 1_000_000_000, -1_000_000_000])))"
    case 4:
      guard let number = Int64(text) else { return "2" }
      return "\(number.multipliedClamped(by: pick([-1, 2, 1_000, 1_000_000])))"
    default: return "\(pick(Self.edges).addingClamped(pick([-1, 0, 0, 1])))"
    }
  }

  private mutating func text(for text: String) -> String {
    switch below(9) {
    case 0: return ""
    case 1: return String(repeating: "x", count: once(in: 20) ? 60_000 : 300)
    case 2:
      return pick(["\\u0000", "\\u001b[31m", "\\u202e", "\\ud800", "../../etc", "a\\nb", "%00"])
    case 3: return text + text
    case 4: return String(text.prefix { $0 != "\\" }.dropFirst())
    case 5:
      return pick(["minio-1", "minio-2", "minio-9", "alice", "node/minio-2", "boot-1", "commit"])
    case 6: return String(repeating: "f", count: pick([16, 64]))
    default:
      if !leaves.isEmpty, case .text(let other) = pick(leaves) { return other }
      return "other"
    }
  }
}
