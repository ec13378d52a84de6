// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import FaultPoints
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

// What this node checks before it votes, and what it stages for the instant.

extension Agent {
  func assess(_ rollout: Rollout) {
    guard let request = state.withLock({ $0.vote?.request }), request.rollout == rollout else {
      perform(
        .assessed(
          rollout, .failure(Refusal(.failed, "\(node): the request was replaced; try again"))))
      return
    }
    let result: Result<PreparedFacts, Refusal>
    do throws(Refusal) {
      let facts = try voting(on: rollout) { vote throws(Refusal) in try check(vote, request) }
      result = .success(facts)
    } catch { result = .failure(error) }
    // Another rollout's may have come when this one was aborted meanwhile.
    state.update { if $0.vote?.rollout == rollout { $0.vote?.request = nil } }
    perform(.assessed(rollout, result))
  }

  private func check(
    _ vote: VoteUnderWay, _ request: PrepareRequest
  ) throws(Refusal) -> PreparedFacts {
    let rollout = vote.rollout
    let assessment = assessor.assess(request.request, seals.forVote(request.seals))
    if let refusal = assessment.answer.refusal { throw refusal }
    timelines.note(rollout.id, "checked", "")
    if let refusal = SealJudgement.problem(
      with: rollout, key: assessment.answer.key, record: seals.record(), node: node)
    {
      throw refusal
    }
    guard let content = rollout.content(of: node) else {
      throw Refusal(.vote, "\(node) is not in the rollout's list of members")
    }
    let path = content.path
    if assessment.answer.path != path {
      throw Refusal(
        .vote,
        "the plan is for \(path) on \(node), and now the change belongs in \(assessment.answer.path); plan again"
      )
    }
    if assessment.answer.before != content.before {
      throw Refusal(
        .vote,
        "\(path) on \(node) has changed since the plan was made; plan again")
    }
    if assessment.answer.after != content.after {
      throw Refusal(
        .vote,
        "\(path) on \(node) would become another file than the plan says; plan again"
      )
    }
    try generations.verifyNumber(of: rollout, assessment.answer)
    let cursor = try ports.journal.cursor()
    try vote.act { () throws(Refusal) in
      try generations.keepFound(assessment.currentBytes, before: rollout)
      try generations.keepBefore(assessment.currentBytes, rollout)
    }
    try holdStarts(before: vote, assessment)
    if let bytes = assessment.newBytes {
      try vote.change { _ = $0.targets.insert(path) }
      Fault.reach("agent.check.stage")
      try vote.act { () throws(Refusal) in
        try ports.file.stage(
          bytes, at: path, tag: rollout.id, before: content.before, owner: assessment.owner)
      }
      Fault.reach("agent.check.staged")
    }
    try vote.change {
      $0.vote?.seen = VoteAnswer(
        rollout: rollout.digest, refusal: nil,
        environmentDigest: assessment.answer.environmentDigest,
        keyManagerDigest: assessment.answer.keyManager.map { Digest.ofFields([$0]) })
    }
    return PreparedFacts(
      invocation: assessment.unit?.invocationID ?? "", journalCursor: cursor,
      staged: assessment.newBytes != nil, environment: assessment.environment)
  }

  /// Removes what is staged, unless the rollout that is active, or is being voted on, has staged it.
  func discardStaged() {
    let (known, targets) = state.withLock { state in
      let ids = [state.participant.record.active?.rollout.id, state.participant.assessing?.id]
      return (ids.compactMap(\.self), state.targets.sorted())
    }
    for path in targets {
      do throws(Refusal) { try ports.file.discard(beside: path, allExcept: known) } catch {
        ports.log(.warning, error.message)
      }
    }
  }

  /// A file staged by an agent that died before it had voted belongs to nobody.
  func removeOrphans() {
    if stored.damage != nil { return }
    // Where it staged is in no record then: beside one of the files that the environment is from.
    if let files = ServerView(site).server?.files {
      state.update { $0.targets.formUnion(files) }
    }
    discardStaged()
  }
}
