// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import HTTP
import KeyManager
import Model
@testable import Operator
import Rollout
import Threads

/// An agent without a host: the real Participant, and answers from memory.
final class FakeAgent: AgentLink {
  /// What is wrong with it.
  enum Fault: Sendable {
    case none
    /// Nothing listens.
    case unreachable
    /// It says no to everything.
    case refuses(Refusal)
    /// It votes no.
    case votesNo(Refusal)
    /// It votes yes, and from then on its door is closed to questions about its clock.
    case clockFailsAfterVote(LinkFailure)
    /// It votes yes, and its answer is another: its door had closed meanwhile.
    case voteIsLost(LinkFailure)
    /// It votes only when the rollout was aborted.
    case votesAfterAbort
    /// It is gone as soon as commit is known.
    case goneAfterCommit
    /// The start fails with this line.
    case failsToStart(String)
    /// The start never ends.
    case neverStarts
    /// The same, and the rollback's is good.
    case startsForLong
  }

  private struct State {
    var participant: Participant
    var replies: [ParticipantReply] = []
    var votes: [Vote] = []
    var events: [RolloutEvent] = []
    var report: RestartReport?
    var outcome: Outcome?
    var restarts = 0
    var isDiscarded = false
    var request: PrepareRequest?
    /// What it was told of the rollout's end.
    var rolloutResult: RolloutResult?
    var questions: [(member: String, key: RolloutKey, question: RecoveryQuestion)] = []
  }

  let name: String
  let fault: Fault
  let plan: PlanAnswer
  private let sealed: Seal?
  /// What is wrong with its record of the seal.
  private let problem: String?
  let check: CheckAnswer
  /// Asked for the answer of each check instead, with how often it was asked before.
  private let onCheck: (@Sendable (Int) -> CheckAnswer)?
  /// What it tells of itself each time instead, with how often it was asked before.
  private let onStatus: (@Sendable (Int) -> NodeReport)?
  private let checks = Lock(0)
  private let looks = Lock(0)
  let history: HistoryAnswer
  private let diff: Result<DiffAnswer, LinkFailure>
  let lines: [LogLine]
  /// Whether its journal has lost lines, and how far its wall clock is ahead, microseconds.
  private let isLossy: Bool
  private let clockAhead: Int64
  /// What it tells of rollouts that are over.
  private let kept: [RolloutView]
  let explained: ExplainAnswer?
  /// What it finds when it is asked to confirm its server; nil for a refusal.
  private let confirmed: ConfirmAnswer?
  private let proposals: ProposalsView?
  /// What it tells of itself; nil for an agent that is older.
  private let report: NodeReport?
  private let links: LinkSummary?
  /// Whether what is gone back to fails to start too.
  private let alwaysFails: Bool
  private let undoPlan: PlanAnswer
  /// Called when a vote is asked for, and when commit is told.
  let onPrepare: @Sendable () -> Void
  let onCommit: @Sendable () -> Void
  private let state: Lock<State>
  /// The other agents, whom it asks when it is in doubt.
  let peers = Lock<[FakeAgent]>([])
  /// The inventory that it goes by; nil for an agent that is older.
  let agreed = Lock<AgreedInventory?>(nil)
  /// Whose certificates it has seen.
  let people = Lock<[AuthoritiesAnswer.Person]>([])
  private let counter = Lock(0)
  /// How often it was asked anything.
  var calls: Int { counter.withLock { $0 } }

  init(
    _ name: String, _ fault: Fault = .none, plan: PlanAnswer? = nil, sealed: Seal? = nil,
    problem: String? = nil, check: CheckAnswer? = nil, history: HistoryAnswer? = nil,
    diff: Result<DiffAnswer, LinkFailure>? = nil, lines: [LogLine] = [], isLossy: Bool = false,
    clockAhead: Int64 = 0, kept: [RolloutView] = [], explained: ExplainAnswer? = nil,
    confirmed: ConfirmAnswer? = nil,
    proposals: ProposalsView? = nil, alwaysFails: Bool = false, undoRefusal: Refusal? = nil,
    report: NodeReport? = .well, links: LinkSummary? = nil,
    onCheck: (@Sendable (Int) -> CheckAnswer)? = nil,
    onStatus: (@Sendable (Int) -> NodeReport)? = nil,
    onPrepare: @escaping @Sendable () -> Void = {}, onCommit: @escaping @Sendable () -> Void = {}
  ) {
    self.name = name
    self.fault = fault
    self.plan = plan ?? .sample(name)
    self.sealed = sealed
    self.problem = problem
    var check =
      check ?? CheckAnswer(node: name, endpoints: [.sample(.fine)], drift: Drift(), findings: [])
    check.report = check.report ?? report
    self.check = check
    self.report = report
    self.links = links
    self.history = history ?? .sample(name)
    self.diff = diff ?? .success(.sample(name))
    self.lines = lines
    self.isLossy = isLossy
    self.clockAhead = clockAhead
    self.kept = kept
    self.explained = explained
    self.confirmed = confirmed
    self.proposals = proposals
    self.alwaysFails = alwaysFails
    undoPlan = self.plan.undone(undoRefusal)
    self.onCheck = onCheck
    self.onStatus = onStatus
    self.onPrepare = onPrepare
    self.onCommit = onCommit
    state = Lock(
      State(
        participant: Participant(
          member: name, incarnation: .sample, record: ParticipantRecord())))
  }

  private var status: NodeStatus {
    let record = state.withLock { $0.participant.record }
    let look = looks.update { count in
      defer { count += 1 }
      return count
    }
    let report = onStatus?(look) ?? report
    return NodeStatus(
      node: name, version: report?.version?.text ?? "test",
      activeState: report?.unit?.activeState ?? "active",
      subState: report?.unit?.subState ?? "running", mainPID: 7,
      invocation: "i", runningKey: sealed?.keyName, seal: sealed, generation: nil,
      drift: check.drift,
      activeRollout: record.active?.rollout.id, activeStage: stage(record),
      lastRollout: record.last?.rollout.id, lastOutcome: record.last?.outcome, epoch: 3,
      findings: check.findings, links: links, report: report)
  }

  private func stage(_ record: ParticipantRecord) -> Word<RolloutPhase>? {
    switch record.active?.stage {
    case .prepared: .known(.prepared)
    case .accepted: .known(.accepted)
    case .committed: .known(.committed)
    case .watching: .known(.watching)
    case nil: nil
    }
  }

  private var view: SealView {
    SealView(
      node: name, members: .sha256([]), seal: problem == nil ? sealed : nil, problem: problem)
  }

  /// Takes one input as if a coordinator had sent it that is gone now.
  func take(_ input: ParticipantInput) { perform(input) }

  /// The rollout that it has said no to, as its timeline would tell.
  let refused = Lock<String?>(nil)

  /// The settings that it was asked to take again.
  let retries = Lock<[String]>([])
  /// Called when it is told of an approval.
  let onApprove = Lock<(@Sendable () -> Void)?>(nil)
  /// How often it was told that its start changes nothing any more.
  let brokenOff = Lock(0)
  /// How often the server was restarted.
  var restarts: Int { state.withLock { $0.restarts } }
  /// What it was asked to vote on last.
  var request: PrepareRequest? { state.withLock { $0.request } }
  /// What it was told became of the rollout.
  var rolloutResult: RolloutResult? { state.withLock { $0.rolloutResult } }
  /// Whether it is in a rollout.
  var isActive: Bool { state.withLock { $0.participant.record.active != nil } }

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    counter.update { $0 += 1 }
    guard let answer = try answer(request, deadline) as? Answer else {
      preconditionFailure("the request and its answer fit")
    }
    return answer
  }

  /// What it says of the key proofs; nil for none.
  let keyProofs = Lock<KeyProofsAnswer?>(nil)

  /// The certificates that it was given.
  let installed = Lock([String]())
  /// The list of revoked certificates that it has.
  let revocations = Lock<SignedRevocations?>(nil)

  /// What is posted with a request.
  private func body<Body, Answer>(of request: AgentRequest<Answer>) -> Body {
    guard let body = request.body as? Body else {
      preconditionFailure("\(request.route) is posted with a \(Body.self)")
    }
    return body
  }

  private func answer<Answer>(
    _ request: AgentRequest<Answer>, _ deadline: Instant
  ) throws(LinkFailure) -> any Sendable {
    let (id, query) = (request.argument, request.message)
    let gone = LinkFailure.unreachable("connect to \(name):7377: connection refused")
    if case .unreachable = fault { throw gone }
    if case .refuses(let refusal) = fault { throw .answered(refusal) }
    let isCommitted = state.withLock { $0.report != nil }
    if case .goneAfterCommit = fault, isCommitted { throw gone }
    switch request.route {
    case .status: return status
    case .clock:
      if case .clockFailsAfterVote(let failure) = fault, isActive { throw failure }
      let now = Clock.now()
      return ClockReading(received: now, sent: now, bootID: "boot", realtimeMicroseconds: 0)
    case .plan:
      let asked: PlanRequest = body(of: request)
      let isRollback = asked.request.kind == .rollback
      // As an agent does.
      if isRollback, asked.request.undoes == nil, asked.request.generation == nil {
        throw .answered(Refusal(.validation, "a rollback names the generation to go back to"))
      }
      let goesBack = asked.request.undoes != nil || isRollback && undoPlan.refusal != nil
      var answer = goesBack ? undoPlan : plan
      answer.epoch = max(answer.epoch, state.withLock { $0.participant.record.highestEpoch })
      return answer
    case .check:
      let count = checks.update { count in
        defer { count += 1 }
        return count
      }
      var answer = onCheck?(count) ?? check
      answer.report = answer.report ?? report
      return answer
    case .explain:
      return explained
        ?? ExplainAnswer(
          node: name, name: query.query(.name) ?? "", definitions: [], suggestion: nil)
    case .generations: return history
    case .diff: return try diff.get()
    case .seal: return view
    case .keyProofs:
      return keyProofs.withLock { $0 }
        ?? KeyProofsAnswer(node: name, seal: nil, isServing: true, proofs: KeyProofs())
    case .recoverSeal:
      guard let sealed else {
        throw .answered(Refusal(.guarded, "the other members' seals differ"))
      }
      return SealRecovery(node: name, seal: sealed, problem: view.problem)
    case .logs: return logs(query)
    case .rollouts:
      return RolloutsAnswer(
        node: name,
        rollouts: kept.compactMap { view in
          view.rollout.map {
            RolloutEntry(rollout: $0, beganMicroseconds: 0, outcome: view.outcome)
          }
        })
    case .vote:
      let vote = prepare(body(of: request), deadline)
      if case .voteIsLost(let failure) = fault { throw failure }
      return vote
    case .result:
      let rolloutResult: RolloutResult = body(of: request)
      state.update { $0.rolloutResult = rolloutResult }
      return rolloutResult
    case .proposals, .tellProposal, .retryProposal, .approveProposal:
      if request.route == .approveProposal {
        let approval: ApprovalRequest = body(of: request)
        onApprove.withLock { $0 }?()
        retries.update { $0.append(approval.digest.hex) }
      }
      if request.route == .retryProposal {
        let retry: ProposalRetry = body(of: request)
        retries.update { $0.append(retry.digest) }
      }
      return proposals
        ?? ProposalsView(
          node: name, own: MemberProposal(serial: 0, digest: nil), phase: .none, rows: [],
          rollout: nil, refusal: nil)
    case .promise:
      let request: PromiseRequest = body(of: request)
      perform(
        .promise(
          RolloutKey(id: id, epoch: request.epoch, addressee: request.incarnation), request.ballot))
      return reply()
    case .accept:
      let request: AcceptRequest = body(of: request)
      perform(
        .accept(
          RolloutKey(id: id, epoch: request.epoch, addressee: request.incarnation), request.proposal
        ))
      return reply()
    case .decide:
      let request: DecisionRequest = body(of: request)
      perform(
        .decided(
          RolloutKey(id: id, epoch: request.epoch, addressee: request.incarnation),
          request.decision, instant: request.instant,
          bootID: request.bootID,
          reason: request.reason))
      if request.decision == .commit {
        onCommit()
        if case .goneAfterCommit = fault { throw gone }
      }
      return reply()
    case .inventory:
      guard let agreed = agreed.withLock({ $0 }) else {
        throw .answered(Refusal(.validation, "there is no GET /v1/inventory in this agent's API"))
      }
      let record = state.withLock { $0.participant.record }
      return InventoryAnswer(
        node: name, agreed: agreed, isRecorded: agreed.number > 1, epoch: record.highestEpoch,
        incarnation: .sample,
        active: record.active.map { ActiveSummary($0.rollout, sinceMicroseconds: nil) },
        seal: sealed, refusal: nil)
    case .installInventory:
      let new: AgreedInventory = body(of: request)
      agreed.update { $0 = new }
      return WitnessInventory(witness: name, number: new.number)
    case .requestCertificate:
      return CertificateRequestAnswer(request: "request of \(name)", certificate: "in use")
    case .installCertificate:
      let new: NewCertificate = body(of: request)
      installed.update { $0.append(new.certificate) }
      return CertificateAnswer(validUntil: 1_900_000_000)
    case .revoke:
      let list: SignedRevocations = body(of: request)
      installed.update { $0.append(list.list) }
      return RevocationsAnswer(number: 1)
    case .revocations: return KnownRevocations(list: revocations.withLock { $0 })
    case .authorities, .trust:
      return AuthoritiesAnswer(
        number: 0, trusted: [.sha256([])], own: .sha256([]), people: people.withLock { $0 })
    case .confirm:
      guard let confirmed else { throw .answered(Refusal(.file, "its file is another one")) }
      return confirmed
    case .breakOff:
      brokenOff.update { $0 += 1 }
      let active = state.withLock { $0.participant.record.active }
      if let active, active.rollout.id == id {
        let body: BreakOff = body(of: request)
        let outcome = Outcome(
          .failed, StartFailure(kind: .brokenOff, phase: .settling, reason: body.reason))
        state.update { state in
          run(.watched(id: id, outcome), &state)
          say(outcome.phase.rawValue, outcome.reason, &state)
          state.outcome = outcome
        }
      }
      return BreakOffAnswer(isBrokenOff: active != nil)
    case .resolve:
      perform(.resolve(id: id))
      return DoubtAnswer(node: name, stage: nil, doubt: nil)
    case .follow:
      let after = query.query(.after).flatMap { Int($0) } ?? 0
      let wait = request.waitMilliseconds
      if let view = kept.first(where: { $0.id == id }) { return view }
      if !kept.isEmpty || id.hasPrefix("nobody") {
        throw .answered(Refusal(.validation, "\(name) knows no rollout \(id)"))
      }
      let (record, assessing) = state.withLock { ($0.participant.record, $0.participant.assessing) }
      if wait == 0, assessing?.id == id || refused.withLock({ $0 == id }) {
        let phase: RolloutPhase = assessing?.id == id ? .preparing : .refused
        let event = RolloutEvent(
          sequence: 1, realtimeMicroseconds: 0, phase: .known(phase), detail: "too late")
        return RolloutView(id: id, events: [event], report: nil, outcome: nil)
      }
      let known = [
        record.active?.rollout.id, record.last?.rollout.id, record.lastCommitted?.rollout.id,
      ]
      if wait == 0, !known.contains(id) {
        throw .answered(Refusal(.validation, "\(name) knows no rollout"))
      }
      if wait == 0, let last = record.lastCommitted, last.rollout.id == id {
        return RolloutView(id: id, events: [], report: last.report, outcome: last.outcome)
      }
      // Not the whole wait: a test must not outlive its runner by much.
      let view = state.wait(until: min(deadline, .inMilliseconds(50))) { state -> RolloutView? in
        let events = state.events.filter { $0.sequence > after }
        if events.isEmpty, state.outcome == nil { return nil }
        return RolloutView(
          id: id, events: events, report: state.report, outcome: state.outcome,
          rolloutResult: state.rolloutResult)
      }
      if case .goneAfterCommit = fault, view != nil { throw gone }
      return view ?? RolloutView(id: id, events: [], report: nil, outcome: nil)
    case .metrics, .reached, .connectBack, .witnessRevocations,
      .propose, .checkProposal, .withdrawProposal, .ownProposal:
      preconditionFailure("no operator asks for \(request.route)")
    }
  }

  private func logs(_ query: HTTPRequest) -> LogsAnswer {
    func number(_ parameter: Route.Parameter) -> Int? {
      query.query(parameter).flatMap { Int($0) }
    }
    var found = lines[...]
    if let since = number(.since) { found = found.drop { $0.realtimeMicroseconds < since } }
    if let last = number(.last) { found = found.suffix(last) }
    if let cursor = number(.after) { found = found.dropFirst(cursor) }
    let limit = number(.limit) ?? 1_000
    let page = found.prefix(limit)
    return LogsAnswer(
      lines: query.query(.errors) == "true" ? page.filter { $0.error != nil } : Array(page),
      cursor: "\(page.endIndex)", more: page.count < found.count,
      lossy: isLossy && limit > 0,
      realtimeMicroseconds: Clock.realtimeMicroseconds() + clockAhead)
  }

  private func prepare(_ request: PrepareRequest, _ deadline: Instant) -> VoteAnswer {
    state.update { state in
      if let earlier = state.request, earlier.rollout.id != request.rollout.id {
        (state.events, state.votes) = ([], [])
        (state.report, state.outcome, state.rolloutResult) = (nil, nil, nil)
      }
      state.request = request
    }
    perform(.prepare(request.rollout))
    onPrepare()
    let vote = state.wait(until: deadline) { $0.votes.first }
    let digest = Digest.ofFields(["environment"])
    switch vote {
    case .yes:
      return VoteAnswer(rollout: request.rollout.digest, refusal: nil, environmentDigest: digest)
    case .no(let refusal):
      return VoteAnswer(rollout: request.rollout.digest, refusal: refusal, environmentDigest: nil)
    case nil:
      return VoteAnswer(
        rollout: request.rollout.digest, refusal: Refusal(.vote, "too late"),
        environmentDigest: nil)
    }
  }

  private func reply() -> ReplyAnswer {
    state.withLock { state in
      switch state.replies.popLast() {
      case .accepted: ReplyAnswer(reply: .accepted)
      case .committed: ReplyAnswer(reply: .committed)
      case .outranked(let ballot): ReplyAnswer(reply: .outranked, ballot: ballot)
      case .promised(let proposal): ReplyAnswer(reply: .promised, proposal: proposal)
      case .ended(let outcome): ReplyAnswer(reply: .ended, outcome: outcome)
      case .replaced: ReplyAnswer(reply: .replaced)
      case .neverVoted, nil: ReplyAnswer(reply: .neverVoted)
      }
    }
  }

  private func perform(_ input: ParticipantInput) {
    let questions = state.update { state in
      run(input, &state)
      defer { state.questions = [] }
      return state.questions
    }
    for (member, key, question) in questions {
      guard let peer = peers.withLock({ $0.first { $0.name == member } }),
        let reply = peer.answer(question.input(key))
      else { continue }
      perform(.answered(member: member, key, question, reply))
    }
  }

  /// What it says to another member; nil if it cannot be reached.
  private func answer(_ input: ParticipantInput) -> ParticipantReply? {
    if case .unreachable = fault { return nil }
    return state.update { state in
      run(input, &state)
      return state.replies.popLast()
    }
  }

  private func run(_ input: ParticipantInput, _ state: inout State) {
    for effect in state.participant.handle(
      input, at: Moment(now: Clock.now(), bootID: "boot", jitterMilliseconds: 0))
    {
      switch effect {
      case .persist, .keep, .amend, .conclude, .wake: break
      case .ask(let member, let key, let question):
        state.questions.append((member, key, question))
      case .discard: state.isDiscarded = true
      case .assess(let rollout):
        switch fault {
        case .votesNo(let refusal), .refuses(let refusal):
          run(.assessed(rollout, .failure(refusal)), &state)
        case .votesAfterAbort: break
        case .none, .unreachable, .goneAfterCommit, .failsToStart, .neverStarts,
          .startsForLong, .clockFailsAfterVote, .voteIsLost:
          let facts = PreparedFacts(invocation: "i", journalCursor: nil, staged: true)
          run(.assessed(rollout, .success(facts)), &state)
        }
      case .vote(_, let vote): state.votes.append(vote)
      case .reply(let reply): state.replies.append(reply)
      case .arm(let active, let instant, _):
        let restarts = active.rollout.restartsServers
        if restarts { state.restarts += 1 }
        let report = RestartReport(
          planned: instant, issued: instant, previousInvocation: "i",
          started: restarts ? instant.advanced(byMilliseconds: 1) : nil)
        run(.restarted(id: active.rollout.id, report), &state)
      case .watch(let active, let report):
        state.report = report
        say("starting", "", &state)
        let outcome: Outcome
        switch fault {
        case .neverStarts: continue
        case .startsForLong where active.rollout.kind != .rollback: continue
        case .failsToStart(let line) where active.rollout.kind != .rollback || alwaysFails:
          outcome = Outcome(
            .failed,
            StartFailure(
              kind: .fatalLine, phase: .starting, reason: line, patternID: "kms-refused"))
        default: outcome = Outcome(.confirmed, "")
        }
        run(.watched(id: active.rollout.id, outcome), &state)
        say(outcome.kind.rawValue, outcome.reason, &state)
        state.outcome = outcome
      }
    }
  }

  private func say(_ phase: String, _ detail: String, _ state: inout State) {
    state.events.append(
      RolloutEvent(
        sequence: state.events.count + 1, realtimeMicroseconds: 0, phase: Word(phase),
        detail: detail))
  }
}
