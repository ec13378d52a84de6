// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import FaultPoints
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

// What this node checks before it votes, and what it stages for the instant.

extension Member {
  /// Asks for the vote. Blocks until it is there, at most so many milliseconds if given, and while the checks run on
  /// this thread.
  func vote(
    _ request: PrepareRequest, isOfProposal: Bool, waiting milliseconds: Int?
  ) -> VoteAnswer {
    let rollout = request.rollout
    let asked = perform(.prepare(rollout)) { [self] in
      state.update { state in
        let isBusy = state.participant.record.active != nil || state.participant.assessing != nil
        if !isBusy { state.vote = PendingVote(request, isOfProposal: isOfProposal) }
      }
      return true
    }
    if case .failure(let refusal)? = asked {
      return VoteAnswer(rollout: rollout.digest, refusal: refusal, environmentDigest: nil)
    }
    let pending = state.withLock { $0.vote.flatMap { $0.rollout == rollout ? $0 : nil } }
    let due = pending?.due ?? .inMilliseconds(rollout.prepareMilliseconds)
    let deadline =
      milliseconds.map { min(due, .inMilliseconds(min($0, Limits.longPollMilliseconds))) } ?? due
    let isThere = state.wait(until: deadline) {
      $0.participant.assessing == rollout ? nil : true
    }
    if isThere == nil, Clock.now() < due {
      return VoteAnswer(
        rollout: rollout.digest, refusal: nil, environmentDigest: nil, isPending: true)
    }
    // It takes its turn after the vote that may be being written: a yes counts when it is durable.
    perform(
      .overdue(
        id: rollout.id,
        Refusal(
          .vote,
          "\(site.node): the checks did not end within \(rollout.prepareMilliseconds / 1000) s (prepareSeconds in the inventory)"
        )))
    return state.withLock { state in
      let pending = state.vote.flatMap { $0.rollout == rollout ? $0 : nil }
      if state.participant.record.active?.rollout == rollout {
        return pending?.seen
          ?? VoteAnswer(rollout: rollout.digest, refusal: nil, environmentDigest: nil)
      }
      var refusal = Refusal(
        .vote,
        "\(site.node) is not in the rollout any more: it was aborted, or others asked for its vote meanwhile; try again"
      )
      if case .no(let own)? = pending?.vote { refusal = own }
      return VoteAnswer(rollout: rollout.digest, refusal: refusal, environmentDigest: nil)
    }
  }

  func assess(_ rollout: Rollout) {
    guard let request = state.withLock({ $0.vote?.request }), request.rollout == rollout else {
      perform(
        .assessed(
          rollout, .failure(Refusal(.failed, "\(site.node): the request was replaced; try again"))))
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
    if let change = rollout.change { return try check(change, vote) }
    let assessment = assessor.assess(request.request, seals.forVote(request.seals))
    if let refusal = assessment.answer.refusal { throw refusal }
    timelines.note(rollout.id, .checked, "")
    timelines.change(rollout.id) { timeline, _ in
      timeline.note(changes: assessment.answer.difference)
    }
    if let refusal = SealJudgement.problem(
      with: rollout, key: assessment.answer.key, record: seals.record(), node: site.node)
    {
      throw refusal
    }
    if let wanted = request.program, let own = assessment.answer.programs?.installed,
      own.digest != wanted
    {
      throw Refusal(
        .vote,
        "the MinIO program on \(site.node) is another one than when the plan was made: \(own.text); plan again"
      )
    }
    guard let content = rollout.content(of: site.node) else {
      throw Refusal(.vote, "\(site.node) is not in the rollout's list of members")
    }
    let path = content.path
    if assessment.answer.path != path {
      throw Refusal(
        .vote,
        "the plan is for \(path) on \(site.node), and now the change belongs in \(assessment.answer.path); plan again"
      )
    }
    if assessment.answer.before != content.before {
      throw Refusal(
        .vote,
        "\(path) on \(site.node) has changed since the plan was made; plan again")
    }
    if assessment.answer.after != content.after {
      throw Refusal(
        .vote,
        "\(path) on \(site.node) would become another file than the plan says; plan again"
      )
    }
    if !rollout.restartsServers, let why = assessment.answer.whyRestart, !why.isEmpty {
      throw Refusal(
        .vote,
        "the rollout restarts no server, and the one of \(site.node) would have to be by now: \(why); plan again"
      )
    }
    try generations.verifyNumber(of: rollout, assessment.answer)
    let cursor = try site.ports.journal.cursor()
    try vote.act { () throws(Refusal) in
      if rollout.inventory == site.inventories.reference { try site.inventories.record() }
      try generations.keepFound(assessment.currentBytes, before: rollout)
      try generations.keepBefore(assessment.currentBytes, rollout)
    }
    try holdStarts(before: vote, assessment)
    if let bytes = assessment.newBytes {
      try vote.change { _ = $0.targets.insert(path) }
      Fault.reach("agent.check.stage")
      try vote.act { () throws(Refusal) in
        try site.ports.file.stage(
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
      do throws(Refusal) { try site.ports.file.discard(beside: path, allExcept: known) } catch {
        site.log(.warning, error.message)
      }
    }
  }

  /// A file staged by an agent that died before it had voted belongs to nobody.
  func removeOrphans() {
    if damage.hasLostPromises { return }
    // Where it staged is in no record then: beside one of the files that the environment is from.
    if let files = ServerView(site).server?.files {
      state.update { $0.targets.formUnion(files) }
    }
    discardStaged()
  }
}
