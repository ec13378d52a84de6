// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
internal import Model
internal import Rollout
internal import Threads

/// The way to the agents of all other nodes.
///
/// At most ``Limits/peersAtOnce`` questions are under way at once, whoever asks them and whatever they
/// are: each has a connection of its own for as long as it takes. What presses goes first, and a node
/// that did not answer last time comes after those that did, so that hosts that are gone do not keep
/// the others waiting.
///
/// Its threads live as long as there is something to ask.
final class Peers: Sendable {
  /// How much a question presses.
  enum Urgency: Int, Comparable {
    /// A rollout hangs on it.
    case now
    /// Somebody looks on.
    case later

    static func < (a: Urgency, b: Urgency) -> Bool { a.rawValue < b.rawValue }
  }

  private struct Question {
    let node: String
    let urgency: Urgency
    /// Not to be asked before.
    let due: Instant
    let ask: @Sendable () -> Void
  }

  private struct State {
    var questions: [Question] = []
    var threads = 0
    /// Who did not answer last time.
    var silent: Set<String> = []
  }

  private enum Turn {
    case ask(Question, isMoreDue: Bool)
    case wait(Instant)
    case end
  }

  /// All other nodes, those behind the own one first (``InventoryKeeper/peers``).
  var names: [String] { inventories.peers }
  private let inventories: InventoryKeeper
  private let port: any PeerPort
  private let log: @Sendable (_ priority: LogPriority, _ message: String) -> Void
  private let state = Lock(State())

  init(_ ports: Ports, _ inventories: InventoryKeeper) {
    port = ports.peers
    log = ports.log
    self.inventories = inventories
  }

  /// Asks one node as soon as there is a connection for it, and hands the answer to `body`, on a
  /// thread of this object. Does not block.
  ///
  /// - Parameters:
  ///   - due: not before.
  ///   - deadline: when the answer must be there.
  ///   - isWanted: asked just before; the question is dropped if it says no.
  func ask<Answer>(
    _ request: AgentRequest<Answer>, of node: String, _ urgency: Urgency,
    due: Instant = Clock.now(), deadline: Instant,
    isWanted: @escaping @Sendable () -> Bool = { true },
    _ body: @escaping @Sendable (Result<Answer, LinkFailure>) -> Void
  ) {
    post(
      Question(node: node, urgency: urgency, due: due) { [self] in
        if isWanted() { body(answer(request, node, deadline)) }
      })
  }

  /// The same question to several nodes. Blocks until all have answered, at most until the deadline;
  /// who has not been asked by then is unreachable too. The answers are in the order of `nodes`.
  func ask<Answer: Sendable>(
    _ request: AgentRequest<Answer>, of nodes: [String], _ urgency: Urgency, deadline: Instant
  ) -> [Result<Answer, LinkFailure>] {
    let late = Result<Answer, LinkFailure>.failure(.unreachable("no answer in time"))
    let answers = Lock([Result<Answer, LinkFailure>?](repeating: nil, count: nodes.count))
    for (index, node) in nodes.enumerated() {
      ask(request, of: node, urgency, deadline: deadline) { answer in
        answers.update { $0[index] = answer }
      }
    }
    _ = answers.wait(until: deadline) { $0.allSatisfy { $0 != nil } ? true : nil }
    return answers.withLock { $0.map { $0 ?? late } }
  }

  /// The same question to one node. Blocks until the answer is there or the deadline has come.
  func ask<Answer: Sendable>(
    _ request: AgentRequest<Answer>, of node: String, _ urgency: Urgency, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    try ask(request, of: [node], urgency, deadline: deadline)[0].get()
  }

  /// A link to a node for a coordinator that runs here: its questions take their turn among all
  /// others.
  func link(to node: String) -> any AgentLink { PeerLink(peers: self, node: node) }

  private func answer<Answer>(
    _ request: AgentRequest<Answer>, _ node: String, _ deadline: Instant
  ) -> Result<Answer, LinkFailure> {
    if Clock.now() >= deadline { return .failure(.unreachable("it could not be asked in time")) }
    guard let place = inventories.node(named: node) else {
      return .failure(.unreachable("\(node) is in the inventory no more"))
    }
    do throws(LinkFailure) {
      let answer = try port.call(request, to: place, deadline: deadline)
      state.withLock { _ = $0.silent.remove(node) }
      return .success(answer)
    } catch {
      state.withLock { state in
        if case .unreachable = error {
          state.silent.insert(node)
        } else {
          state.silent.remove(node)
        }
      }
      return .failure(error)
    }
  }

  // MARK: threads

  private func post(_ question: Question) {
    let isThreadNeeded = state.update { state in
      state.questions.append(question)
      if state.threads >= Limits.peersAtOnce { return false }
      state.threads += 1
      return true
    }
    if isThreadNeeded { startThread() }
  }

  private func startThread() {
    do throws(Errno) {
      try Thread.start("peer") { [self] in work() }
    } catch {
      // The others go on; if there are none, whoever asks is told that no answer came in time.
      state.update { $0.threads -= 1 }
      log(.error, "ask the other nodes: \(error); raise TasksMax= of keyturnd.service")
    }
  }

  private func work() {
    while true {
      switch state.update({ Self.turn(&$0) }) {
      case .ask(let question, let isMoreDue):
        if isMoreDue { startThread() }
        question.ask()
      case .wait(let instant):
        _ = state.wait(until: instant) { state in
          state.questions.contains { $0.due <= Clock.now() } ? true : nil
        }
      case .end: return
      }
    }
  }

  /// What the thread that asks does next. One waits for what is to be asked later.
  private static func turn(_ state: inout State) -> Turn {
    let now = Clock.now()
    let due = state.questions.indices.filter { state.questions[$0].due <= now }
    let first = due.min { a, b in
      let (a, b) = (state.questions[a], state.questions[b])
      let (isSilentA, isSilentB) = (state.silent.contains(a.node), state.silent.contains(b.node))
      if a.urgency != b.urgency { return a.urgency < b.urgency }
      return !isSilentA && isSilentB
    }
    if let first {
      let question = state.questions.remove(at: first)
      let isMoreDue = due.count > 1 && state.threads < Limits.peersAtOnce
      if isMoreDue { state.threads += 1 }
      return .ask(question, isMoreDue: isMoreDue)
    }
    if state.threads == 1, let next = state.questions.map(\.due).min() { return .wait(next) }
    state.threads -= 1
    return .end
  }
}

/// One node, for a coordinator that is hosted by another.
///
/// A long poll, or the wait for a vote, would take one of the few connections for its whole time: it is
/// made of short questions instead.
private struct PeerLink: AgentLink {
  let peers: Peers
  let node: String

  /// From one question of a long poll to the next, milliseconds: the same number of questions a second
  /// however many nodes there are.
  private var pauseMilliseconds: Int { max(250, 16 * peers.names.count) }

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    var question = request
    let (urgency, pause, end): (Peers.Urgency, Int, Instant)
    switch (request.route, request.waitMilliseconds) {
    case (.follow, let wait?):
      question.waitMilliseconds = 0
      (urgency, pause, end) = (.later, pauseMilliseconds, min(deadline, .inMilliseconds(wait)))
    case (.vote, nil):
      question.waitMilliseconds = Self.voteMilliseconds
      (urgency, pause, end) = (.now, Self.voteMilliseconds, deadline)
    default: return try peers.ask(request, of: node, .now, deadline: deadline)
    }
    while true {
      let answer = try peers.ask(question, of: node, urgency, deadline: deadline)
      let next = Instant.inMilliseconds(pause)
      if !isToCome(answer) || next >= end { return answer }
      Clock.sleep(until: next)
    }
  }

  /// Whether there is nothing to tell yet.
  private func isToCome(_ answer: any Sendable) -> Bool {
    if let view = answer as? RolloutView { return view.events.isEmpty && view.outcome == nil }
    return (answer as? VoteAnswer)?.isPending == true
  }

  /// How long one question waits for the vote, and how long it is until the next, milliseconds.
  private static let voteMilliseconds = 200
}
