// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import JSONCoding
internal import Model
internal import Secrets

/// The environment files that a node has kept. One durable record for each: what it is, as a line
/// of JSON, and then its bytes, so that a crash leaves both or neither. The current one is the one
/// with the highest number.
///
/// They hold secrets; records are 0600. A damaged one is an error for who needs that one.
struct History: Sendable {
  private static let folder = "generations"
  private static let digits = 8

  /// A generation and its file.
  struct Kept: Sendable, Hashable {
    var generation: Generation
    var bytes: [UInt8]
  }

  /// A value in one of the files that nothing may show.
  struct KeptSecret: Sendable, Hashable {
    let name: String
    let value: Secret
  }

  let port: any RecordPort

  /// The numbers of what is kept, ascending, damaged ones included. What is no generation's name is
  /// left out. Blocks on the disk.
  func numbers() throws(Refusal) -> [Int] {
    try port.list(Self.folder)
      .compactMap { name in
        // By bytes: "+1", a blank or a digit of another script makes no number.
        guard name.utf8.count == Self.digits, name.isDigits
        else { return nil }
        return Int(name)
      }
      .sorted()
  }

  /// A generation; nil if it is not kept. Blocks on the disk.
  func load(_ number: Int) throws(Refusal) -> Kept? {
    guard (0...Limits.generationNumber).contains(number),
      let record = try port.load(Self.name(number))
    else { return nil }
    let head = record.prefix { $0 != UInt8(ascii: "\n") }
    let bytes = Array(record.dropFirst(head.count + 1))
    do {
      let generation = try JSON.decode(Generation.self, from: Array(head))
      guard generation.number == number else {
        throw JSONFailure("it is number \(generation.number)")
      }
      guard generation.digest == Digest.sha256(bytes) else {
        throw JSONFailure("its bytes have another digest")
      }
      return Kept(generation: generation, bytes: bytes)
    } catch {
      throw Refusal(
        .configuration,
        "the agent's record \"\(Self.name(number))\" cannot be read: \(error); it is not used, see docs/use/trouble.md, \"A damaged record\""
      )
    }
  }

  /// Keeps a generation, durable when it returns. Blocks on the disk.
  func save(_ kept: Kept) throws(Refusal) {
    try port.save(
      Self.name(kept.generation.number),
      JSON.encode(kept.generation) + [UInt8(ascii: "\n")] + kept.bytes)
  }

  /// Forgets a generation; nothing happens if it is not kept. Blocks on the disk.
  func remove(_ number: Int) throws(Refusal) { try port.remove(Self.name(number)) }

  /// Forgets the oldest beyond the limit, first of all what a rollout and the one that took it back have
  /// left: settings that fail again and again must not push out the files that served. The last stays, and
  /// the one before it, to which the last may yet be taken back. Blocks on the disk.
  func prune() throws(Refusal) {
    let all = try numbers()
    if all.count <= Limits.generations { return }
    let undone = undone(all)
    let order = all.dropLast(2).filter(undone.contains) + all.filter { !undone.contains($0) }
    for number in order.prefix(all.count - Limits.generations) { try remove(number) }
  }

  /// The numbers of what a rollout that was taken back has left, and of what took it back.
  private func undone(_ numbers: [Int]) -> Set<Int> {
    let kept = numbers.compactMap { (try? load($0))?.generation }
    let rollouts = Set(kept.compactMap(\.undoes))
    return Set(
      kept.filter { $0.undoes != nil || rollouts.contains($0.rollout) }.map(\.number))
  }

  private static func name(_ number: Int) -> String {
    let text = String(number)
    return "\(folder)/" + String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
