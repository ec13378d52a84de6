// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import JSONCoding
internal import Model
internal import Rollout

/// The agent's durable records by name and type. A damaged one is an error that names it, never a
/// fresh start.
struct Records: Sendable {
  private static let participant = "rollout"
  private static let confirmed = "confirmed"
  private static let drift = "drift"

  let port: any RecordPort

  /// Whether there is a record of what the member has promised, whole or damaged.
  var hasParticipant: Bool {
    do throws(Refusal) { return try port.load(Self.participant) != nil } catch { return true }
  }
  /// What a member has promised.
  ///
  /// - Throws: also if that was promised by another incarnation: somebody has put the records of two state directories
  ///   together, and which of them is forgotten is not known.
  func loadParticipant(
    of node: String, incarnation: Incarnation?
  ) throws(Refusal) -> ParticipantRecord {
    let record = try load(ParticipantRecord.self, Self.participant) ?? ParticipantRecord()
    if let incarnation, let own = record.active?.rollout.content(of: node)?.incarnation,
      own != incarnation
    {
      throw Refusal(
        .configuration,
        "the agent's records \"\(Self.participant)\" and \"incarnation\" are of two state directories, \(own) and \(incarnation): what this node has promised in rollout \(record.active?.rollout.id ?? "") is not known; docs/use/trouble.md, \"A damaged record\""
      )
    }
    return record
  }
  func save(_ record: ParticipantRecord) throws(Refusal) {
    try port.save(Self.participant, JSON.encode(record))
  }

  /// The life of the state directory; nil if it has none yet.
  func loadIncarnation() throws(Refusal) -> Incarnation? {
    try load(Incarnation.self, "incarnation")
  }
  func save(_ incarnation: Incarnation) throws(Refusal) {
    try port.save("incarnation", JSON.encode(incarnation))
  }

  /// What the records of the seal say together.
  func sealRecord(cluster: String) -> SealRecord {
    SealRecord(cluster: cluster) { file throws(Refusal) in try port.load(file.rawValue) }
  }

  /// Writes the seal, and then its digest, by which its loss is noticed. A crash between the two is
  /// mended by ``completeSeal(_:)``.
  func save(_ seal: Seal) throws(Refusal) {
    try port.save(SealFile.seal.rawValue, JSON.encode(seal))
    try port.save(SealFile.digest.rawValue, JSON.encode(seal.digest))
  }

  /// Writes the digest of a seal that can be relied on, if a crash left it unwritten.
  func completeSeal(_ seal: Seal) throws(Refusal) {
    if try load(Digest.self, SealFile.digest.rawValue) == seal.digest { return }
    try port.save(SealFile.digest.rawValue, JSON.encode(seal.digest))
  }

  /// Forgets that a seal was lifted: it is in force again.
  func removeLiftedSeal() throws(Refusal) { try port.remove(SealFile.lifted.rawValue) }

  func loadConfirmed() throws(Refusal) -> Confirmed? { try load(Confirmed.self, Self.confirmed) }
  func save(_ confirmed: Confirmed) throws(Refusal) {
    try port.save(Self.confirmed, JSON.encode(confirmed))
  }

  /// Which starts a rollback holds; nil for none.
  func loadHold() throws(Refusal) -> StartHold? {
    try load(StartHold.self, StartHold.record)
  }
  func save(_ hold: StartHold) throws(Refusal) {
    try port.save(StartHold.record, JSON.encode(hold))
  }
  func removeHold() throws(Refusal) { try port.remove(StartHold.record) }

  /// The results of the last rollouts.
  func loadResults() throws(Refusal) -> [KeptResult] {
    try load([KeptResult].self, "results") ?? []
  }
  func save(_ results: [KeptResult]) throws(Refusal) {
    try port.save("results", JSON.encode(results))
  }

  /// Whose outcomes are to be collected; nil for none.
  func loadCollecting() throws(Refusal) -> CollectingRecord? {
    try load(CollectingRecord.self, "collecting")
  }
  func save(_ collecting: CollectingRecord) throws(Refusal) {
    try port.save("collecting", JSON.encode(collecting))
  }
  func removeCollecting() throws(Refusal) { try port.remove("collecting") }

  /// What configuration management has handed to this node; holds secrets.
  func loadProposal() throws(Refusal) -> ProposalRecord? {
    try load(ProposalRecord.self, "proposal")
  }
  func save(_ proposal: ProposalRecord) throws(Refusal) {
    try port.save("proposal", JSON.encode(proposal))
  }

  /// What was told of drift already.
  func loadDrift() throws(Refusal) -> [DriftLog.Entry] {
    try load([DriftLog.Entry].self, Self.drift) ?? []
  }
  func saveDrift(_ entries: [DriftLog.Entry]) throws(Refusal) {
    try port.save(Self.drift, JSON.encode(entries))
  }

  /// A record; a damaged one is told with where to read what to do.
  private func load<Value: Decodable>(
    _ type: Value.Type, _ name: String
  ) throws(Refusal) -> Value? {
    do throws(Refusal) { return try read(type, name) } catch {
      throw Refusal(
        error.code,
        "\(error.message); it is not repaired by guessing: docs/use/trouble.md, \"A damaged record\""
      )
    }
  }

  private func read<Value: Decodable>(
    _ type: Value.Type, _ name: String
  ) throws(Refusal) -> Value? {
    guard let bytes = try port.load(name) else { return nil }
    do { return try JSON.decode(type, from: bytes) } catch {
      throw Refusal(.configuration, "the agent's record \"\(name)\" cannot be read: \(error)")
    }
  }
}
