// SPDX-License-Identifier: Apache-2.0
internal import API
internal import EnvironmentFile
internal import JSONCoding
internal import KeyManager
internal import Model
internal import Rollout
internal import ServerUnit
internal import StartWatch
internal import Threads

/// What can be told of the key that a running server uses, against the one that it must use.
enum RunningKeyAnswer: Equatable {
  /// It is that one, and what that is known from.
  case same(KeyEvidence)
  /// It is not; what was found, for people.
  case other(String)
  /// It cannot be told, and why.
  case unknown(String)
}

/// What a running server really uses, whatever the files say that a start would use now.
struct RunningKey {
  let ports: Ports
  let unit: UnitState
  /// What its process was started with.
  let process: [EnvironmentVariable]

  /// What the server itself says of the key that it encrypts with; nil if it cannot be asked. Only asked where the rest
  /// does not tell of another key already: a server that hangs must not put the alarm off.
  let word: () -> ServerKMSAnswer?

  private static let names = ["MINIO_KMS_SSE_KEY", "MINIO_KMS_ENCLAVE"]

  /// By its environment, by the file that it has read by itself, as it sees that, and by its own word. Blocks on the
  /// disk.
  func compare(with key: KeyIdentity) -> RunningKeyAnswer {
    let found = look(for: key)
    if case .other = found { return found }
    switch (found, word()) {
    case (_, .defaultKey(let name)):
      if !name.utf8.elementsEqual(key.name.utf8) {
        return .other("the server itself says that it encrypts with the key \"\(name)\"")
      }
      // It does not name the enclave: a key of the same name in another one is another key.
      if case .unknown(let why) = found {
        return .unknown("the server itself names the sealed key, and not its enclave: \(why)")
      }
      return .same(.word)
    case (.same, .some(.none)):
      return .unknown("the server itself says that it has no Key Manager")
    case (.same, .untold(let why)): return .same(.files(why))
    case (_, _): return found
    }
  }

  private func look(for key: KeyIdentity) -> RunningKeyAnswer {
    let seal = Seal(
      cluster: "", keyName: key.name, enclave: key.enclave, rollout: "", sealedAtMicroseconds: 0)
    do throws(Refusal) {
      let file = try definitions()
      let variables = Self.names.map { name in
        StartGuard.Variable(
          environment: process.last { $0.name == name }.map {
            StartGuard.Definition(
              value: $0.value, place: "the environment of its process (PID \(unit.mainPID))")
          }, file: file.filter { $0.name == name }.map(\.definition))
      }
      return StartGuard.problem(seal: seal, key: variables[0], enclave: variables[1])
        .map { .other($0) } ?? .same(.files("it was not asked"))
    } catch { return .unknown(error.message) }
  }

  /// What it has read of the file that its MINIO_CONFIG_ENV_FILE names, if that is what the file says still.
  private func definitions() throws(Refusal) -> [(name: String, definition: StartGuard.Definition)]
  {
    guard let path = try ServerEnvironment.configPath(of: process) else { return [] }
    guard let bytes = try ports.file.read(path, seenBy: unit.mainPID),
      let changed = try ports.file.changed(path, seenBy: unit.mainPID)
    else {
      throw Refusal(
        .file, "\(path), which MINIO_CONFIG_ENV_FILE of the process names, is not there")
    }
    if changed > startMicroseconds {
      throw Refusal(
        .file,
        "\(path), which MINIO_CONFIG_ENV_FILE of the process names, was changed after its start")
    }
    return EnvironmentDocument(bytes).minio.definitions.filter { !$0.isDropped }.map {
      ($0.name, StartGuard.Definition(value: $0.value, place: "\(path) line \($0.line)"))
    }
  }

  /// When the process was started, by the clock that files have their times from.
  private var startMicroseconds: Int64 {
    let age = Int64(Clock.monotonicMicroseconds()) - Int64(unit.execMainStartMonotonicMicroseconds)
    return Clock.realtimeMicroseconds() - age
  }
}

extension Agent {
  /// Whether the running server uses another key than this one, and whether the start guard ran before it. Blocks on
  /// the disk.
  func keyDrift(_ look: Look, _ key: KeyIdentity) -> [DriftItem] {
    guard let unit = look.unit, unit.loadState == "loaded" else { return [] }
    var items: [DriftItem] = []
    if let problem = StartGuardRules.problem(unit, state: ports.records.directory) {
      items.append(DriftItem(.startGuard, .error, place: unit.id, message: problem))
    }
    guard unit.mainPID > 0, let process = look.running, unit.isStarted(process) else {
      return items
    }
    if items.isEmpty, let item = evidenceDrift(unit) { items.append(item) }
    let running = RunningKey(
      ports: ports, unit: unit, process: process,
      word: {
        if unit.activeState == "active" { return self.serversWord(unit, process) }
        self.state.update { $0.serversWord = nil }
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
  private func serversWord(_ unit: UnitState, _ process: [EnvironmentVariable]) -> ServerKMSAnswer {
    let known = state.withLock { $0.serversWord }
    if let known, known.invocation == unit.invocationID, known.until > Clock.now() {
      return known.answer
    }
    let answer: ServerKMSAnswer
    do throws(Refusal) {
      let environment = ServerEnvironment.probablyInForce(process, of: unit.mainPID, ports.file)
      answer = ports.probe.kmsStatus(
        assessor.arguments(unit, process, inForce: environment),
        as: try RootCredentials.of(process, ports.file),
        deadline: .inMilliseconds(Self.wordDeadlineMilliseconds))
    } catch { answer = .untold(error.message) }
    state.update {
      $0.serversWord = (unit.invocationID, answer, .inMilliseconds(Self.wordMilliseconds))
    }
    return answer
  }

  /// Whether a start can be confirmed as far as the key goes that is sealed, or that its confirmation seals.
  func compareKey(of pid: Int32, with voted: Seal?) throws(Refusal) -> EnvironmentAnswer {
    guard let key = (sealRecord().seal ?? voted)?.key else { return .same(.notSealed) }
    let unit = try ports.unit.state(deadline: .inMilliseconds(5_000))
    if unit.mainPID != pid { return .unknown("the main process is another one since") }
    if let problem = guardProblem(unit) { return .otherKey(problem) }
    let process = try ports.process.environment(of: pid)
    let running = RunningKey(
      ports: ports, unit: unit, process: process, word: { self.serversWord(unit, process) })
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
        let changed = try ports.file.changed(file) ?? 0
        if changed > Int64(clamping: unit.execMainStartRealtimeMicroseconds) { isOlder = true }
      }
    } catch { ports.log(4, error.message) }
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
    do throws(Refusal) { bytes = try ports.records.guardEvidence(of: unit.invocationID) } catch {
      return "\(what): \(error.message)"
    }
    guard let bytes else { return what }
    do throws(JSONFailure) {
      let evidence = try JSON.decode(GuardEvidence.self, from: bytes)
      return evidence.invocation == unit.invocationID ? nil : what
    } catch { return "\(what): what it has left cannot be read" }
  }
}

extension UnitState {
  /// Whether the main process has its own environment: between fork and exec a new one still has systemd's.
  func isStarted(_ process: [EnvironmentVariable]) -> Bool {
    activeState == "active"
      || process.contains { $0.name == "INVOCATION_ID" && $0.value == invocationID }
  }
}
