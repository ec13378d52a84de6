// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import Rollout
internal import Threads

/// What the agent's records say at its start. Each is read by itself: a damaged one must not hide the others. A record
/// that the agent does without is nil or empty where it is damaged. Holds secrets: whoever keeps a part of it keeps that
/// part alone.
struct StoredState {
  /// The life of the state directory; nil if the record of it is damaged or could not be written, and then the node
  /// votes on nothing.
  private(set) var incarnation: Incarnation?
  private(set) var participant = ParticipantRecord()
  /// Nil where nothing was agreed on yet, and where the record is damaged.
  private(set) var inventory: KeptInventory?
  /// The number of the last generation; 0 if there is none.
  private(set) var lastGeneration = 0
  private(set) var confirmed: Confirmed?
  private(set) var drift: [DriftLog.Entry] = []
  private(set) var results: [KeptResult] = []
  private(set) var proposal = ProposalRecord.forgotten
  private(set) var proofs: KeyProofs?
  private(set) var damage = RecordDamage()

  /// Blocks on the disk.
  init(_ site: Site, _ history: History) {
    let records = site.records
    incarnation = need { () throws(Refusal) in try Self.incarnation(in: records) }
    let incarnation = incarnation
    let record = need { () throws(Refusal) in
      try records.loadParticipant(of: site.node, incarnation: incarnation)
    }
    // Without an incarnation it goes on with what was decided, and answers nobody.
    damage.hasLostPromises = incarnation == nil || record == nil
    participant = record ?? ParticipantRecord()
    let agreed = need { () throws(Refusal) in try Self.inventory(of: site) }
    inventory = agreed ?? nil
    site.inventories.resume(
      inventory, incarnation: incarnation, isDamaged: agreed == nil,
      active: participant.active?.rollout)
    let number = need { () throws(Refusal) in try history.numbers().last ?? 0 }
    damage.hasLostGenerations = number == nil
    lastGeneration = number ?? 0

    confirmed = use(.confirmed, site) { () throws(Refusal) in try records.confirmed.load() } ?? nil
    drift = use(.drift, site) { () throws(Refusal) in try records.drift.load() ?? [] } ?? []
    results = use(.results, site) { () throws(Refusal) in try records.results.load() ?? [] } ?? []
    proofs =
      use(.proofs, site) { () throws(Refusal) in try records.proofs.load() ?? KeyProofs() }
    _ = use(.collecting, site) { () throws(Refusal) in try records.collecting.load() }
    proposal =
      use(.proposal, site) { () throws(Refusal) in try records.proposal.load() ?? ProposalRecord() }
      ?? ProposalRecord.forgotten
    for record in damage.records where record.finding.severity == .error {
      site.log(.error, record.finding.message)
    }
  }

  /// A record without which nothing may be voted on.
  private mutating func need<Value>(_ read: () throws(Refusal) -> Value) -> Value? {
    do throws(Refusal) { return try read() } catch {
      damage.refusal = damage.refusal ?? error
      damage.records.append(DamagedRecord(error))
      return nil
    }
  }

  /// A record that the agent does without.
  private mutating func use<Value>(
    _ kind: DamagedRecord.Kind, _ site: Site,
    _ read: @escaping @Sendable () throws(Refusal) -> Value
  ) -> Value? {
    do throws(Refusal) { return try read() } catch {
      site.log(.warning, error.message)
      damage.records.append(
        DamagedRecord(kind, error) { () throws(Refusal) in _ = try read() })
      return nil
    }
  }

  private static func inventory(of site: Site) throws(Refusal) -> KeptInventory? {
    guard let kept = try site.records.inventory.load() else { return nil }
    guard let problem = kept.problem(in: site.inventories.file.cluster) else { return kept }
    throw Refusal(
      .configuration,
      "the agent's record \"inventory\" cannot be used: \(problem); docs/use/trouble.md, \"A damaged record\""
    )
  }

  /// The one that the state directory has; a new one, durable, where it has none: it is new, or from a version
  /// without them.
  private static func incarnation(in records: Records) throws(Refusal) -> Incarnation {
    // Without the record of what was promised, which is there from the first start on, it is a new life.
    let (known, isWhole) = (try records.incarnation.load(), records.hasParticipant)
    if let known, isWhole { return known }
    let new = Incarnation.random()
    try records.incarnation.save(new)
    if !isWhole { try records.participant.save(ParticipantRecord()) }
    return new
  }
}

/// What of the agent's records was damaged at its start.
struct RecordDamage: Sendable {
  /// Why no rollout may be voted on.
  fileprivate(set) var refusal: Refusal?
  /// The record of what the member has promised is damaged: it can answer nobody.
  fileprivate(set) var hasLostPromises = false
  /// Which generations are kept could not be read: none is added.
  fileprivate(set) var hasLostGenerations = false
  /// All records that could not be read.
  fileprivate(set) var records: [DamagedRecord] = []
}

extension Incarnation {
  static func random() -> Incarnation {
    Incarnation(random: RandomNumbers.word(), RandomNumbers.word())
  }
}
