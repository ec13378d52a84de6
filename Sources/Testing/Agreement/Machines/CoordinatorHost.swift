// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model
internal import Rollout

/// Who coordinates a rollout: the machine that is installed, and the calls of Sources/Coordination/MemberLink.swift.
struct CoordinatorHost: Hashable, Sendable {
  let course: Int
  var machine: Coordinator
  var timers: [Armed] = []
  /// Whose progress is followed, and what of it was told.
  var followed = Bits()
  var restartsTold = Bits()
  var endsTold = Bits()
  /// To whom round 0 was proposed.
  var proposed = Bits()
  var isSuperseded = false
  /// It has come to its end, or was lost.
  var isOver = false
  let flaw: Flaw

  struct Armed: Hashable, Sendable { var timer: CoordinatorTimer, instant: Instant }

  /// What must keep it from proposing commit.
  enum Flaw: Hashable, Sendable {
    case none
    /// The clock of this member is known to a second only.
    case clock(Int)
    case noClock(Int)
    /// This member would run with other settings.
    case environment(Int)
    case keyManager(Int)
  }

  init(course: Int, _ rollout: Rollout, _ flaw: Flaw) {
    self.course = course
    self.flaw = flaw
    machine = Coordinator(rollout: rollout)
  }

  private var node: Int { Names.firstCoordinator + course }

  mutating func drive(_ input: CoordinatorInput, _ now: Instant, _ out: inout Outbox) {
    if isOver { return }
    for effect in machine.handle(input, at: now) { carryOut(effect, now, &out) }
  }

  private mutating func carryOut(
    _ effect: CoordinatorEffect, _ now: Instant, _ out: inout Outbox
  ) {
    switch effect {
    case .prepare(let name):
      measure(Names.place(name), now, Walk.bootID, &out)
      send(name, .prepare, &out)
    case .measure(let name): send(name, .heartbeat, &out)
    case .accept(let name, let value):
      check(name, value, now, &out)
      send(name, .accept(value), &out)
    case .decide(let name, let decision, let instant, let bootID, _):
      if decision == .commit, !isSuperseded, (instant ?? now) <= now {
        out.violate(.carefulProposal, "\(name) is told an instant of r\(course) that has come")
      }
      if decision == .abort { learn(.abort, &out) }
      send(name, .decide(decision, instant, bootID: bootID), &out)
    case .follow(let name): followed.insert(Names.place(name))
    case .arm(let timer, let instant):
      if timer == .recover { isSuperseded = true }
      timers.removeAll { $0.timer == timer }
      timers.append(Armed(timer: timer, instant: instant))
    case .committed: learn(.commit, &out)
    // The members' starts take no time here.
    case .report, .breakOff: break
    case .finished(let result):
      isOver = true
      if let decision = result.decision { learn(decision, &out) }
    }
  }

  private func learn(_ decision: Decision, _ out: inout Outbox) {
    out.learned.append(.init(rollout: course, decision: decision, who: node))
  }

  private func send(_ name: String, _ content: Message.Content, _ out: inout Outbox) {
    out.messages.append(
      Message(rollout: course, from: node, to: Names.place(name), content: content))
  }

  private mutating func check(
    _ name: String, _ value: BallotValue, _ now: Instant, _ out: inout Outbox
  ) {
    let member = Names.place(name)
    if value.ballot != .coordinator || value.decision != .commit || proposed.contains(member) {
      out.violate(.oneProposal, "round 0 of r\(course) is \(value)")
    }
    proposed.insert(member)
    let lead = CoordinatorLimits().leastLeadMilliseconds
    if (value.instant ?? now).milliseconds(since: now) < lead {
      out.violate(.carefulProposal, "the instant of r\(course) for \(name) is too near")
    }
    if flaw != .none { out.violate(.carefulProposal, "r\(course) is proposed with \(flaw)") }
    out.proposals.append(
      .init(rollout: course, ballot: value.ballot, decision: value.decision))
  }

  // MARK: answers

  mutating func receive(
    _ message: Message, members: Int, _ now: Instant, _ bootID: String, _ out: inout Outbox
  ) {
    let member = message.from
    let name = Names.members[member]
    switch message.content {
    case .vote(.yes):
      measure(member, now, bootID, &out)
      let isOther = flaw == .environment(member) && members > 1
      let isElsewhere = flaw == .keyManager(member) && members > 1
      drive(
        .vote(
          member: name, .yes, environment: Self.digests[isOther ? 1 : 0],
          keyManager: Self.digests[isElsewhere ? 1 : 0]), now, &out)
    case .vote(let no): drive(.vote(member: name, no, environment: nil), now, &out)
    case .acceptAnswer(let reply):
      switch reply {
      case .accepted: drive(.accepted(member: name), now, &out)
      case .committed: drive(.committed(member: name), now, &out)
      case .outranked: drive(.outranked(member: name), now, &out)
      case .ended(let outcome): drive(.ended(member: name, outcome), now, &out)
      case .neverVoted, .promised, .replaced:
        drive(.silent(member: name, reason: ""), now, &out)
      }
    case .decideAnswer(let decision, let reply):
      switch (reply, decision) {
      case (.committed, _), (.accepted, _), (.outranked, _), (.promised, _), (.neverVoted, .abort),
        (.replaced, .abort):
        drive(.acknowledged(member: name), now, &out)
      case (.ended(let outcome), _): drive(.ended(member: name, outcome), now, &out)
      case (.neverVoted, .commit), (.replaced, .commit):
        drive(.silent(member: name, reason: ""), now, &out)
      }
    case .view(let report, let outcome):
      if isFollowing(member) { followed(member, report, outcome, now, &out) }
    case .lost(.prepare): drive(.voteUnknown(member: name, Node.no), now, &out)
    case .lost(.abort): drive(.silent(member: name, reason: ""), now, &out)
    case .prepare, .heartbeat, .accept, .decide, .ask, .answer: break
    }
  }

  /// Its clock is measured before a member is asked for its vote, and after it.
  private mutating func measure(
    _ member: Int, _ now: Instant, _ bootID: String, _ out: inout Outbox
  ) {
    if flaw == .noClock(member) { return }
    let sent = flaw == .clock(member) ? now.advanced(byMilliseconds: -1_000) : now
    let sample = ClockSample(
      requestSent: sent, requestReceived: now, answerSent: now, answerReceived: now,
      bootID: bootID)
    drive(.clock(member: Names.members[member], sample), now, &out)
  }

  private static let digests = ["a", "b"].map { Digest.ofFields([$0]) }

  mutating func fire(_ index: Int, _ now: Instant, _ out: inout Outbox) {
    let timer = timers.remove(at: index).timer
    drive(.fired(timer), now, &out)
  }

  // MARK: following

  func isFollowing(_ member: Int) -> Bool {
    !isOver && followed.contains(member) && !endsTold.contains(member)
  }

  /// Whether a member that is followed has something to tell.
  func isNews(of node: Node) -> Bool {
    node.outcome(course) != nil
      || (node.report(course) != nil && !restartsTold.contains(node.index))
  }

  mutating func poll(_ node: Node, _ now: Instant, _ out: inout Outbox) {
    followed(node.index, node.report(course), node.outcome(course), now, &out)
  }

  private mutating func followed(
    _ member: Int, _ report: RestartReport?, _ outcome: Outcome?, _ now: Instant,
    _ out: inout Outbox
  ) {
    let name = Names.members[member]
    if let outcome {
      endsTold.insert(member)
      drive(.ended(member: name, outcome), now, &out)
    } else if let report {
      restartsTold.insert(member)
      drive(.restarted(member: name, report), now, &out)
    }
  }
}
