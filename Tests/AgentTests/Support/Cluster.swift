// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import Testing
import Threads

/// Some nodes over hosts in memory, which can ask one another.
struct Cluster {
  /// The way from one agent to another: its API, without a network.
  final class Network: Sendable {
    let agents = Lock([String: Agent]())
    let down = Lock(Set<String>())
    /// What was asked of whom, by whom is not told.
    let questions = Lock([(node: String, path: String)]())
    /// What a test does to the questions. A function that stood in a lock by itself would be wrapped once more at each
    /// access, until a call of it overflows the stack.
    struct Hooks {
      /// Called before a question is answered.
      var onQuestion: @Sendable (_ node: String, _ path: String) -> Void = { _, _ in }
      /// What a node's answers become on the way; nil if they come as they are.
      var rewrite: (@Sendable (_ node: String, [UInt8]) -> [UInt8])?
    }
    let hooks = Lock(Hooks())
    /// Hosts that are gone: who asks them hears nothing at all.
    let holes = Lock(Set<String>())
    private let underWay = Lock([String: (now: Int, most: Int)]())

    /// The most questions that one node had under way at once.
    var mostAtOnce: Int { underWay.withLock { $0.values.map(\.most).max() ?? 0 } }

    fileprivate func call<Answer>(
      _ request: AgentRequest<Answer>, to node: String, from caller: String, deadline: Instant
    ) throws(LinkFailure) -> Answer {
      underWay.update { counts in
        let (now, most) = counts[caller] ?? (0, 0)
        counts[caller] = (now + 1, max(most, now + 1))
      }
      defer { underWay.update { $0[caller]?.now -= 1 } }
      let message = request.message
      questions.update { $0.append((node, "\(message.method) \(message.path)")) }
      hooks.withLock { $0.onQuestion }(node, message.path)
      if holes.withLock({ $0.contains(node) || $0.contains(caller) }) {
        Clock.sleep(
          until: min(deadline, .inMilliseconds(Limits.peerConnectMilliseconds)))
        throw .unreachable("timed out")
      }
      let isDown = down.withLock { $0.contains(node) || $0.contains(caller) }
      guard !isDown, let agent = agents.withLock({ $0[node] }) else {
        throw .unreachable("connection refused")
      }
      var response = agent.answer(
        message, from: Principal(cluster: "prod", role: .node, name: caller))
      if let rewrite = hooks.withLock({ $0.rewrite }) {
        response.body = rewrite(node, response.body)
      }
      do throws(Refusal) { return try request.answer(in: response) } catch {
        throw .answered(error)
      }
    }
  }

  /// The same as one node sees it: it asks with its own certificate.
  struct View: PeerPort {
    let network: Network
    let node: String

    func call<Answer>(
      _ request: AgentRequest<Answer>, to other: Inventory.Node, deadline: Instant
    ) throws(LinkFailure) -> Answer {
      try network.call(request, to: other.name, from: node, deadline: deadline)
    }
  }

  let names: [String]
  private let told = Lock([SealView]())
  /// Why the last rollout that was run was refused.
  let lastRefusals = Lock([Refusal]())
  let network = Network()
  private(set) var nodes: [Node] = []

  /// Of the agents that are started from now on.
  var times: RecoveryTimes
  var collectorTimes: CollectorTimes

  /// Nodes with these files, their servers running.
  init(
    _ files: [String], times: RecoveryTimes = RecoveryTimes(),
    collectorTimes: CollectorTimes = CollectorTimes(), proposals: ProposalRules? = nil
  ) {
    self.times = times
    self.collectorTimes = collectorTimes
    names = files.indices.map { "minio-\($0 + 1)" }
    for (name, file) in zip(names, files) {
      nodes.append(
        Node(
          FakeNodeHost(file: file), name: name, of: names,
          peers: View(network: network, node: name),
          times: times, seals: told, collectorTimes: collectorTimes, proposals: proposals))
    }
    connect()
  }

  private func connect() {
    for (name, node) in zip(names, nodes) {
      network.agents.update { $0[name] = node.agent }
    }
  }

  subscript(index: Int) -> Node { nodes[index] }

  /// The agent of a node is started again over what its disk holds.
  mutating func restart(_ index: Int) {
    nodes[index] = Node(
      nodes[index].host, name: names[index], of: names,
      peers: View(network: network, node: names[index]), times: times, seals: told,
      collectorTimes: collectorTimes)
    connect()
  }

  /// All agents are started again at once.
  mutating func restartAll(settling milliseconds: Int = 5_000) {
    let fresh = nodes.indices.map { index in
      Node(
        nodes[index].host, name: names[index], of: names,
        peers: View(network: network, node: names[index]), times: times, settles: false,
        seals: told)
    }
    nodes = fresh
    connect()
    for node in nodes { node.agent.catchUp(until: .inMilliseconds(milliseconds)) }
  }

  /// Every agent looks after its seal, in turn.
  func look() { for node in nodes { node.agent.seals.look() } }

  /// What status says, as errors and warnings.
  func rules(_ index: Int) -> [String] { nodes[index].agent.status().findings.map(\.rule) }

  func seals() -> [Seal?] { nodes.map { $0.agent.status().seal } }

  /// A rollout as the command line makes it of the nodes' plans.
  func rollout(_ changes: [SettingChange], id: String = "00000000000000aa") throws -> Rollout {
    let plans = try nodes.map { try $0.plan(changes) }
    told.update { $0 = plans.compactMap(\.sealView) }
    let key = plans.contains { $0.seal != nil } ? nil : plans[0].key
    return Rollout(
      id: id, epoch: (plans.map(\.epoch).max() ?? 0) + 1, kind: .apply, cluster: "prod",
      generation: (plans.map(\.generation).max() ?? 0) + 1,
      seal: key.map {
        Seal(
          cluster: "prod", keyName: $0.name, enclave: $0.enclave, rollout: id,
          sealedAtMicroseconds: 1, previous: plans.compactMap(\.lifted).first)
      },
      contents: plans.map {
        MemberContent(
          member: $0.node, incarnation: $0.incarnation, path: $0.path, before: $0.before,
          after: $0.after)
      },
      createdBy: "alice", prepareMilliseconds: 30_000, stopMilliseconds: 30_000,
      startMilliseconds: 30_000, settleMilliseconds: 0)
  }

  /// What every node says no with, as `keyturn plan` shows it.
  func refusals(_ changes: [SettingChange]) throws -> [Refusal?] {
    let rows = try zip(names, nodes).map { name, node in
      NodeAnswer(name: name, result: .success(try node.plan(changes)))
    }
    return ClusterPlan(rows: rows).refusals.map(\.refusal)
  }

  /// From now on a coordinator knows nothing of this node's seal.
  func forgetSeal(of node: String) { told.update { $0.removeAll { $0.node == node } } }

  /// A coordinator that says that these are sealed.
  func forge(_ seal: Seal, on nodes: [String]) {
    told.update { views in
      for index in views.indices where nodes.contains(views[index].node) {
        views[index].seal = seal
      }
    }
  }

  /// The votes on it, and if all are yes, commit to the outcomes.
  func run(
    _ rollout: Rollout, _ changes: [SettingChange]
  ) throws -> (votes: [RefusalCode?], outcomes: [OutcomeKind?]) {
    let refusals = try nodes.map { try $0.prepare(rollout, changes).refusal }
    lastRefusals.update { $0 = refusals.compactMap(\.self) }
    let votes = refusals.map(\.?.code)
    let isCommit = votes.allSatisfy { $0 == nil }
    for node in nodes { _ = try node.decide(rollout, isCommit ? .commit : .abort) }
    if !isCommit { return (votes, []) }
    return (votes, try nodes.map { try $0.outcome(rollout)?.kind })
  }

  @discardableResult
  func apply(
    _ changes: [SettingChange], id: String = "00000000000000aa"
  ) throws -> (votes: [RefusalCode?], outcomes: [OutcomeKind?]) {
    try run(rollout(changes, id: id), changes)
  }

  /// `keyturn seal recover`.
  func recover(_ index: Int) -> HTTPResponse { nodes[index].send("POST", "/v1/seal/recover") }
}
