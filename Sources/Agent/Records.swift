internal import Digests
internal import Model
internal import Rollout
internal import Wire

/// The agent's durable records by name and type. A damaged one is an error that names it, never a
/// fresh start.
struct Records: Sendable {
  private static let participant = "rollout"
  private static let seal = "seal"
  private static let sealDigest = "seal.digest"
  /// The name that a person with root gives to `seal`.
  private static let liftedSeal = "seal.lifted"
  private static let confirmed = "confirmed"
  private static let drift = "drift"

  let port: any RecordPort

  func loadParticipant() throws(Refusal) -> ParticipantRecord {
    try load(ParticipantRecord.self, Self.participant) ?? ParticipantRecord()
  }
  func save(_ record: ParticipantRecord) throws(Refusal) {
    try port.save(Self.participant, JSON.encode(record))
  }

  /// What the three records of the seal say together. A damaged one is said, not thrown: the agent
  /// lives on with it.
  func sealRecord(cluster: String) -> SealRecord {
    do throws(Refusal) {
      return SealRecord(
        seal: try read(Seal.self, Self.seal), written: try read(Digest.self, Self.sealDigest),
        lifted: try read(Seal.self, Self.liftedSeal)?.digest, cluster: cluster)
    } catch {
      // What to do about it is the judgement's to say, and follows in the same sentence.
      let text = error.message
      return .damaged(text.hasSuffix(".") ? String(text.dropLast()) : text)
    }
  }

  /// Writes the seal, and then its digest, by which its loss is noticed. A crash between the two is
  /// mended by ``completeSeal(_:)``.
  func save(_ seal: Seal) throws(Refusal) {
    try port.save(Self.seal, JSON.encode(seal))
    try port.save(Self.sealDigest, JSON.encode(seal.digest))
  }

  /// Writes the digest of a seal that can be relied on, if a crash left it unwritten.
  func completeSeal(_ seal: Seal) throws(Refusal) {
    if try load(Digest.self, Self.sealDigest) == seal.digest { return }
    try port.save(Self.sealDigest, JSON.encode(seal.digest))
  }

  /// Forgets that a seal was lifted: it is in force again.
  func removeLiftedSeal() throws(Refusal) { try port.remove(Self.liftedSeal) }

  func loadConfirmed() throws(Refusal) -> Confirmed? { try load(Confirmed.self, Self.confirmed) }
  func save(_ confirmed: Confirmed) throws(Refusal) {
    try port.save(Self.confirmed, JSON.encode(confirmed))
  }

  /// What was told of drift already.
  func loadDrift() throws(Refusal) -> [Agent.DriftLog.Entry] {
    try load([Agent.DriftLog.Entry].self, Self.drift) ?? []
  }
  func saveDrift(_ entries: [Agent.DriftLog.Entry]) throws(Refusal) {
    try port.save(Self.drift, JSON.encode(entries))
  }

  /// A record; a damaged one is told with where to read what to do.
  private func load<Value: Decodable>(
    _ type: Value.Type, _ name: String
  ) throws(Refusal) -> Value? {
    do throws(Refusal) { return try read(type, name) } catch {
      throw Refusal(
        error.code,
        "\(error.message) It is not repaired by guessing: docs/operations.md, \"A damaged record\"")
    }
  }

  private func read<Value: Decodable>(
    _ type: Value.Type, _ name: String
  ) throws(Refusal) -> Value? {
    guard let bytes = try port.load(name) else { return nil }
    do { return try JSON.decode(type, from: bytes) } catch {
      throw Refusal(.configuration, "the agent's record \"\(name)\" cannot be read: \(error).")
    }
  }
}
