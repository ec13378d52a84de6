import LinuxIO
import Model
import Rollout
import Testing
import Wire

@testable import Agent

/// Some nodes over hosts in memory, which can ask one another.
struct Cluster {
  /// The way from one agent to another: its API, without a network.
  final class Network: PeerPort {
    let agents = Lock([String: Agent]())
    let down = Lock(Set<String>())

    func seal(of node: String, deadline: Instant) throws(Refusal) -> SealView {
      guard !down.withLock({ $0.contains(node) }), let agent = agents.withLock({ $0[node] }) else {
        throw Refusal(.unreachable, "connection refused")
      }
      let response = agent.answer(
        HTTPRequest("GET", "/v1/seal"),
        from: Principal(cluster: "prod", role: .node, name: "peer"))
      do { return try JSON.decode(SealView.self, from: response.body) } catch {
        throw Refusal(.failed, "\(error)")
      }
    }
  }

  let names: [String]
  let network = Network()
  private(set) var nodes: [Node] = []

  /// Nodes with these files, their servers running.
  init(_ files: [String]) {
    names = files.indices.map { "minio-\($0 + 1)" }
    for (name, file) in zip(names, files) {
      nodes.append(Node(FakeHost(file: file), name: name, of: names, peers: network))
    }
    connect()
  }

  private func connect() {
    for (name, node) in zip(names, nodes) {
      network.agents.update { $0[name] = node.agent }
    }
  }

  subscript(index: Int) -> Node { nodes[index] }

  /// The agent of a node is started anew over what its disk holds.
  mutating func restart(_ index: Int) {
    nodes[index] = Node(nodes[index].host, name: names[index], of: names, peers: network)
    connect()
  }

  /// Every agent looks after its seal, in turn.
  func look() { for node in nodes { node.agent.lookAfterSeal() } }

  /// What status says, as errors and warnings.
  func rules(_ index: Int) -> [String] { nodes[index].agent.status().findings.map(\.rule) }

  func seals() -> [Seal?] { nodes.map { $0.agent.status().seal } }

  /// A rollout as the command line makes it of the nodes' plans.
  func rollout(_ changes: [SettingChange], id: String = "00000000000000aa") throws -> Rollout {
    let plans = try nodes.map { try $0.plan(changes) }
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
        MemberContent(member: $0.node, path: $0.path, before: $0.before, after: $0.after)
      },
      createdBy: "alice", prepareMilliseconds: 30_000, stopMilliseconds: 30_000,
      startMilliseconds: 30_000, settleMilliseconds: 0)
  }

  /// The votes on it, and if all are yes, commit to the outcomes.
  func run(
    _ rollout: Rollout, _ changes: [SettingChange]
  ) throws -> (votes: [RefusalCode?], outcomes: [OutcomeKind?]) {
    let votes = try nodes.map { try $0.prepare(rollout, changes).refusal?.code }
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
