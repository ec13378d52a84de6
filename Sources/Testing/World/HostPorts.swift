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
internal import Threads

extension SimulatedHost {
  /// The agent's ports, which this host stands behind.
  func ports() -> Ports {
    Ports(
      file: HostFiles(host: self), unit: HostUnit(host: self), journal: HostJournal(host: self),
      process: HostProcesses(host: self), probe: HostProbes(host: self),
      records: HostRecords(host: self), peers: HostPeers(host: self),
      witnesses: NoWitnesses(), watch: HostFileWatch(host: self),
      event: { [self] event in world.trace("\(name): \(event.message)") },
      log: { [self] _, line in
        if world.planted == .deadlock { logsTwice() }
        world.trace("\(name): \(line)")
      })
  }
}

/// The host's files, each change durable only after ``syncDirectory(of:)``.
struct HostFiles: EnvironmentFilePort {
  let host: SimulatedHost

  func read(_ path: String) throws(Refusal) -> [UInt8]? {
    host.enter()
    return host.files[path]
  }
  func read(_ path: String, seenBy pid: Int32) throws(Refusal) -> [UInt8]? { try read(path) }
  func changed(_ path: String) throws(Refusal) -> Int64? { host.files[path] == nil ? nil : 0 }
  func changed(_ path: String, seenBy pid: Int32) throws(Refusal) -> Int64? { try changed(path) }
  func place(of path: String, for account: ServiceAccount) throws(Refusal) -> ConfigFilePlace {
    ConfigFilePlace(path: path, steps: [path], exists: host.files[path] != nil)
  }
  func paths(matching pattern: String) throws(Refusal) -> [String] {
    host.files[pattern] == nil ? [] : [pattern]
  }
  func obstacle(reading path: String, as account: ServiceAccount) throws(Refusal) -> String? { nil }
  func checkReplaceable(_ path: String) throws(Refusal) { host.enter() }

  func stage(
    _ bytes: [UInt8], at path: String, tag: String, before: Digest?, owner: ServiceAccount?
  ) throws(Refusal) {
    try write("stage \(path)")
    guard host.files[path].map(Digest.sha256) == before else {
      throw Refusal(.vote, "\(host.name): \(path) is not what it was")
    }
    host.staged[tag] = (path, bytes)
    host.enter()
  }

  func install(at path: String, tag: String, before: Digest?, after: Digest) throws(Refusal) {
    try write("replace \(path)")
    let now = host.files[path].map(Digest.sha256)
    if now == after { return }
    guard now == before, let staged = host.staged[tag], staged.path == path,
      Digest.sha256(staged.bytes) == after
    else { throw Refusal(.vote, "\(host.name): \(path) is not what was voted on") }
    host.world.installed(on: host, tag, after)
    host.unsynced[path] = (
      host.unsynced[path].map(\.file) ?? host.files[path], tag, staged.bytes
    )
    host.files[path] =
      host.world.planted == .otherFileInstalled ? staged.bytes + [0x0A] : staged.bytes
    host.staged[tag] = nil
    host.stirs += 1
    host.stir()
    host.enter()
  }

  func syncDirectory(of path: String) throws(Refusal) {
    try write("sync the directory of \(path)")
    if host.world.planted != .syncIgnored { host.unsynced[path] = nil }
    host.enter()
  }

  func discard(beside path: String, allExcept tags: [String]) throws(Refusal) {
    host.enter()
    if host.world.planted == .discardIgnored { return }
    host.staged = host.staged.filter { $0.value.path != path || tags.contains($0.key) }
    host.enter()
  }

  private func write(_ attempt: String) throws(Refusal) {
    host.enter()
    host.take(upTo: host.world.faults.diskMicroseconds)
    if let failure = host.diskFailure { throw Refusal(.file, "\(attempt): \(failure)") }
  }
}

/// The agent's records: one is replaced at some instant of the call, and durable when it returns.
struct HostRecords: RecordPort {
  let host: SimulatedHost
  var directory: String { "/var/lib/keyturn" }

  func guardEvidence(of invocation: String) throws(Refusal) -> [UInt8]? {
    JSON.encode(GuardEvidence(invocation: invocation, key: nil, realtimeMicroseconds: 0))
  }
  func load(_ name: String) throws(Refusal) -> [UInt8]? {
    host.enter()
    return host.records[name]
  }

  func save(_ name: String, _ bytes: [UInt8]) throws(Refusal) {
    try write("write \(name)") {
      if name == "rollout", host.world.planted == .promiseForgotten { return }
      host.records[name] = bytes
      host.world.runtime.note(bytes)
      if name == "rollout" { host.world.promised(host) }
    }
  }

  func remove(_ name: String) throws(Refusal) {
    try write("remove \(name)") { host.records[name] = nil }
  }

  /// Where the disk is full, the last step may have failed only: then it is done all the same.
  private func write(_ attempt: String, _ change: () -> Void) throws(Refusal) {
    host.enter()
    host.take(upTo: host.world.faults.diskMicroseconds)
    let failure = host.diskFailure
    if failure == nil || host.world.chance(32) { change() }
    host.take(upTo: host.world.faults.diskMicroseconds)
    host.enter()
    if let failure { throw Refusal(.file, "\(attempt): \(failure)") }
  }

  func list(_ folder: String) throws(Refusal) -> [String] {
    host.enter()
    return host.records.keys.filter { $0.hasPrefix("\(folder)/") }
      .map { String($0.dropFirst(folder.utf8.count + 1)) }.sorted()
  }
}

struct HostUnit: UnitPort {
  let host: SimulatedHost

  func state(deadline: Instant) throws(Refusal) -> UnitState {
    host.enter()
    host.take(upTo: 500)
    return host.unit
  }
  func manager(deadline: Instant) throws(Refusal) -> ManagerState {
    ManagerState(version: "252.39", environment: ["LANG=C.UTF-8"])
  }
  func restart(deadline: Instant) throws(Refusal) {
    host.enter()
    host.take(upTo: 1_000)
    host.world.restartOrdered(host)
    host.restartServer()
    host.take(upTo: 1_000)
    host.enter()
  }
  func stop(deadline: Instant) throws(Refusal) {
    host.enter()
    if !host.stopServer(until: deadline) {
      throw Refusal(.unit, "\(host.name): the server has not stopped in time")
    }
    host.enter()
  }
  func start(deadline: Instant) throws(Refusal) {
    host.enter()
    host.startServer()
    host.enter()
  }
  func resetFailed(deadline: Instant) throws(Refusal) { host.enter() }
  func change(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
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
  func home(of user: String) -> String? { "/home/\(user)" }
  func bootID() -> String { host.bootID }
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

/// Key Managers that are all well, and a server that answers when it runs.
struct HostProbes: ProbePort {
  let host: SimulatedHost

  func keyManagers(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, deadline: Instant
  ) -> [EndpointReport] {
    host.take(upTo: 3_000)
    return settings.endpoints.map { Self.fine($0.text) }
  }
  func keyManagers(
    at hosts: [HostPort], surroundings: ServerSurroundings, deadline: Instant
  ) -> [EndpointReport] { hosts.map { Self.fine(Endpoint(host: $0.host, port: $0.port).text) } }
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
  private static func fine(_ endpoint: String) -> EndpointReport {
    EndpointReport(
      endpoint: endpoint, address: "192.0.2.1",
      stages: ProbeStage.allCases.map { StageResult($0, .fine, milliseconds: 1, detail: "") })
  }
}

struct NoWitnesses: WitnessPort {
  func ask(
    _ witness: String, _ request: WitnessRequest, deadline: Instant
  ) throws(Refusal) -> ReverseReport { throw Refusal(.unreachable, "connection refused") }
}

/// The other agents, asked with this node's certificate.
struct HostPeers: PeerPort {
  let host: SimulatedHost

  func call<Answer>(
    _ request: AgentRequest<Answer>, to node: String, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    try host.world.network.call(
      request, to: node, from: host.name,
      as: Principal(cluster: host.world.inventory.cluster, role: .node, name: host.name),
      deadline: deadline)
  }
}
