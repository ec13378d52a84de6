// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import JSONCoding
internal import KeyManager
internal import Model
internal import Rollout

/// The agent's durable records by name and type. A damaged one is an error that names it, never a
/// fresh start.
struct Records: Sendable {
  let port: any RecordPort

  /// The inventory that was agreed on.
  var inventory: Record<KeptInventory> { Record("inventory", port) }
  /// What a member has promised.
  var participant: Record<ParticipantRecord> { Record("rollout", port) }
  /// The life of the state directory.
  var incarnation: Record<Incarnation> { Record("incarnation", port) }
  /// What drift is measured against.
  var confirmed: Record<Confirmed> { Record("confirmed", port) }
  /// What was told of drift already.
  var drift: Record<[DriftLog.Entry]> { Record("drift", port) }
  /// Which starts a rollback holds.
  var hold: Record<StartHold> { Record(StartHold.record, port) }
  /// The results of the last rollouts.
  var results: Record<[KeptResult]> { Record("results", port) }
  /// Whose outcomes are to be collected.
  var collecting: Record<CollectingRecord> { Record("collecting", port) }
  /// What configuration management has handed to this node; holds secrets.
  var proposal: Record<ProposalRecord> { Record("proposal", port) }
  /// What proves the sealed key.
  var proofs: Record<KeyProofs> { Record("proofs", port) }
  private var sealDigest: Record<Digest> { Record(SealFile.digest.rawValue, port) }

  /// Whether there is a record of what the member has promised, whole or damaged.
  var hasParticipant: Bool {
    do throws(Refusal) { return try port.load(participant.name) != nil } catch { return true }
  }
  /// What a member has promised, nothing if there is no record.
  ///
  /// - Throws: also if that was promised by another incarnation: somebody has put the records of two state directories
  ///   together, and which of them is forgotten is not known.
  func loadParticipant(
    of node: String, incarnation: Incarnation?
  ) throws(Refusal) -> ParticipantRecord {
    let record = try participant.load() ?? ParticipantRecord()
    if let problem = record.active?.rollout.problem() {
      throw Refusal(
        .configuration,
        "the agent's record \"\(participant.name)\" cannot be gone on with: \(problem); docs/use/trouble.md, \"A damaged record\""
      )
    }
    if let incarnation, let own = record.active?.rollout.content(of: node)?.incarnation,
      own != incarnation
    {
      throw Refusal(
        .configuration,
        "the agent's records \"\(participant.name)\" and \"incarnation\" are of two state directories, \(own) and \(incarnation): what this node has promised in rollout \(record.active?.rollout.id ?? "") is not known; docs/use/trouble.md, \"A damaged record\""
      )
    }
    return record
  }

  /// What the records of the seal say together.
  func sealRecord(cluster: String) -> SealRecord {
    SealRecord(cluster: cluster) { file throws(Refusal) in try port.load(file.rawValue) }
  }

  /// Writes the seal, and then its digest, by which its loss is noticed. A crash between the two is
  /// mended by ``completeSeal(_:)``.
  func save(_ seal: Seal) throws(Refusal) {
    try port.save(SealFile.seal.rawValue, JSON.encode(seal))
    try sealDigest.save(seal.digest)
  }

  /// Writes the digest of a seal that can be relied on, if a crash left it unwritten.
  func completeSeal(_ seal: Seal) throws(Refusal) {
    if try sealDigest.load() == seal.digest { return }
    try sealDigest.save(seal.digest)
  }

  /// Forgets that a seal was lifted: it is in force again.
  func removeLiftedSeal() throws(Refusal) { try port.remove(SealFile.lifted.rawValue) }
}

/// One of the durable records.
struct Record<Value: Codable>: Sendable {
  let name: String
  private let port: any RecordPort

  init(_ name: String, _ port: any RecordPort) {
    self.name = name
    self.port = port
  }

  /// Nil if there is none; a damaged one is told with where to read what to do. Blocks on the disk.
  func load() throws(Refusal) -> Value? {
    do {
      guard let bytes = try port.load(name) else { return nil }
      return try JSON.decode(Value.self, from: bytes)
    } catch {
      let why =
        error as? Refusal
        ?? Refusal(.configuration, "the agent's record \"\(name)\" cannot be read: \(error)")
      throw Refusal(
        why.code,
        "\(why.message); it is not repaired by guessing: docs/use/trouble.md, \"A damaged record\"")
    }
  }

  /// Durable when it returns. Blocks on the disk.
  func save(_ value: Value) throws(Refusal) { try port.save(name, JSON.encode(value)) }

  func remove() throws(Refusal) { try port.remove(name) }
}
