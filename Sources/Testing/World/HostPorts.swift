// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Agent
internal import Coordination
internal import Crypto
internal import Fibers
internal import JSONCoding
internal import KeyManager
internal import Linux
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import TestSupport
internal import Threads

extension SimulatedHost {
  /// The agent's ports, which this host stands behind.
  func ports() -> Ports {
    Ports(
      file: HostFiles(host: self), unit: HostUnit(host: self), journal: HostJournal(host: self),
      process: HostProcesses(host: self), probe: HostProbes(host: self),
      records: HostRecords(host: self), peers: HostPeers(host: self),
      witnesses: NoWitnesses(), watch: HostFileWatch(host: self),
      event: { [self] event in
        if world.planted == .deadlock { logsTwice() }
        world.trace("\(name): \(event.message)")
      },
      log: { [self] _, line in
        if world.planted == .deadlock { logsTwice() }
        world.trace("\(name): \(line)")
      })
  }
}

extension SimulatedHost {
  /// A question to systemd.
  fileprivate func enterBus() throws(Refusal) {
    enter()
    if isBusAway {
      throw Refusal(.unit, "\(name): connect to the system bus: Connection refused")
    }
  }
}

struct HostUnit: UnitPort {
  let host: SimulatedHost

  func state(deadline: Instant) throws(Refusal) -> UnitState {
    try host.enterBus()
    host.take(upTo: 500)
    return host.unit
  }
  func manager(deadline: Instant) throws(Refusal) -> ManagerState {
    try host.enterBus()
    return ManagerState(version: "252.39", environment: ["LANG=C.UTF-8"])
  }
  func restart(deadline: Instant) throws(Refusal) {
    try host.enterBus()
    host.take(upTo: 1_000)
    host.world.restartOrdered(host)
    host.restartServer()
    host.take(upTo: 1_000)
    host.enter()
  }
  func stop(deadline: Instant) throws(Refusal) {
    try host.enterBus()
    if !host.stopServer(until: deadline) {
      throw Refusal(.unit, "\(host.name): the server has not stopped in time")
    }
    host.enter()
  }
  func start(deadline: Instant) throws(Refusal) {
    try host.enterBus()
    host.startServer()
    host.enter()
  }
  func resetFailed(deadline: Instant) throws(Refusal) { try host.enterBus() }
  func change(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
    try host.enterBus()
    while host.unit == state {
      if Clock.now() >= deadline { return nil }
      host.world.runtime.park(at: host.changed, until: deadline.nanoseconds)
    }
    return host.unit
  }
  func rest(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
    try change(after: state, deadline: deadline)
  }
}

struct HostJournal: JournalPort {
  let host: SimulatedHost

  private final class Subscription: JournalSubscription, @unchecked Sendable {
    var isStopped = false
    func stop() { isStopped = true }
  }

  func cursor() throws(Refusal) -> String? {
    host.enter()
    return host.journal.last?.cursor
  }

  private func index(after cursor: String?) -> Int {
    (cursor.flatMap { known in host.journal.firstIndex { $0.cursor == known } } ?? -1) + 1
  }

  func follow(
    after cursor: String?, deliver: @escaping @Sendable (JournalEntry) -> Void
  ) throws(Refusal) -> any JournalSubscription {
    let subscription = Subscription()
    let (boot, first) = (host.boot, index(after: cursor))
    do throws(Errno) {
      try Thread.start("journal") { [host] in
        var index = first
        while !subscription.isStopped, host.boot == boot {
          if index < host.journal.count {
            let entry = host.journal[index]
            index += 1
            deliver(entry)
          } else {
            host.world.runtime.park(at: host.changed, until: nil)
          }
        }
      }
    } catch { throw Refusal(.failed, "\(error)") }
    return subscription
  }

  func follow(
    directory: String, since: Int64, deliver: @escaping @Sendable (JournalEntry) -> Void,
    fail: @escaping @Sendable (String) -> Void
  ) throws(Refusal) -> any JournalSubscription { Subscription() }

  func page(_ request: JournalRequest) throws(Refusal) -> JournalPage {
    host.enter()
    while true {
      let first =
        switch request.start {
        case .after(let cursor): index(after: cursor)
        case .since(let microseconds):
          host.journal.firstIndex { $0.realtimeMicroseconds >= microseconds } ?? host.journal.count
        case .last(let count): max(0, host.journal.count - count)
        }
      let entries = Array(host.journal[first...].prefix(request.limit))
      if !entries.isEmpty || Clock.now() >= request.deadline {
        return JournalPage(
          entries: entries, cursor: entries.last?.cursor ?? host.journal.last?.cursor,
          isFull: first + entries.count < host.journal.count, isLossy: false)
      }
      host.world.runtime.park(at: host.changed, until: request.deadline.nanoseconds)
    }
  }
}

struct HostProcesses: ProcessPort {
  let host: SimulatedHost

  func environment(of pid: Int32) throws(Refusal) -> [EnvironmentVariable] {
    host.enter()
    if pid == 1 { return [] }
    guard pid == host.unit.mainPID else {
      throw Refusal(.file, "read /proc/\(pid)/environ: No such file or directory")
    }
    return host.environment
  }
  func arguments(of pid: Int32) -> [String]? { nil }
  func home(of user: String) -> String? { "/home/\(user)" }
  func bootID() -> String { host.bootID }
  func usage() -> ProcessUsage? { nil }
  // The same program everywhere, always.
  func programMark(_ path: String) throws(Refusal) -> ProgramMark? {
    ProgramMark(device: 1, inode: 1, bytes: 1, modified: 1, changed: 1)
  }
  func program(_ path: String, deadline: Instant) throws(Refusal) -> ProgramContent {
    ProgramContent(digest: .sha256([]))
  }
}

struct HostFileWatch: FileWatchPort {
  let host: SimulatedHost
  private final class Seen: @unchecked Sendable { var stirs = 0 }
  private let seen = Seen()

  init(host: SimulatedHost) {
    self.host = host
    seen.stirs = host.stirs
  }
  func watch(_ places: [String]) throws(Refusal) {}
  func wait(until deadline: Instant?) throws(Refusal) -> Bool {
    while seen.stirs == host.stirs {
      if let deadline, Clock.now() >= deadline { return false }
      host.world.runtime.park(at: host.changed, until: deadline?.nanoseconds)
    }
    seen.stirs = host.stirs
    return true
  }
  func wake() {
    host.stirs += 1
    host.stir()
  }
  func mark(of path: String) throws(Refusal) -> FileMark {
    FileMark(
      digest: host.files[path].map(Digest.sha256), mode: 0o640, userID: 0, groupID: 7300, inode: 1)
  }
}

/// Key Managers that are all well or all away, and a server that answers when it runs.
struct HostProbes: ProbePort {
  let host: SimulatedHost

  func keyManagers(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, proofs: [KeyProof],
    deadline: Instant
  ) -> [EndpointReport] {
    host.take(upTo: 3_000)
    return settings.endpoints.map { report($0.text, opening: proofs) }
  }
  func makeKeyProof(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, known: [KeyProof],
    for binding: KeyProof.Binding, by node: String, deadline: Instant
  ) throws(Refusal) -> KeyProof {
    host.take(upTo: 1_000)
    guard host.world.keyManagerIsUp else { throw Refusal(.keyManager, "connection refused") }
    guard host.world.key.openings(of: known).other.isEmpty else {
      throw Refusal(.guarded, "a key proof does not open")
    }
    return host.world.key.proof(
      KeySource(settings), binding, by: node, at: Clock.realtimeMicroseconds())
  }
  func keyManagers(
    at hosts: [HostPort], surroundings: ServerSurroundings, deadline: Instant
  ) -> [EndpointReport] { hosts.map { report(Endpoint(host: $0.host, port: $0.port).text) } }
  func ownServer(_ server: ServerArguments, deadline: Instant) -> OwnServer {
    .answers(
      ServerFace(publicKey: nil, validUntil: nil, host: .sha256([1]), status: 200), port: 9000)
  }
  func health(
    _ endpoint: HealthEndpoint, of server: ServerArguments, deadline: Instant
  ) -> HealthAnswer {
    host.take(upTo: 2_000)
    return host.isServing
      ? .answered(status: 200, serverStatus: nil) : .failed("connection refused")
  }
  func takesWrites(
    _ server: ServerArguments, as credentials: AccessCredentials, bucket: String, objects: Int,
    deadline: Instant
  ) -> WriteAnswer {
    host.take(upTo: 2_000)
    return host.isServing ? .taken(asked: objects) : .untold("connection refused")
  }
  func kmsStatus(
    _ server: ServerArguments, as credentials: AccessCredentials, deadline: Instant
  ) -> ServerKMSAnswer {
    let key = host.environment.last { $0.name == "MINIO_KMS_SSE_KEY" }?.value
    return key.map { .defaultKey($0) } ?? .untold("not asked")
  }
  private func report(_ endpoint: String, opening proofs: [KeyProof] = []) -> EndpointReport {
    let isUp = host.world.keyManagerIsUp
    let isPlanted = host.world.planted == .proofNotOpened
    let openings =
      isPlanted
      ? ProofOpenings(opened: proofs.map(\.digest)) : host.world.key.openings(of: proofs)
    var report = EndpointReport(
      endpoint: endpoint, address: "192.0.2.1",
      stages: ProbeStage.allCases.map { stage in
        switch stage {
        case .dns: StageResult(stage, .fine, milliseconds: 1, detail: "")
        case .tcp where !isUp:
          StageResult(stage, .failed, milliseconds: 1, detail: "connection refused")
        case .proof where isUp:
          isPlanted && !proofs.isEmpty
            ? StageResult(stage, .fine, detail: "") : host.world.key.opening(of: proofs)
        default: StageResult(stage, isUp ? .fine : .notChecked, milliseconds: 1, detail: "")
        }
      })
    if isUp {
      report.addresses = [
        AddressReport(
          address: "192.0.2.1:7373", stages: Array(report.stages.dropFirst()), openings: openings)
      ]
    }
    return report
  }
}

struct NoWitnesses: WitnessPort {
  func ask(
    _ witness: Inventory.KeyManagerHost, _ request: WitnessRequest, deadline: Instant
  ) throws(Refusal) -> WitnessReport { throw Refusal(.unreachable, "connection refused") }
}

/// The other agents, asked with this node's certificate.
struct HostPeers: PeerPort {
  let host: SimulatedHost

  func call<Answer>(
    _ request: AgentRequest<Answer>, to node: Inventory.Node, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    try host.world.network.call(
      request, to: node.name, from: host.name,
      as: Principal(cluster: host.world.inventory.cluster, role: .node, name: host.name),
      deadline: deadline)
  }
}
