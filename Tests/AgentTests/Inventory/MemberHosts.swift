// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import HTTP
import JSONCoding
import Model
import Rollout
import Testing
import Threads

/// Hosts that become members of a cluster and leave it, and the operator who has them agree.
final class MemberHosts {
  let network = Cluster.Network()
  private(set) var hosts: [String: FakeNodeHost] = [:]
  private var files: [String: Inventory] = [:]
  let times: RecoveryTimes
  /// Whose agents have certificates, by their numbers.
  var credentials: [Int: any CredentialPort] = [:]

  /// - Parameter times: how long agents wait in doubt.
  init(times: RecoveryTimes = RecoveryTimes()) { self.times = times }

  static func inventory(_ names: [String]) -> Inventory {
    Inventory(
      cluster: "prod", nodes: names.map { .init(name: $0, address: $0) },
      timeouts: .init(prepareSeconds: 5, settleSeconds: 0),
      outsideNodes: (1...99).map { "minio-\($0)" })
  }

  static func names(_ numbers: [Int]) -> [String] { numbers.map { "minio-\($0)" } }

  /// An agent with this inventory in its file; over what is on its disk, if it was started before.
  @discardableResult
  func start(_ number: Int, file numbers: [Int]? = nil) -> Agent {
    let name = "minio-\(number)"
    let host = hosts[name] ?? FakeNodeHost(file: plainFile)
    hosts[name] = host
    if let numbers { files[name] = Self.inventory(Self.names(numbers)) }
    let agent = Agent(
      node: name, inventory: files[name] ?? Self.inventory([name]), version: AgentVersion("test"),
      ports: host.ports(
        peers: Cluster.View(network: network, node: name), isForNewAgent: true),
      credentials: credentials[number], times: times)
    network.agents.update { $0[name] = agent }
    agent.start()
    agent.catchUp(until: .inMilliseconds(5_000))
    return agent
  }

  func start(all numbers: [Int], file: [Int]) {
    for number in numbers { start(number, file: file) }
  }

  /// Somebody edits the file on a host.
  func change(file number: Int, _ edit: (inout Inventory) -> Void) {
    guard var file = files["minio-\(number)"] else { return }
    edit(&file)
    files["minio-\(number)"] = file
  }

  /// The host has lost its disk.
  func wipe(_ number: Int) { hosts["minio-\(number)"] = nil }

  func stop(_ number: Int) {
    network.agents.update { _ = $0.removeValue(forKey: "minio-\(number)") }
  }

  subscript(number: Int) -> Agent {
    guard let agent = network.agents.withLock({ $0["minio-\(number)"] }) else {
      preconditionFailure("minio-\(number) does not run")
    }
    return agent
  }

  /// The way of an operator to an agent.
  struct Link: AgentLink {
    let network: Cluster.Network
    let node: String
    /// What is lost on the way.
    var isLost: @Sendable (_ path: String) -> Bool = { _ in false }

    func call<Answer>(
      _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
    ) throws(LinkFailure) -> Answer {
      let message = request.message
      guard let agent = network.agents.withLock({ $0[node] }), !isLost(message.path) else {
        throw .unreachable("connection refused")
      }
      let response = agent.answer(message, from: alice)
      do throws(Refusal) { return try request.answer(in: response) } catch {
        throw .answered(error)
      }
    }
  }

  func links(
    _ names: [String], lost: @escaping @Sendable (String) -> Bool = { _ in false }
  ) -> [(name: String, link: any AgentLink)] {
    names.map { (name: $0, link: Link(network: network, node: $0, isLost: lost)) }
  }

  /// What every node says of a change to these nodes; asked are also all others that there were.
  func plan(
    _ numbers: [Int], without: [Int] = [], asked: [Int]? = nil
  ) throws -> MembersPlan {
    var wanted = Self.inventory(Self.names(numbers))
    let names = Self.names(asked ?? Array(1...9)).filter {
      hosts[$0] != nil || wanted.node(named: $0) != nil
    }
    let rows = Parallel.ask(.inventory, of: links(names), milliseconds: 5_000)
    let present = try MembersPlan.present(among: rows.compactMap(\.answer))
    wanted.number = present.number
    return MembersPlan(
      wanted, instead: present,
      without: Self.names(without), rows: rows)
  }

  /// `keyturn inventory apply`, once it is clear that all would vote for it.
  ///
  /// - Parameter lost: the paths of the coordinator's messages that do not come through.
  @discardableResult
  func change(
    to numbers: [Int], without: [Int] = [],
    lost: @escaping @Sendable (String) -> Bool = { _ in false }
  ) throws -> CoordinatorResult {
    let plan = try plan(numbers, without: without)
    #expect(plan.verdict == .ready)
    return try MembersUndertaking(
      createdBy: "alice", members: links(plan.change.participants, lost: lost)
    ).run(plan, Interruption(), Silent()).result
  }

  func number(_ number: Int) -> Int { self[number].site.inventories.agreed.number }
  func members(_ number: Int) -> [String] { self[number].site.inventory.memberNames }
  func rules(_ number: Int) -> [String] { self[number].site.inventories.findings().map(\.rule) }

  /// The record on the disk of a node.
  func recorded(_ number: Int) throws -> AgreedInventory? {
    let bytes = hosts["minio-\(number)"]?.state.withLock { $0.records["inventory"] }
    return try bytes.map { try JSON.decode(KeptInventory.self, from: $0).agreed }
  }

  /// Blocks until no agent is in a rollout.
  func settle(_ numbers: [Int]) {
    for number in numbers { self[number].rollouts.waitForEnd(until: .inMilliseconds(10_000)) }
  }
}

/// Who watches nothing.
struct Silent: UndertakingObserver {
  struct Watcher: RolloutWatcher {
    mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String) {}
    mutating func committed(inNanoseconds: Int64) {}
    mutating func tick() {}
  }
  func begins(_ rollout: Rollout) -> Watcher { Watcher() }
  func ended(_ rollout: Rollout, _ result: CoordinatorResult) {}
}
