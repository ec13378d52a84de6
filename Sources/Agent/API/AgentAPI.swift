// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
package import HTTP
internal import JSONCoding
package import Model
internal import Rollout
internal import Secrets
internal import Threads

extension Agent {
  /// Answers one request of a caller whose certificate says who it is. Blocks as long as a vote or
  /// a long poll takes.
  ///
  /// - Parameter certificateUntil: the end of the caller's certificate, seconds since 1970-01-01 UTC; nil where that is
  ///   not known.
  package func answer(
    _ request: HTTPRequest, from principal: Principal, certificateUntil: Int64? = nil
  ) -> HTTPResponse {
    let received = Clock.now()
    do throws(Refusal) {
      _ = try doorkeeper.standing(of: principal)
      guard let (route, argument) = Route.of(request, to: .agent) else {
        return .refusal(404, Route.unknown(request))
      }
      try route.permit(principal)
      try doorkeeper.permit(route, to: principal)
      if route == .metrics { return metrics(callerUntil: certificateUntil) }
      return .json(200, try answer(route, argument, request, from: principal, received))
    } catch {
      site.refusals.note(.request, error.code)
      let status: Int =
        switch error.code {
        case .notPermitted: 403
        case .validation: 400
        case .busy: 409
        default: 500
        }
      return .refusal(status, error)
    }
  }

  private func answer(
    _ route: Route, _ argument: String, _ request: HTTPRequest, from principal: Principal,
    _ received: Instant
  ) throws(Refusal) -> any Encodable {
    switch route {
    case .status:
      var status = status()
      if principal.role == .observer { status.report = status.report?.forObserver }
      return status
    case .clock:
      if let id = request.query(.rollout) { heard(of: id, principal) }
      return ClockReading(
        received: received, sent: Clock.now(), bootID: ports.process.bootID(),
        realtimeMicroseconds: Clock.realtimeMicroseconds())
    case .plan: return try plan(decode(request), by: principal)
    case .check:
      var check = check(for: principal.role, milliseconds: try integer(request, .timeout))
      if principal.role == .observer { check.report = check.report?.forObserver }
      return check
    case .reached: return try reached(request, by: principal.name)
    case .explain: return try explain(request.query(.name))
    case .generations: return try generations.answer()
    case .diff:
      return try generations.difference(
        from: number(argument, of: "generation"), to: integer(request, .to))
    case .logs: return try logs(request, for: principal.role)
    case .seal: return seals.view(seals.record())
    case .keyProofs: return proofs.answer()
    case .recoverSeal: return try seals.recover(by: principal.name)
    case .vote: return try vote(decode(request), by: principal, waiting: integer(request, .wait))
    case .promise, .accept, .decide, .breakOff:
      try permitMember(of: argument, principal)
      try permitStranger(of: argument, route, request, principal)
      return switch route {
      case .promise: try promise(decode(request), of: argument, to: principal)
      case .accept: try accept(decode(request), of: argument, from: principal)
      case .breakOff: try breakOff(decode(request), of: argument, from: principal)
      default: try decide(decode(request), of: argument, from: principal)
      }
    case .resolve: return try resolve(argument)
    case .confirm: return try member.confirm(by: principal)
    case .rollouts: return try timelines.rollouts()
    case .follow:
      try permitStranger(of: argument, route, request, principal)
      return try view(argument, request)
    case .result: return try summary.answer(decode(request), of: argument, by: principal)
    case .proposals: return proposals.view()
    case .tellProposal: return proposals.heard(try decode(request), of: principal.name)
    case .retryProposal: return try proposals.retry(decode(request))
    case .approveProposal: return try proposals.approve(decode(request), by: principal)
    case .requestCertificate: return try renewal.request()
    case .installCertificate: return try renewal.install(decode(request), by: principal)
    case .revoke: return try renewal.revoke(decode(request), by: principal)
    case .revocations:
      return try renewal.revocations(after: request.query(.after).flatMap { Int($0) })
    case .authorities: return try renewal.authorities()
    case .trust: return try renewal.trust(decode(request), by: principal)
    case .inventory: return inventoryAnswer(to: principal.role)
    case .metrics, .connectBack, .installInventory, .witnessRevocations,
      .checkProposal, .propose, .withdrawProposal, .ownProposal:
      preconditionFailure("\(route) is not answered as JSON here")
    }
  }

  private var renewal: Renewal { Renewal(name: node, credentials: credentials, log: ports.log) }

  func decode<Value: Decodable>(_ request: HTTPRequest) throws(Refusal) -> Value {
    do throws(JSONFailure) { return try JSON.decode(Value.self, from: request.body) } catch {
      throw Refusal(.validation, "the body of \(request.method) \(request.path): \(error)")
    }
  }

  func integer(_ request: HTTPRequest, _ name: Route.Parameter) throws(Refusal) -> Int? {
    guard let text = request.query(name) else { return nil }
    return try number(text, of: name.rawValue)
  }

  private func number(_ text: String, of name: String) throws(Refusal) -> Int {
    guard let value = Int(text), value >= 0 else {
      throw Refusal(.validation, "\(name)=\(text.prefix(32)) is not a whole number from 0 on")
    }
    return value
  }

  /// The proof for a witness that this agent is the one that asked it. Only a witness of the
  /// inventory is told, and only of a nonce that it has just been given.
  private func reached(_ request: HTTPRequest, by witness: String) throws(Refusal) -> ReachedAnswer
  {
    guard let nonce = request.query(.nonce).flatMap(Digest.init(hex:)),
      let challenge = request.query(.challenge).flatMap(Digest.init(hex:))
    else {
      throw Refusal(
        .validation, "nonce and challenge must be 64 lower-case hexadecimal digits each")
    }
    guard let proof = reversePath.proof(of: nonce, challenge: challenge, to: witness) else {
      throw Refusal(.validation, "\(node) has handed out no such nonce to \(witness) just now")
    }
    return ReachedAnswer(proof: proof)
  }

  // MARK: plan and vote

  private func plan(
    _ request: PlanRequest, by principal: Principal
  ) throws(Refusal) -> PlanAnswer {
    try permitCoordination(principal, request.request)
    try request.request.changes.validate()
    if let refusal = damage.refusal ?? site.inventories.obstacle { throw refusal }
    guard request.request.kind != .members else {
      throw Refusal(.validation, "a change of members is not planned here: GET /v1/inventory")
    }
    var answer = assessor.assess(request.request, seals.forPlan()).answer
    answer.inventory = site.inventories.reference
    if let members = request.members, answer.refusal == nil {
      answer.refusal = problem(withMembers: members)
    }
    if let refusal = answer.refusal { site.refusals.note(.plan, refusal.code) }
    if principal.role == .node, request.request.kind == .apply {
      proposals.seen(request.request, answer)
      if answer.refusal == nil, !ProposalKeeper.isInForce(answer) {
        answer.refusal = proposals.obstacle(to: request.request)
      }
    }
    return answer
  }

  private func vote(
    _ request: PrepareRequest, by principal: Principal, waiting milliseconds: Int?
  ) throws(Refusal) -> VoteAnswer {
    let rollout = request.rollout
    try permitCoordination(principal, request.request)
    try request.request.changes.validate()
    if let problem = problem(with: rollout, by: principal) ?? problem(of: request, principal) {
      return VoteAnswer(rollout: rollout.digest, refusal: problem, environmentDigest: nil)
    }
    if principal.role == .node, rollout.kind == .apply,
      let obstacle = proposals.obstacle(to: request.request)
    {
      return VoteAnswer(rollout: rollout.digest, refusal: obstacle, environmentDigest: nil)
    }
    return member.vote(
      request, isOfProposal: principal.role == .node && rollout.kind == .apply,
      waiting: milliseconds)
  }

  private func problem(with rollout: Rollout, by principal: Principal) -> Refusal? {
    if let refusal = damage.refusal { return refusal }
    // A node that was retired joins again by a change that has it.
    if rollout.change == nil, let obstacle = site.inventories.obstacle { return obstacle }
    if rollout.cluster != inventory.cluster {
      return Refusal(
        .vote, "the rollout is for cluster \(rollout.cluster), this is \(inventory.cluster)")
    }
    if rollout.createdBy != principal.author {
      return Refusal(
        .notPermitted,
        "the rollout says it is by \(rollout.createdBy), the certificate \(principal.author)")
    }
    if let problem = problem(withEpoch: rollout.epoch) { return Refusal(.vote, problem) }
    if rollout.change == nil {
      if let problem = problem(withMembers: rollout.members) { return problem }
      if let difference = rollout.inventory?.difference(from: site.inventories.reference) {
        return Refusal(.vote, difference)
      }
    }
    if (rollout.change != nil) != (rollout.kind == .members) {
      return Refusal(.vote, "the rollout's kind and what it changes do not belong together")
    }
    if rollout.change != nil, rollout.restartsServers || rollout.rollback != nil {
      return Refusal(.vote, "a change of members restarts no server")
    }
    if !rollout.id.isHex(digits: 16) {
      return Refusal(.vote, "the rollout's id is not 16 lower-case hexadecimal digits")
    }
    if rollout.undoes != nil, rollout.kind != .rollback {
      return Refusal(
        .vote,
        "the rollout is a \(rollout.kind.rawValue), and only a rollback takes another one back")
    }
    if let problem = rollout.occasion?.problem(in: rollout.kind) { return Refusal(.vote, problem) }
    if !rollout.restartsServers, rollout.change == nil,
      rollout.kind == .restart || rollout.undoes != nil || rollout.seal != nil
    {
      return Refusal(
        .vote, "the rollout says that it restarts no server, and what it does needs it")
    }
    if rollout.settleMilliseconds > Limits.settleMilliseconds {
      return Refusal(
        .vote,
        "a settle time of \(rollout.settleMilliseconds) ms is not in 0...\(Limits.settleMilliseconds)"
      )
    }
    for milliseconds in [
      rollout.prepareMilliseconds, rollout.stopMilliseconds, rollout.startMilliseconds,
    ] where milliseconds == 0 {
      return Refusal(.vote, "a deadline of 0 ms is not in 1...\(Limits.durationMilliseconds)")
    }
    return nil
  }

  /// Why the rollout is not one of what is asked for, or of the proposal that it says; nil if it is. A node brings
  /// nothing but proposals.
  private func problem(of request: PrepareRequest, _ principal: Principal) -> Refusal? {
    let rollout = request.rollout
    if rollout.kind != request.request.kind || rollout.undoes != request.request.undoes {
      return Refusal(.vote, "the rollout is another one than its request asks for")
    }
    if rollout.proposal == nil, principal.role == .operator || rollout.kind != .apply { return nil }
    let proposal = request.request.proposal(cluster: inventory.cluster)
    if rollout.kind == .apply, rollout.proposal == proposal { return nil }
    return Refusal(.vote, "the rollout says that it is of other settings than it brings")
  }

  /// Why these are not the members of a rollout here; nil if they are.
  private func problem(withMembers members: [String]) -> Refusal? {
    let own = inventory.memberNames
    if members == own { return nil }
    let (there, here) = (Set(members), Set(own))
    let differences = [
      ("lacks", there.subtracting(here)), ("has", here.subtracting(there)),
    ].filter { !$0.1.isEmpty }.map { "\($0.0) \(NodeNames.folded($0.1.sorted()))" }
    let words = differences.isEmpty ? "" : ": it \(differences.joined(separator: " and "))"
    return Refusal(
      .vote,
      "its inventory, number \(site.inventories.agreed.number), has other nodes than the rollout\(words); keyturn inventory diff shows it"
    )
  }

  func reply(_ input: ParticipantInput) throws(Refusal) -> ReplyAnswer {
    // What it does not remember it must not deny.
    if damage.hasLostPromises, let refusal = damage.refusal { throw refusal }
    switch member.perform(input) {
    case .success(let reply): return ReplyAnswer(reply)
    case nil: throw Refusal(.failed, "\(node): the machine gave no answer")
    case .failure(let refusal): throw refusal
    }
  }

  // MARK: long polls

  private func view(_ id: String, _ request: HTTPRequest) throws(Refusal) -> RolloutView {
    var known = try timelines.view(
      id, after: try integer(request, .after) ?? 0,
      wait: min(try integer(request, .wait) ?? 0, Limits.longPollMilliseconds)
    ) { end(of: id) }
    known?.rolloutResult = results.kept(id)?.rolloutResult
    // Its timeline tells of a rollout that its record has lost: who collects outcomes would wait for it without end.
    let now = rollouts.now
    if damage.hasLostPromises, let refusal = damage.refusal, known?.outcome == nil,
      now.record.active?.rollout.id != id, now.finished(id) == nil
    {
      throw refusal
    }
    if let known { return known }
    throw Refusal(.validation, "\(node) knows no rollout \(id.prefix(16))")
  }

  /// How a rollout ended, as far as that is known without its timeline.
  private func end(of id: String) -> RolloutView? {
    if let finished = rollouts.now.finished(id) {
      return RolloutView(
        id: id, events: [], report: finished.report, outcome: finished.outcome,
        rollout: RolloutHead(finished.rollout))
    }
    return results.kept(id)?.outcome
      .map { RolloutView(id: id, events: [], report: nil, outcome: $0) }
  }
}

extension [SettingChange] {
  /// Throws if they are too many, or not of MinIO.
  func validate() throws(Refusal) {
    if count > Limits.settingsInChange {
      throw Refusal(
        .validation,
        "\(count) settings in one change, \(Limits.settingsInChange) are allowed")
    }
    for change in self where !change.name.hasPrefix("MINIO_") {
      throw Refusal(.validation, "\(change.name.prefix(64)) is not a MINIO_* variable")
    }
  }
}
