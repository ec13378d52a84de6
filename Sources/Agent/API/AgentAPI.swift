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
  /// Whatever is not in the table of Core/API/RolloutMessages.swift is refused; so is every caller of another cluster.
  package func answer(_ request: HTTPRequest, from principal: Principal) -> HTTPResponse {
    let received = Clock.now()
    guard principal.cluster == inventory.cluster else {
      return refuse(
        403, .notPermitted,
        "the certificate of \(principal.name) is for cluster \(principal.cluster), this is \(inventory.cluster)"
      )
    }
    let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
      .map(String.init)
    do throws(Refusal) {
      switch (request.method, parts.count, parts.first, parts.dropFirst().first) {
      case ("GET", 2, "v1", "status"):
        try permit(principal, [.observer, .operator, .node])
        return .json(200, status())
      case ("GET", 1, "metrics", nil):
        try permit(principal, [.observer, .operator])
        return metrics()
      case ("GET", 2, "v1", "clock"):
        try permit(principal, [.operator, .node])
        if let id = request.query("rollout") { heard(of: id, principal) }
        return .json(
          200,
          ClockReading(
            received: received, sent: Clock.now(), bootID: ports.process.bootID(),
            realtimeMicroseconds: Clock.realtimeMicroseconds()))
      case ("POST", 2, "v1", "plan"):
        try permitCoordinator(principal)
        return .json(200, try plan(decode(request), by: principal))
      case ("POST", 2, "v1", "check"):
        try permit(principal, [.observer, .operator])
        return .json(200, check(for: principal.role, milliseconds: try integer(request, "timeout")))
      case ("GET", 2, "v1", "reached"):
        try permit(principal, [.witness])
        return .json(200, try reached(request, by: principal.name))
      case ("GET", 2, "v1", "generations"):
        try permit(principal, [.observer, .operator])
        return .json(200, try generations.answer())
      case ("GET", 4, "v1", "generations") where parts[3] == "diff":
        try permit(principal, [.observer, .operator])
        return .json(
          200,
          try generations.difference(
            from: number(parts[2], of: "generation"), to: integer(request, "to")))
      case ("GET", 2, "v1", "explain"):
        try permit(principal, [.observer, .operator])
        return .json(200, try explain(request.query("name")))
      case ("GET", 2, "v1", "logs"):
        try permit(principal, [.observer, .operator])
        return .json(200, try logs(request, for: principal.role))
      case ("GET", 2, "v1", "seal"):
        try permit(principal, [.observer, .operator, .node])
        return .json(200, seals.view(seals.record()))
      case ("POST", 3, "v1", "seal") where parts[2] == "recover":
        try permit(principal, [.operator])
        return .json(200, try seals.recover(by: principal.name))
      case ("POST", 2, "v1", "rollouts"):
        try permitCoordinator(principal)
        return .json(
          200, try vote(decode(request), by: principal, waiting: integer(request, "wait")))
      case ("GET", 2, "v1", "rollouts"):
        try permit(principal, [.observer, .operator, .node])
        return .json(200, try timelines.rollouts())
      case ("GET", 3, "v1", "rollouts"):
        try permit(principal, [.observer, .operator, .node])
        return .json(200, try view(parts[2], request))
      case ("POST", 4, "v1", "rollouts") where parts[3] == "result":
        try permit(principal, [.operator, .node])
        return .json(200, try summary.answer(decode(request), of: parts[2], by: principal))
      case ("GET", 2, "v1", "proposals"):
        try permit(principal, [.observer, .operator, .node])
        return .json(200, proposals.view())
      case ("POST", 2, "v1", "proposals"):
        try permit(principal, [.node])
        return .json(200, proposals.heard(try decode(request), of: principal.name))
      case ("POST", 3, "v1", "proposals") where parts[2] == "retry":
        try permit(principal, [.operator])
        return .json(200, try proposals.retry(decode(request)))
      case ("POST", 4, "v1", "rollouts") where Self.steps.contains(parts[3]):
        return try answerStep(parts[3], of: parts[2], request, from: principal)
      default:
        return refuse(
          404, .validation, "there is no \(request.method) \(request.path) in this agent's API")
      }
    } catch {
      let status: Int =
        switch error.code {
        case .notPermitted: 403
        case .validation: 400
        case .busy: 409
        default: 500
        }
      return refuse(status, error.code, error.message)
    }
  }

  private static let steps = ["promise", "accept", "decision", "resolve"]

  private func refuse(_ status: Int, _ kind: RefusalCode, _ message: String) -> HTTPResponse {
    .json(status, ErrorAnswer(kind: kind, message: message))
  }

  func decode<Value: Decodable>(_ request: HTTPRequest) throws(Refusal) -> Value {
    do throws(JSONFailure) { return try JSON.decode(Value.self, from: request.body) } catch {
      throw Refusal(.validation, "the body of \(request.method) \(request.path): \(error)")
    }
  }

  func integer(_ request: HTTPRequest, _ name: String) throws(Refusal) -> Int? {
    guard let text = request.query(name) else { return nil }
    return try number(text, of: name)
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
    guard inventory.keyManager(named: witness)?.witness != nil else {
      throw Refusal(.notPermitted, "\(witness) is no witness in the inventory of \(node)")
    }
    guard let nonce = request.query("nonce").flatMap(Digest.init(hex:)),
      let challenge = request.query("challenge").flatMap(Digest.init(hex:))
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
    if let refusal = damage.refusal { throw refusal }
    var answer = assessor.assess(request.request, seals.forPlan()).answer
    if let members = request.members, answer.refusal == nil {
      answer.refusal = problem(withMembers: members)
    }
    if principal.role == .node, request.request.kind == .apply {
      proposals.seen(request.request, answer)
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
    return member.vote(
      request, isOfProposal: principal.role == .node && rollout.kind == .apply,
      waiting: milliseconds)
  }

  private func problem(with rollout: Rollout, by principal: Principal) -> Refusal? {
    if let refusal = damage.refusal { return refusal }
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
    if let problem = problem(withMembers: rollout.members) { return problem }
    if !rollout.id.isHex(digits: 16) {
      return Refusal(.vote, "the rollout's id is not 16 lower-case hexadecimal digits")
    }
    if rollout.undoes != nil, rollout.kind != .rollback {
      return Refusal(
        .vote,
        "the rollout is a \(rollout.kind.rawValue), and only a rollback takes another one back")
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
      "its inventory has other nodes than the rollout\(words); make the inventories the same on every host, and restart the agents that had another"
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
    let view = try timelines.view(
      id, after: try integer(request, "after") ?? 0,
      wait: min(try integer(request, "wait") ?? 0, Limits.longPollMilliseconds)
    ) { rollouts.now.finished(id) }
    let result = results.kept(id)
    // Its timeline may have made room for others.
    var known =
      view
      ?? result?.outcome.map { RolloutView(id: id, events: [], report: nil, outcome: $0) }
    known?.rolloutResult = result?.rolloutResult
    if let known { return known }
    throw Refusal(.validation, "\(node) knows no rollout \(id.prefix(16))")
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
