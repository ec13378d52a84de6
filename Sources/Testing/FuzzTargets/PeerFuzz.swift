// SPDX-License-Identifier: Apache-2.0
internal import API
internal import HTTP
internal import JSONCoding
internal import KeyManager
internal import Model
internal import Rollout

/// What agents, operators and witnesses send each other, and what an agent keeps: whatever the
/// decoders take is written and read as the same, and no number in it can overflow arithmetic.
enum PeerFuzz {
  // MARK: the API

  /// The first byte says which body it is.
  static func request(_ bytes: [UInt8]) -> String? {
    let body = Array(bytes.dropFirst())
    switch (bytes.first ?? 0) % 27 {
    case 0: return again(PlanRequest.self, body)
    case 1: return prepare(body)
    case 2: return again(PromiseRequest.self, body)
    case 3: return again(AcceptRequest.self, body)
    case 4: return again(DecisionRequest.self, body)
    case 5: return again(RolloutResult.self, body)
    case 6: return again(MemberProposal.self, body)
    case 7: return again(RolloutRequest.self, body)
    case 8: return again(WitnessRequest.self, body)
    case 9: return again(PlanAnswer.self, body)
    case 10: return again(VoteAnswer.self, body)
    case 11: return again(ReplyAnswer.self, body)
    case 12: return clock(body)
    case 13: return again(NodeStatus.self, body)
    case 14: return again(RolloutView.self, body)
    case 15: return again(RolloutsAnswer.self, body)
    case 16: return again(HistoryAnswer.self, body)
    case 17: return again(DiffAnswer.self, body)
    case 18: return again(CheckAnswer.self, body)
    case 19: return again(ExplainAnswer.self, body)
    case 20: return again(LogsAnswer.self, body)
    case 21: return again(SealView.self, body) ?? again(SealRecovery.self, body)
    case 22: return again(ProposalsView.self, body)
    case 23: return again(ReverseReport.self, body) ?? refusal(body)
    case 24:
      return again(NewCertificate.self, body) ?? again(CertificateRequestAnswer.self, body)
        ?? again(CertificateAnswer.self, body)
    case 25:
      return again(SignedRevocations.self, body) ?? again(Revocations.self, body)
        ?? again(SignedAuthorities.self, body) ?? again(Authorities.self, body)
        ?? again(AuthoritiesAnswer.self, body)
    default: return join(body)
    }
  }

  private static func join(_ body: [UInt8]) -> String? {
    guard let file = try? JoinFile(body) else { return nil }
    guard let read = try? JoinFile(file.bytes), read.bytes == file.bytes else {
      return "a join file is not read as it is written"
    }
    return file.inventory.problems().isEmpty ? nil : "a join file has an inventory with problems"
  }

  private static func refusal(_ body: [UInt8]) -> String? {
    guard let no = try? HTTPResponse(403, body: body).refusal() else { return nil }
    return (try? HTTPResponse.refusal(403, no).refusal()) == no ? nil : "a refusal differs"
  }

  /// Reads, writes and reads again: the same both times, and each number within its range.
  private static func again<Value: Codable>(
    _ type: Value.Type, _ body: [UInt8], _ look: (Value) -> String? = { _ in nil }
  ) -> String? {
    guard let value = try? JSON.decode(type, from: body) else { return nil }
    let written = JSON.encode(value)
    guard let read = try? JSON.decode(type, from: written), JSON.encode(read) == written else {
      return "\(type): what is written is not read as the same"
    }
    return numbers(written).map { "\(type): \($0)" } ?? look(value)
  }

  /// Sums of a few numbers must not overflow, so none may be near the end of the range.
  private static func numbers(_ json: [UInt8]) -> String? {
    var isText = false
    var isEscaped = false
    var digits: [UInt8] = []
    for byte in json + [UInt8(ascii: " ")] {
      if isText {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isText = false
        }
        continue
      }
      if byte == UInt8(ascii: "\"") { isText = true }
      if byte.isDigit || byte == UInt8(ascii: "-") {
        digits.append(byte)
        continue
      }
      if !digits.isEmpty {
        let text = String(decoding: digits, as: UTF8.self)
        guard let number = Int64(text), number.magnitude <= Limits.instantNanoseconds.magnitude
        else { return "the number \(text) is too large" }
        digits = []
      }
    }
    return nil
  }

  private static func prepare(_ body: [UInt8]) -> String? {
    again(PrepareRequest.self, body) { request in
      let rollout = request.rollout
      _ = (rollout.digest, rollout.plan, rollout.majority, rollout.watchMilliseconds)
      let name = rollout.members.first ?? ""
      var member = Participant(
        member: name, incarnation: rollout.content(of: name)?.incarnation,
        record: ParticipantRecord(), times: RecoveryTimes())
      _ = run(&member, [.prepare(rollout), .started])
      return nil
    }
  }

  private static func clock(_ body: [UInt8]) -> String? {
    again(ClockReading.self, body) { reading in
      let own = Instant(nanoseconds: 1 << 50)
      let sample = ClockSample(
        requestSent: own, requestReceived: reading.received, answerSent: reading.sent,
        answerReceived: own.advanced(byMilliseconds: 3), bootID: reading.bootID)
      var estimate = ClockEstimate(sample)
      estimate.add(sample)
      _ = (estimate.boundNanoseconds, estimate.translate(own), estimate.translateBack(reading.sent))
      _ = CalendarTime.text(microseconds: reading.realtimeMicroseconds)
      return nil
    }
  }

  // MARK: records

  /// The first byte says which record it is.
  static func record(_ bytes: [UInt8]) -> String? {
    let body = Array(bytes.dropFirst())
    switch (bytes.first ?? 0) % 5 {
    case 0:
      return again(ParticipantRecord.self, body) { record in
        for member in record.active?.rollout.members.prefix(2) ?? ["minio-1"] {
          var participant = Participant(
            member: member, incarnation: record.active?.rollout.content(of: member)?.incarnation,
            record: record, times: RecoveryTimes())
          if let problem = live(&participant, record) { return problem }
        }
        return nil
      }
    case 1: return seal(body)
    case 2: return again(StartHold.self, body)
    case 3: return again(Generation.self, body)
    default: return again(ClockSample.self, body)
    }
  }

  private static func seal(_ body: [UInt8]) -> String? {
    let record = SealRecord(cluster: "prod") { file throws(Refusal) in
      file == .seal ? body : nil
    }
    guard let seal = record.seal else { return nil }
    if seal.cluster != "prod" { return "a seal of another cluster is relied on" }
    return again(Seal.self, body) { _ in nil }
  }

  /// What a member does with its record when it is started, and what others may then ask it.
  private static func live(_ member: inout Participant, _ record: ParticipantRecord) -> String? {
    let key =
      record.active?.rollout.key(for: member.member)
      ?? RolloutKey(id: "ffffffffffffffff", epoch: 7, addressee: member.incarnation)
    let ballot = Ballot(round: (record.active?.promised.round ?? 0), proposer: "minio-2")
    let effects = run(
      &member,
      [
        .started, .woke, .promise(key, ballot),
        .accept(key, BallotValue(ballot: ballot, decision: .commit, instant: nil, bootID: "")),
        .decided(key, .commit, instant: nil, bootID: "", reason: ""),
      ])
    for case .persist(let written) in effects where written.highestEpoch < record.highestEpoch {
      return "a lower epoch is written than was read"
    }
    return nil
  }

  private static func run(
    _ member: inout Participant, _ inputs: [ParticipantInput]
  ) -> [ParticipantEffect] {
    let moment = Moment(
      now: Instant(nanoseconds: 1 << 50), bootID: "boot-1", jitterMilliseconds: 7)
    return inputs.flatMap { member.handle($0, at: moment) }
  }

  // MARK: the inventory

  /// A file that people write: what is taken of it is used.
  static func inventory(_ bytes: [UInt8]) -> String? {
    guard let inventory = try? JSON.decode(Inventory.self, from: bytes) else { return nil }
    _ = JSON.ignored(in: bytes, by: inventory)
    if !inventory.problems().isEmpty { return nil }
    let seconds = inventory.timeouts
    let whole = seconds.prepareSeconds + seconds.stopSeconds + seconds.startSeconds
    if whole * 1_000 > 3 * Limits.durationMilliseconds { return "times of more than three days" }
    if inventory.memberNames.count != Set(inventory.memberNames).count {
      return "two nodes of one name"
    }
    for node in inventory.nodes where node.agentPlace == nil || node.serverPlace == nil {
      return "a node without a place"
    }
    return again(Inventory.self, bytes)
  }
}
