// SPDX-License-Identifier: Apache-2.0
internal import API
internal import JSONCoding
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import Threads

/// Whether the running server uses the key that it must use, and whether the start guard ran before it.
final class KeyDrift: Sendable {
  private let site: Site
  private let seals: SealKeeper
  let proofs: ProofKeeper
  /// What the server of an invocation said of the key that it encrypts with, and until when that counts.
  private let word = Lock<(invocation: String, answer: ServerKMSAnswer, until: Instant)?>(nil)

  init(_ site: Site, seals: SealKeeper, proofs: ProofKeeper) {
    self.site = site
    self.proofs = proofs
    self.seals = seals
  }

  /// The server is asked again before its word counts.
  func forgetWord() { word.update { $0 = nil } }

  /// Whether the running server uses another key than this one, whether the start guard ran before it, and whether the
  /// Key Managers have the key that was proven. Blocks on the disk.
  func drift(_ view: ServerView, from key: KeyIdentity) -> [DriftItem] {
    (proofs.problem.map { [DriftItem($0)] } ?? []) + serverDrift(view, from: key)
  }

  private func serverDrift(_ view: ServerView, from key: KeyIdentity) -> [DriftItem] {
    guard let unit = view.unit, unit.loadState == "loaded" else { return [] }
    var items: [DriftItem] = []
    if let problem = StartGuardInUnit.problem(unit, state: site.ports.records.directory) {
      items.append(DriftItem(.startGuard, .error, place: unit.id, message: problem))
    }
    guard unit.mainPID > 0, let process = view.running, unit.isStarted(process) else {
      return items
    }
    if items.isEmpty, let item = evidenceDrift(unit) { items.append(item) }
    let running = RunningKey(
      ports: site.ports, unit: unit, process: process,
      word: {
        if unit.activeState == "active" { return self.askedWord(unit, process) }
        self.forgetWord()
        return nil
      })
    switch running.compare(with: key) {
    case .same: break
    case .other(let text):
      items.append(
        DriftItem(
          .runningKey, .error, place: unit.id, variables: ["MINIO_KMS_SSE_KEY"],
          message:
            "the running server of \(unit.id) does not use the sealed key \(key.text): \(text); stop it before it writes more, put the sealed key back, and start it again"
        ))
    case .unknown(let why):
      items.append(
        DriftItem(
          .runningKey, .warning, place: unit.id, variables: ["MINIO_KMS_SSE_KEY"],
          message: "which key the running server of \(unit.id) uses is not known: \(why)"))
    }
    return items
  }

  /// How long the server's own word counts, milliseconds. A server that executes itself once more (`mc admin service
  /// restart`) reads its file again and has the same process and invocation.
  private static let wordMilliseconds = 1_000
  /// How long it may take, milliseconds.
  private static let wordDeadlineMilliseconds = 1_000

  /// What the running server says of the key that it encrypts with. Blocks until it has answered.
  private func askedWord(_ unit: UnitState, _ process: [EnvironmentVariable]) -> ServerKMSAnswer {
    if let known = word.withLock({ $0 }), known.invocation == unit.invocationID,
      known.until > Clock.now()
    {
      return known.answer
    }
    let answer: ServerKMSAnswer
    do throws(Refusal) {
      let environment = ServerEnvironment.probablyInForce(
        process, of: unit.mainPID, site.ports.file)
      answer = site.ports.probe.kmsStatus(
        ServerArguments(unit, atStart: process, inForce: environment, site.ports.process),
        as: try ServerEnvironment.rootCredentials(process, site.ports.file),
        deadline: .inMilliseconds(Self.wordDeadlineMilliseconds))
    } catch { answer = .untold(error.message) }
    word.update {
      $0 = (unit.invocationID, answer, .inMilliseconds(Self.wordMilliseconds))
    }
    return answer
  }

  /// Whether a start can be confirmed as far as the key goes that is sealed, or that its confirmation seals.
  func compare(of pid: Int32, with voted: Seal?) throws(Refusal) -> EnvironmentAnswer {
    guard let key = (seals.record().seal ?? voted)?.key else { return .same(.notSealed) }
    let unit = try site.ports.unit.state(deadline: .inMilliseconds(5_000))
    if unit.mainPID != pid { return .unknown("the main process is another one since") }
    if let problem = guardProblem(unit) { return .otherKey(problem) }
    let process = try site.ports.process.environment(of: pid)
    let running = RunningKey(
      ports: site.ports, unit: unit, process: process, word: { self.askedWord(unit, process) })
    switch running.compare(with: key) {
    case .same(let evidence): return .same(evidence)
    case .other(let what): return .otherKey(what)
    case .unknown(let why): return .unknown(why)
    }
  }

  /// Nil if the start guard has left its evidence of the start of the unit's process.
  private func evidenceDrift(_ unit: UnitState) -> DriftItem? {
    guard let problem = guardProblem(unit) else { return nil }
    // A start from before the guard's last change says nothing of the guard as it is.
    var isOlder = false
    do throws(Refusal) {
      for file in unit.dropIns {
        let changed = try site.ports.file.changed(file) ?? 0
        if changed > Int64(clamping: unit.execMainStartRealtimeMicroseconds) { isOlder = true }
      }
    } catch { site.log(.warning, error.message) }
    return DriftItem(
      .startGuard, isOlder ? .warning : .error, place: unit.id,
      message: isOlder
        ? "\(problem); the unit's drop-ins are newer than that start, and keyturn restart makes one that goes through the guard"
        : "\(problem); see journalctl -u \(unit.id), and what is in the server's environment files")
  }

  /// Why it is not known that the start guard ran for the unit's present start; nil if it did.
  func guardProblem(_ unit: UnitState) -> String? {
    let what =
      "the start guard did not run for the start of \(unit.id) (invocation \(unit.invocationID))"
    let bytes: [UInt8]?
    do throws(Refusal) { bytes = try site.ports.records.guardEvidence(of: unit.invocationID) } catch
    {
      return "\(what): \(error.message)"
    }
    guard let bytes else { return what }
    do throws(JSONFailure) {
      let evidence = try JSON.decode(GuardEvidence.self, from: bytes)
      return evidence.invocation == unit.invocationID ? nil : what
    } catch { return "\(what): what it has left cannot be read" }
  }
}

extension DriftItem {
  /// A key proof that does not open, or that cannot be made.
  fileprivate init(_ problem: Finding) {
    self.init(
      .keyProof, problem.severity, place: problem.link?.keyManager ?? "the Key Managers",
      variables: ["MINIO_KMS_SSE_KEY"], message: problem.statement)
  }
}

extension UnitState {
  /// Whether the main process has its own environment: between fork and exec a new one still has systemd's.
  func isStarted(_ process: [EnvironmentVariable]) -> Bool {
    activeState == "active"
      || process.contains { $0.name == "INVOCATION_ID" && $0.value == invocationID }
  }
}
