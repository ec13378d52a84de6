// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import Threads

/// The files of before a rollout, kept so that it can be taken back also where they were no
/// generation: changed by hand since, or never confirmed. What was never confirmed and was rolled
/// back from is kept for its secrets: the server may have printed them.
extension Agent {
  static let replacedFolder = "before"

  /// Keeps the file that a rollout is to replace, unless the last generation is that file. Durable
  /// when it returns. Blocks on the disk.
  func keepBefore(_ bytes: [UInt8]?, _ rollout: Rollout) throws(Refusal) {
    guard let bytes, let content = rollout.content(of: node), content.before != content.after
    else { return }
    let last = state.withLock { $0.participant.record.lastCommitted?.rollout.id }
    for name in try ports.records.list(Self.replacedFolder) where name != last {
      try ports.records.remove("\(Self.replacedFolder)/\(name)")
    }
    if state.withLock({ $0.generation?.digest }) == content.before { return }
    try ports.records.save("\(Self.replacedFolder)/\(rollout.id)", bytes)
  }

  /// What the last committed rollout replaced here. Blocks on the disk.
  func beforeLast(_ id: String) throws(Refusal) -> History.Kept {
    guard let last = state.withLock({ $0.participant.record.lastCommitted })?.rollout,
      last.id == id, let content = last.content(of: node)
    else {
      throw Refusal(.vote, "\(node): rollout \(id) is not the last one that was committed there")
    }
    guard let before = content.before else {
      throw Refusal(.vote, "\(node) had no file before rollout \(id)")
    }
    for number in try history.numbers().reversed() {
      // A damaged one is not the one that is looked for.
      if let kept = try? history.load(number), kept.generation.digest == before,
        kept.generation.path == content.path
      {
        return kept
      }
    }
    guard let bytes = try ports.records.load("\(Self.replacedFolder)/\(id)"),
      Digest.sha256(bytes) == before
    else {
      throw Refusal(
        .vote,
        "\(node) has not kept the file that rollout \(id) replaced; keyturn history shows what it has"
      )
    }
    return History.Kept(
      generation: Generation(
        number: 0, path: content.path, digest: before, rollout: id, kind: nil,
        createdBy: last.createdBy, confirmedAtMicroseconds: 0),
      bytes: bytes)
  }
}
