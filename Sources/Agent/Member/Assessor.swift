// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

/// What an assessment came to: the answer for the operator, and what a vote needs of it.
struct Assessment {
  var answer: PlanAnswer
  /// The file as it is; nil if there is none, or if it could not be read.
  var currentBytes: [UInt8]?
  /// The file as it would be; nil if it would not change.
  var newBytes: [UInt8]?
  /// Who gets the file if it is new; nil for root.
  var owner: ServiceAccount?
  /// The unit's state when it was looked at.
  var unit: UnitState?
  /// What the server shall run with; nil if that is not known.
  var environment: [PreparedFacts.Variable]?
}

/// Every validation and preflight of one node, in the order of the protocol. Changes nothing.
///
/// `plan` shows what it says; a vote is a yes only if it finds no reason for a no.
struct Assessor: Sendable {
  let node: String
  let inventory: Inventory
  let ports: Ports
  let reversePath: ReversePath
  let now: @Sendable () -> Instant

  /// Blocks while the unit is read and the Key Managers are probed, up to the inventory's probe
  /// timeout.
  ///
  /// - Parameters:
  ///   - earlier: for a rollback the generation to go back to, or why it cannot be had.
  ///   - lastPath: the file of the last generation; nil if there is none.
  ///   - isUndo: whether the last rollout is to be taken back: a job of the unit is its own then.
  func assess(
    kind: RolloutKind, earlier: Result<History.Kept, Refusal>? = nil, changes: [SettingChange],
    createKey: Bool, seal: Seal?, generation: Int, lastPath: String?, record: ParticipantRecord,
    isUndo: Bool = false
  ) -> Assessment {
    var refusals: [Refusal] = []
    var findings: [Finding] = []
    let unit = unitState(&findings)
    let running = runningEnvironment(of: unit, seal: seal, &findings)
    var inForce = running
    var edit = Edit(path: inventory.environmentFile)
    var currentKey: KeyIdentity?
    // What cannot be read is not an empty file: nothing is said of what it holds.
    do throws(Refusal) {
      if seal == nil {
        inForce = try running.map { running throws(Refusal) in
          // A process that has ended since sees no files any more.
          do throws(Refusal) {
            return try ServerEnvironment.inForce(running, of: unit?.mainPID ?? 0, ports.file)
          } catch { return try ServerEnvironment.inForce(running, ports.file) }
        }
      }
      let server = try ServerEnvironment(
        unit: unit, fallback: inventory.environmentFile, ports: ports, deadline: unitDeadline)
      edit.server = server
      currentKey = KeyIdentity(server.variables)
      try settle(&edit, in: server, kind, earlier, changes, lastPath: lastPath)
    } catch { refusals.append(error) }
    let path = edit.path
    let merged = edit.server
    if let unit {
      // A note is of a unit that is as it should be: for `check`.
      findings += examine(unit, merged, isInRollout: record.active != nil || isUndo)
        .filter { $0.severity > .note }
    }
    let (current, proposed) = (edit.current ?? EnvironmentDocument([]), edit.proposed)
    let environment = merged?.variables ?? []
    do throws(Refusal) {
      findings +=
        try merged?.findings(inventoryFile: inventory.environmentFile) { file throws(Refusal) in
          guard let unit else { return nil }
          return try ports.file.obstacle(reading: file, as: unit.account)
        } ?? []
    } catch { refusals.append(error) }
    // What is not read at all is not shadowed.
    if let merged, merged.files.contains(path) { findings += merged.shadowed(edit.changes) }

    let holder = KeyGuard.Holder(seal: seal, running: inForce, unit: unit)
    // A definition of which nothing comes is none.
    func definitions(_ name: String) -> [String] {
      guard let merged, merged[name] != nil else { return [] }
      return merged.definitions(of: name).map(\.1.value)
    }
    if let merged {
      let keys = definitions("MINIO_KMS_SSE_KEY")
      if var refusal = KeyGuard.refusal(
        holder: holder, keys: keys, enclaves: definitions("MINIO_KMS_ENCLAVE"))
      {
        if keys.count > 1 {
          let places = merged.places(of: "MINIO_KMS_SSE_KEY").joined(separator: ", ")
          refusal.message += "; it is defined in: \(places)"
        }
        refusals.insert(refusal, at: 0)
      }
    }

    let isGuarded = holder != nil || KeyIdentity(environment) != nil
    if isGuarded, let problem = merged?.keyProblem {
      refusals.insert(
        Refusal(
          .guarded,
          "which MINIO_KMS_SSE_KEY the server of \(node) would use cannot be relied on: \(problem)"),
        at: 0)
    }
    if let unit {
      findings += StartGuardRules.findings(
        unit, state: ports.records.directory, isNeeded: isGuarded
      ).filter { $0.rule == "start-guard-missing" }
    }
    findings += merged?.settingsFindings(path: path) ?? []
    var sight: KeyManagerSight?
    if refusals.isEmpty && !findings.contains(where: { $0.severity == .error }) {
      let preflight = preflight(
        merged, unit: unit, firstEnablement: holder == nil, createKey: createKey)
      findings += preflight.findings
      sight = preflight.sight
    }
    findings.sort { $0.severity > $1.severity }
    if let worst = findings.first, worst.severity == .error {
      refusals.append(Refusal(worst.refusal, worst.statement))
    }
    if holder == nil,
      let refusal = KeyGuard.ambiguity(
        keys: definitions("MINIO_KMS_SSE_KEY"), enclaves: definitions("MINIO_KMS_ENCLAVE"))
    {
      refusals.append(refusal)
    }

    let agreed = EnvironmentAgreement.map(of: environment).map {
      VariableDigest(name: $0.name, digest: $0.digest)
    }
    let reason = merged.map { restartReason($0.variables, running: running, unit: unit) } ?? ""
    let changed = proposed.bytes != current.bytes
    let before = edit.current.map { Digest.sha256($0.bytes) }
    let answer = PlanAnswer(
      node: node, path: path, before: before,
      after: changed ? Digest.sha256(proposed.bytes) : before,
      difference: EnvironmentDiff.lines(from: current, to: proposed, describe: Self.describe),
      restartNeeded: changed || !reason.isEmpty,
      restartReason: changed ? "the file changes" : reason,
      findings: findings, refusal: refusals.first, environment: agreed,
      environmentDigest: EnvironmentAgreement.digest(of: environment), epoch: record.highestEpoch,
      activeRollout: record.active?.rollout.id, generation: generation,
      seal: seal, key: KeyIdentity(environment), currentKey: currentKey, keyManager: sight?.text)
    return Assessment(
      answer: answer, currentBytes: edit.current?.bytes,
      newBytes: changed ? proposed.bytes : nil,
      owner: merged?.config?.path == path ? unit?.account : nil, unit: unit,
      environment: merged.map { RunningEnvironment.digests(of: $0.variables) })
  }

  private var unitDeadline: Instant { now().advanced(byMilliseconds: 5_000) }

  /// What becomes of the one file.
  private struct Edit {
    var path: String
    /// The file as it is; nil if there is none, or if it could not be read.
    var current: EnvironmentDocument?
    /// The file as it would be.
    var proposed = EnvironmentDocument([])
    /// What is set and removed in it.
    var changes: [SettingChange] = []
    /// What the server would get; nil if that is not known.
    var server: ServerEnvironment?

    init(path: String) { self.path = path }
  }

  /// Finds the file, and what it would be.
  private func settle(
    _ edit: inout Edit, in server: ServerEnvironment, _ kind: RolloutKind,
    _ earlier: Result<History.Kept, Refusal>?, _ changes: [SettingChange], lastPath: String?
  ) throws(Refusal) {
    func take(_ path: String) {
      edit.path = path
      edit.current = server.document(at: path)
      edit.proposed = edit.current ?? EnvironmentDocument([])
    }
    take(inventory.environmentFile)
    if let earlier {
      let kept = try earlier.get()
      let target = try server.target(
        of: [], inventoryFile: inventory.environmentFile, preferred: kept.generation.path)
      take(target.path)
      let old = edit.proposed
      edit.proposed = try document(of: kept, at: target.path)
      let isOwn = server.config?.path == target.path
      edit.changes = Self.changes(
        from: isOwn ? old.minio : old.systemd,
        to: isOwn ? edit.proposed.minio : edit.proposed.systemd)
    } else {
      let target = try server.target(
        of: kind == .apply ? changes : [], inventoryFile: inventory.environmentFile,
        preferred: lastPath)
      take(target.path)
      edit.changes = target.changes
      edit.proposed = try edit.proposed.applying(target.changes)
    }
    guard edit.proposed.bytes != (edit.current?.bytes ?? []) else { return }
    edit.server = try server.replacing(edit.path, by: edit.proposed, ports: ports)
    try ports.file.checkReplaceable(edit.path)
  }

  /// The file of a generation, if it is one that can take the present one's place.
  private func document(
    of kept: History.Kept, at path: String
  ) throws(Refusal) -> EnvironmentDocument {
    guard kept.generation.path == path else {
      throw Refusal(
        .validation,
        "generation \(kept.generation.number) is of \(kept.generation.path), and the file that \(node) edits is now \(path); apply the settings instead (keyturn diff \(kept.generation.number) shows what differs)"
      )
    }
    return EnvironmentDocument(kept.bytes)
  }

  /// What would have to be set and removed to get from one file to the other.
  private static func changes(
    from old: EnvironmentDocument.Reading, to new: EnvironmentDocument.Reading
  ) -> [SettingChange] {
    let set = new.variables.filter { variable in
      old[variable.name].map { !$0.utf8.elementsEqual(variable.value.utf8) } ?? true
    }
    let removed = old.variables.filter { new[$0.name] == nil }
    return set.map { SettingChange(name: $0.name, value: Secret($0.value)) }
      + removed.map { SettingChange(name: $0.name, value: nil) }
  }

  /// The value of a secret variable as people may see it: an API key as its identity, anything else
  /// not at all.
  static func describe(_ name: String, _ value: String) -> String {
    guard SecretVariables.contains(name) else { return withoutPasswords(value) }
    guard name == "MINIO_KMS_API_KEY", let identity = try? APIKey(Secret(value)).identity else {
      return "<redacted>"
    }
    return identity.text
  }

  /// What of another variable's value people may see: not an API key that got under a wrong name,
  /// not `password=` in a connection string, and of `NAME:PASSWORD@`, in a URL or a data source's
  /// name, nothing up to the last `@`.
  private static func withoutPasswords(_ value: String) -> String {
    let text = Redactor().redact(value)
    guard let at = text.utf8.lastIndex(of: UInt8(ascii: "@")),
      text.utf8[..<at].contains(UInt8(ascii: ":"))
    else { return text }
    return Redactor.placeholder + text[at...]
  }

  private func unitState(_ findings: inout [Finding]) -> UnitState? {
    do throws(Refusal) { return try ports.unit.state(deadline: unitDeadline) } catch {
      findings.append(
        Finding(
          .error, rule: "unit-unreadable", refusal: .unit, message: error.message,
          remedy: "look at systemctl status \(inventory.unit)"))
      return nil
    }
  }

  /// How often a process is looked at where it, or the last one, has ended meanwhile.
  private static let processLooks = 20
  /// From one look to the next at the same process, milliseconds: systemd may not have seen its end yet.
  private static let processPauseMilliseconds = 50

  private func runningEnvironment(
    of unit: UnitState?, seal: Seal?, _ findings: inout [Finding]
  ) -> [EnvironmentVariable]? {
    guard var unit, unit.mainPID > 0 else { return nil }
    for _ in 1..<Self.processLooks {
      do throws(Refusal) { return try ports.process.environment(of: unit.mainPID) } catch {
        // A server that ends soon after each start is gone between two looks: that is no process that
        // cannot be read.
        guard let next = try? ports.unit.state(deadline: unitDeadline) else { break }
        if next.mainPID == unit.mainPID {
          Clock.sleep(until: .inMilliseconds(Self.processPauseMilliseconds))
        }
        unit = next
        if unit.mainPID <= 0 { return nil }
      }
    }
    do throws(Refusal) { return try ports.process.environment(of: unit.mainPID) } catch {
      findings.append(
        Finding(
          // Without a seal only the running process tells which key is in force: the guard would be
          // blind.
          seal == nil ? .error : .warning, rule: "process-unreadable", refusal: .unit,
          message: error.message,
          remedy: seal == nil
            ? "which SSE key is in force is not known without it; try again"
            : "the comparison with the running server is left out"))
      return nil
    }
  }

  /// What the probes say, and what they were told, which every node must have been told alike.
  private func preflight(
    _ server: ServerEnvironment?, unit: UnitState?, firstEnablement: Bool, createKey: Bool
  ) -> (findings: [Finding], sight: KeyManagerSight?) {
    do throws(Refusal) {
      guard let settings = try KeyManagerSettings.parse(server?.variables ?? []) else {
        return ([], nil)
      }
      let deadline = now().advanced(byMilliseconds: inventory.timeouts.probeSeconds * 1000)
      let back = reversePath.begin(
        endpoints: settings.endpoints, server: arguments(unit, server), deadline: deadline)
      let reports = ports.probe.keyManagers(
        settings, surroundings: surroundings(unit, server), deadline: deadline)
      let findings = KeyManagerJudgement.findings(
        reports, settings: settings, firstEnablement: firstEnablement, createKey: createKey)
      return (
        findings + back.findings(back.directions(reports)),
        KeyManagerSight(agreed: reports.flatMap(\.sights))
      )
    } catch {
      return (
        [Finding(.error, rule: "kms-settings", refusal: error.code, message: error.message)], nil
      )
    }
  }

  /// What the server's client of the Key Manager would find here.
  func surroundings(
    _ unit: UnitState?, _ server: ServerEnvironment?
  ) -> ServerSurroundings {
    let (file, account) = (ports.file, unit?.account)
    return ServerSurroundings(
      certificateAuthorities: arguments(unit, server).certificateAuthorities,
      environment: server?.variables ?? [],
      obstacle: { path in
        guard let account else { return nil }
        do throws(Refusal) {
          return try file.obstacle(reading: path, as: account)
        } catch { return error.message }
      })
  }

  /// The arguments that the server would be started with, its certificates' directory filled in.
  func arguments(_ unit: UnitState?, _ server: ServerEnvironment?) -> ServerArguments {
    arguments(unit, server?.atStart ?? [], inForce: server?.variables)
  }

  /// The same of a server that is given `atStart` by systemd.
  ///
  /// - Parameter inForce: what it runs with once it has read its own file; nil if that is the same.
  func arguments(
    _ unit: UnitState?, _ atStart: [EnvironmentVariable], inForce: [EnvironmentVariable]? = nil
  ) -> ServerArguments {
    var arguments = ServerArguments(
      execStart: unit?.execStart ?? [], environment: ServerEnvironment.values(atStart),
      inForce: inForce.map { ServerEnvironment.values($0) })
    if arguments.certificatesDirectory == nil {
      let user = unit.map(\.user).flatMap { $0.isEmpty ? nil : $0 } ?? "root"
      arguments.certificatesDirectory = arguments.certificatesDirectory(
        home: ports.process.home(of: user))
    }
    return arguments
  }

  private func restartReason(
    _ environment: [EnvironmentVariable], running: [EnvironmentVariable]?, unit: UnitState?
  ) -> String {
    guard let unit, unit.mainPID > 0, unit.activeState == "active", let running else {
      return "the server is not running"
    }
    let names = RunningEnvironment.differences(
      file: environment,
      process: ServerEnvironment.probablyInForce(running, of: unit.mainPID, ports.file))
    if names.isEmpty { return "" }
    return "the running server has other values of \(names.joined(separator: ", "))"
  }
}

extension KeyGuard.Holder {
  /// The seal, or else the key of a server that is running and READY: encrypted before Keyturn
  /// came.
  init?(seal: Seal?, running: [EnvironmentVariable]?, unit: UnitState?) {
    if let seal {
      self = .seal(seal)
      return
    }
    guard unit?.activeState == "active", let key = running.flatMap({ KeyIdentity($0) }) else {
      return nil
    }
    self = .running(keyName: key.name, enclave: key.enclave)
  }
}

/// The running process' environment beside the file's.
enum RunningEnvironment {
  /// Every MINIO_* variable without its value, sorted by name; of a name given twice the last
  /// counts.
  static func digests(of environment: [EnvironmentVariable]) -> [PreparedFacts.Variable] {
    map(environment).sorted { $0.key < $1.key }.map {
      PreparedFacts.Variable(name: $0.key, digest: .ofFields([$0.key, $0.value]))
    }
  }

  /// Names of the variables that are in one only, or differ, sorted.
  static func differences(
    _ a: [PreparedFacts.Variable], _ b: [PreparedFacts.Variable]
  ) -> [String] {
    Set(a).symmetricDifference(b).map(\.name).reduce(into: Set()) { $0.insert($1) }.sorted()
  }

  private static func map(_ variables: [EnvironmentVariable]) -> [String: String] {
    Dictionary(
      variables.filter { $0.name.hasPrefix("MINIO_") }.map { ($0.name, $0.value) },
      uniquingKeysWith: { $1 })
  }

  /// Names of MINIO_* variables whose values differ, sorted. What the server sets for itself is not
  /// compared.
  static func differences(
    file: [EnvironmentVariable], process: [EnvironmentVariable]
  ) -> [String] {
    let (wanted, actual) = (map(file), map(process))
    return Set(wanted.keys).union(actual.keys).sorted().filter { wanted[$0] != actual[$0] }
  }
}

extension ServerArguments {
  /// Where the server looks for further certificate authorities.
  var certificateAuthorities: String? { certificatesDirectory.map { "\($0)/CAs" } }
}
