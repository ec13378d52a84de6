// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import JSONCoding
import KeyManager
import Linux
import Model
import Rollout
import Secrets
import ServerUnit
import StartWatch
import TestSupport
import Threads

/// systemd, the journal, processes, and what answers from elsewhere.
extension FakeNodeHost {
  struct Unit: UnitPort {
    let host: FakeNodeHost
    func state(deadline: Instant) throws(Refusal) -> UnitState { host.state.withLock { $0.unit } }
    func manager(deadline: Instant) throws(Refusal) -> ManagerState {
      host.state.withLock { $0.manager }
    }
    func restart(deadline: Instant) throws(Refusal) {
      if let failure = host.state.withLock({ $0.restartFailure }) { throw failure }
      if host.state.withLock({ $0.isAtStartLimit }) { throw Refusal(.unit, "start-limit-hit") }
      let (deliver, entries) = host.state.update { state in
        state.restarts += 1
        state.unit.invocationID = "new-\(state.restarts)"
        state.unit.mainPID = max(state.unit.mainPID, state.unit.execMainPID, 100) + 1
        state.unit.activeState = "active"
        state.unit.execMainPID = state.unit.mainPID
        if let program = state.program { state.runningProgram = program }
        state.unit.execMainStartMonotonicMicroseconds = Clock.monotonicMicroseconds()
        state.process = FakeNodeHost.started(state)
        state.unit.execMainStartRealtimeMicroseconds = UInt64(Clock.realtimeMicroseconds())
        let onRestart = state.onRestart
        onRestart(&state)
        let entries = state.startLines.enumerated().map { index, line in
          JournalEntry(
            cursor: "new-\(index)", realtimeMicroseconds: 1, monotonicMicroseconds: 1,
            bootID: state.boot, invocationID: state.unit.invocationID, pid: state.unit.mainPID,
            priority: 6, identifier: "minio", message: line)
        }
        return (state.deliver, entries)
      }
      for entry in entries { for body in deliver { body(entry) } }
    }
    func stop(deadline: Instant) throws(Refusal) {
      let onStopping = host.state.update { state in
        state.stops += 1
        state.unit.activeState = "deactivating"
        return state.onStopping
      }
      onStopping()
      if let failure = host.state.withLock({ $0.stopFailure }) { throw failure }
      let onStop = host.state.update { state in
        state.unit.activeState = "inactive"
        state.unit.mainPID = 0
        return state.onStop
      }
      onStop()
    }
    func start(deadline: Instant) throws(Refusal) {
      let onStart = host.state.withLock { $0.onStart }
      onStart()
      let failure = host.state.update { state in
        state.starts += 1
        if state.startFailure == nil { state.unit.activeState = "active" }
        return state.startFailure
      }
      if let failure { throw failure }
    }
    func resetFailed(deadline: Instant) throws(Refusal) {
      host.state.update { $0.isAtStartLimit = false }
    }
    func change(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
      let onWait = host.state.withLock { $0.onWait }
      onWait()
      return host.state.wait(until: deadline) { $0.unit == state ? nil : $0.unit }
    }
    func rest(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
      try change(after: state, deadline: deadline)
    }
  }

  struct Journal: JournalPort, JournalSubscription {
    let host: FakeNodeHost
    func cursor() throws(Refusal) -> String? {
      let onCursor = host.state.withLock { $0.onCursor }
      onCursor()
      return host.state.withLock { $0.cursor }
    }
    func follow(
      after cursor: String?, deliver: @escaping @Sendable (JournalEntry) -> Void
    ) throws(Refusal) -> any JournalSubscription {
      // A follower that comes late reads what has been written meanwhile.
      let entries = host.state.update { state -> [JournalEntry] in
        state.deliver.append(deliver)
        let before = cursor == state.cursor ? [] : state.linesBeforeCursor
        return before
          + (state.restarts == 0
            ? []
            : state.startLines.enumerated().map { index, line in
              JournalEntry(
                cursor: "new-\(index)", realtimeMicroseconds: 1, monotonicMicroseconds: 1,
                bootID: state.boot, invocationID: state.unit.invocationID, pid: state.unit.mainPID,
                priority: 6, identifier: "minio", message: line)
            })
      }
      for entry in entries { deliver(entry) }
      return self
    }
    func stop() {}
    func follow(
      directory: String, since: Int64, deliver: @escaping @Sendable (JournalEntry) -> Void,
      fail: @escaping @Sendable (String) -> Void
    ) throws(Refusal) -> any JournalSubscription {
      let lines = host.state.withLock { $0.logFiles[directory] }
      guard let lines else {
        fail("there is no such directory")
        return self
      }
      for line in lines {
        if let entry = JournalEntry(fileLine: line, received: Clock.realtimeMicroseconds()) {
          deliver(entry)
        }
      }
      return self
    }
    func page(_ request: JournalRequest) throws(Refusal) -> JournalPage {
      let onPage = host.state.withLock { $0.onPage }
      onPage()
      return host.state.update { state in
        state.journalRequests.append(request)
        let entries =
          state.journal
          ?? state.startLines.map { line in
            JournalEntry(
              cursor: "c", realtimeMicroseconds: 1, monotonicMicroseconds: 1, bootID: state.boot,
              invocationID: "old", pid: 100, priority: 6, identifier: "minio", message: line)
          }
        return JournalPage(entries: entries, cursor: "c", isLossy: state.isJournalLossy)
      }
    }
  }

  struct Process: ProcessPort {
    let host: FakeNodeHost
    func environment(of pid: Int32) throws(Refusal) -> [EnvironmentVariable] {
      let isGone = host.state.update { state in
        if pid == 1 || state.looksAtNoProcess == 0 { return false }
        state.looksAtNoProcess -= 1
        return true
      }
      if isGone {
        throw Refusal(.file, "read /proc/\(pid)/environ: No such file or directory")
      }
      return host.state.withLock { pid == 1 ? $0.initial : $0.process }
    }
    func arguments(of pid: Int32) -> [String]? { host.state.withLock { $0.arguments } }
    func home(of user: String) -> String? { "/home/\(user)" }
    func bootID() -> String { host.state.withLock { $0.boot } }
    func usage() -> ProcessUsage? {
      ProcessUsage(
        processorMilliseconds: 1_234, residentBytes: 8 << 20, openDescriptors: 21,
        startedMilliseconds: 1_790_000_000_500)
    }
    private func program(_ path: String) -> FakeProgram? {
      host.state.withLock { path.hasPrefix("/proc/") ? $0.runningProgram : $0.program }
    }
    func programMark(_ path: String) throws(Refusal) -> ProgramMark? {
      program(path).map { program in
        ProgramMark(device: 1, inode: program.inode, bytes: 1, modified: 1, changed: 1)
      }
    }
    func program(_ path: String, deadline: Instant) throws(Refusal) -> ProgramContent {
      if let failure = host.state.withLock({ $0.programFailure }) { throw failure }
      host.state.update { $0.programReads += 1 }
      guard let program = program(path) else { throw Refusal(.file, "there is no \(path)") }
      return ProgramContent(
        digest: .ofFields([program.text]), isNative: program.isNative,
        releaseTexts: program.releases)
    }
  }

  struct Probe: ProbePort {
    let host: FakeNodeHost
    func keyManagers(
      _ settings: KeyManagerSettings, surroundings: ServerSurroundings, proofs: [KeyProof],
      deadline: Instant
    ) -> [EndpointReport] {
      host.state.update { $0.surroundings = surroundings }
      let given = host.state.withLock { $0.reports }
      if !given.isEmpty { return given }
      let key = host.state.withLock { $0.key }
      return settings.endpoints.map { endpoint in
        var report = Probe.fine(endpoint.text)
        let opening = key.opening(of: proofs)
        report.stages = report.stages.map { $0.stage == .proof ? opening : $0 }
        report.addresses = [
          AddressReport(
            address: "127.0.0.1:7373", stages: Array(report.stages.dropFirst()),
            sight: KeyManagerSight(
              host: "kms",
              key: .exists(
                KeyFingerprint(
                  version: key.version, type: "AES256", createdAt: nil, createdBy: nil))),
            openings: key.openings(of: proofs))
        ]
        return report
      }
    }
    func makeKeyProof(
      _ settings: KeyManagerSettings, surroundings: ServerSurroundings, known: [KeyProof],
      for binding: KeyProof.Binding, by node: String, deadline: Instant
    ) throws(Refusal) -> KeyProof {
      let (key, failure) = host.state.update { state in
        state.proofsMade += 1
        return (state.key, state.proofFailure)
      }
      if let failure { throw failure }
      if !key.openings(of: known).other.isEmpty {
        throw Refusal(.guarded, "make a key proof: it does not open the key proof of version 1")
      }
      return key.proof(
        KeySource(settings), binding, by: node, at: Clock.realtimeMicroseconds())
    }
    func keyManagers(
      at hosts: [HostPort], surroundings: ServerSurroundings, deadline: Instant
    ) -> [EndpointReport] { hosts.map { Probe.fine(Endpoint(host: $0.host, port: $0.port).text) } }
    func ownServer(_ server: ServerArguments, deadline: Instant) -> OwnServer {
      host.state.withLock { $0.ownServer }
    }
    func health(
      _ endpoint: HealthEndpoint, of server: ServerArguments, deadline: Instant
    ) -> HealthAnswer {
      host.state.update { state in
        state.healthQuestions.append(endpoint)
        return endpoint == .ready
          ? state.health.ready : state.health.cluster ?? .failed("no answer")
      }
    }
    func takesWrites(
      _ server: ServerArguments, as credentials: AccessCredentials, bucket: String, objects: Int,
      deadline: Instant
    ) -> WriteAnswer {
      host.state.update { state in
        state.writeQuestions.append((credentials, bucket, objects))
        return state.writes
      }
    }
    func kmsStatus(
      _ server: ServerArguments, as credentials: AccessCredentials, deadline: Instant
    ) -> ServerKMSAnswer {
      host.state.withLock { state in
        let key = state.process.last { $0.name == "MINIO_KMS_SSE_KEY" }?.value
        // A key that is in a file of its own is not looked up here.
        return state.kms ?? key.map { .defaultKey($0) } ?? .untold("not asked")
      }
    }
    static func fine(_ endpoint: String) -> EndpointReport {
      EndpointReport(
        endpoint: endpoint, address: "127.0.0.1",
        stages: ProbeStage.allCases.map {
          StageResult($0, .fine, milliseconds: 1, detail: "")
        })
    }
  }

  struct Witnesses: WitnessPort {
    let host: FakeNodeHost

    func ask(
      _ host: Inventory.KeyManagerHost, _ request: WitnessRequest, deadline: Instant
    ) throws(Refusal) -> WitnessReport {
      let witness = host.name
      let report = self.host.state.update { state in
        state.questions.append((witness, request.nonce))
        return state.witnesses[witness]
      }
      guard let report else { throw Refusal(.unreachable, "connection refused") }
      return WitnessReport(
        report, certificate: self.host.state.withLock { $0.witnessCertificates[witness] })
    }
  }
}
