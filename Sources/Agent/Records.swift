internal import Digests
internal import Model
internal import Rollout
internal import Wire

/// The agent's durable records by name and type. A damaged one is an error that names it, never a
/// fresh start.
struct Records: Sendable {
  private static let participant = "rollout"
  private static let seal = "seal"
  private static let confirmed = "confirmed"
  private static let drift = "drift"

  let port: any RecordPort

  func loadParticipant() throws(Refusal) -> ParticipantRecord {
    try load(ParticipantRecord.self, Self.participant) ?? ParticipantRecord()
  }
  func save(_ record: ParticipantRecord) throws(Refusal) {
    try port.save(Self.participant, JSON.encode(record))
  }

  func loadSeal() throws(Refusal) -> Seal? { try load(Seal.self, Self.seal) }
  func save(_ seal: Seal) throws(Refusal) { try port.save(Self.seal, JSON.encode(seal)) }

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

  private func load<Value: Decodable>(
    _ type: Value.Type, _ name: String
  ) throws(Refusal) -> Value? {
    guard let bytes = try port.load(name) else { return nil }
    do { return try JSON.decode(type, from: bytes) } catch {
      throw Refusal(
        .configuration,
        "the agent's record \"\(name)\" cannot be read: \(error); it is not repaired by guessing, see docs/operations.md, \"A damaged record\""
      )
    }
  }
}
