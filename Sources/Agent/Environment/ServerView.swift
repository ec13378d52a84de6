// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

/// One look at the server on this node: its unit, its process, and where its environment comes from. A plan, a vote,
/// status, the drift watch and the checks are made of it; a part that could not be read is nil, and why is a failure.
struct ServerView {
  /// What can be missing.
  enum Part: Hashable {
    case unit, process, environment
  }

  let site: Site
  let unit: UnitState?
  /// What the process was started with; nil if none runs.
  let running: [EnvironmentVariable]?
  /// What the server would be started with.
  let server: ServerEnvironment?
  private let failures: [Part: Refusal]

  /// How long systemd may take to answer, milliseconds.
  static let unitMilliseconds = 5_000
  /// From one look to the next at the same process, milliseconds: systemd may not have seen its end yet.
  private static let processPauseMilliseconds = 50

  /// Blocks on systemd, at most 5 s for unit and environment together, and on the disk.
  ///
  /// - Parameters:
  ///   - unit: nil to ask systemd for it.
  ///   - processLooks: how often a process is looked at where it, or the last one, has ended meanwhile.
  init(_ site: Site, unit known: UnitState? = nil, processLooks: Int = 1) {
    self.site = site
    let deadline = Instant.inMilliseconds(Self.unitMilliseconds)
    var failures: [Part: Refusal] = [:]
    func attempt<Value>(_ part: Part, _ body: () throws(Refusal) -> Value?) -> Value? {
      do throws(Refusal) { return try body() } catch {
        failures[part] = error
        return nil
      }
    }
    let unit =
      known
      ?? attempt(.unit) { () throws(Refusal) in
        try site.ports.unit.state(deadline: deadline)
      }
    self.unit = unit
    running = attempt(.process) { () throws(Refusal) in
      try Self.process(of: unit, site.ports, looks: processLooks)
    }
    server = attempt(.environment) { () throws(Refusal) in
      try ServerEnvironment(
        unit: unit, fallback: site.inventory.environmentFile, ports: site.ports,
        deadline: deadline)
    }
    self.failures = failures
  }

  private static func process(
    of unit: UnitState?, _ ports: Ports, looks: Int
  ) throws(Refusal) -> [EnvironmentVariable]? {
    guard var unit, unit.mainPID > 0 else { return nil }
    for _ in 1..<looks {
      do throws(Refusal) { return try ports.process.environment(of: unit.mainPID) } catch {
        // A server that ends soon after each start is gone between two looks: that is no process that
        // cannot be read.
        guard let next = try? ports.unit.state(deadline: .inMilliseconds(unitMilliseconds)) else {
          break
        }
        if next.mainPID == unit.mainPID {
          Clock.sleep(until: .inMilliseconds(processPauseMilliseconds))
        }
        unit = next
        if unit.mainPID <= 0 { return nil }
      }
    }
    return try ports.process.environment(of: unit.mainPID)
  }

  /// Why a part could not be read; nil if it was.
  func failure(_ part: Part) -> Refusal? { failures[part] }

  /// What the server would be started with.
  ///
  /// - Throws: why that could not be read, or the unit.
  func wholeServer() throws(Refusal) -> ServerEnvironment {
    if let failure = failures[.unit] ?? failures[.environment] { throw failure }
    guard let server else { preconditionFailure("the environment was read or it failed") }
    return server
  }

  /// What the server would run with.
  var variables: [EnvironmentVariable] { server?.variables ?? [] }

  /// What the process runs with, as far as that can be known (``ServerEnvironment/inForce(_:of:_:)``); nil if none runs.
  /// Blocks on the disk.
  func inForce() throws(Refusal) -> [EnvironmentVariable]? {
    try running.map { running throws(Refusal) in
      try ServerEnvironment.inForce(running, of: unit?.mainPID ?? 0, site.ports.file)
    }
  }

  // MARK: what is wrong

  /// What stands against the unit and the environment, for status and `check`. Blocks on the disk.
  func findings(isSealed: Bool) -> [Finding] {
    var findings: [Finding] = []
    func note(_ rule: String, _ failure: Refusal?) {
      guard let failure else { return }
      findings.append(
        Finding(.warning, rule: rule, refusal: failure.code, message: failure.message))
    }
    note("unit-unreadable", failures[.unit])
    if let unit {
      findings += StartGuardInUnit.findings(
        unit, state: site.ports.records.directory, isNeeded: isSealed)
    }
    note("process-unreadable", failures[.process])
    do throws(Refusal) { _ = try inForce() } catch { note("file-unreadable", error) }
    note("file-unreadable", failures[.environment])
    do throws(Refusal) { findings += try server.map(problems(with:)) ?? [] } catch {
      note("file-unreadable", error)
    }
    return findings
  }

  /// What stands against an environment that the server is to be started with. Blocks on the disk.
  func problems(with server: ServerEnvironment) throws(Refusal) -> [Finding] {
    try server.findings(inventoryFile: site.inventory.environmentFile) { path throws(Refusal) in
      guard let unit else { return nil }
      return try site.ports.file.obstacle(reading: path, as: unit.account)
    }
  }

  // MARK: secrets

  /// A redactor that knows every secret of the files, as any reader reads them, of the running process, and of what
  /// is kept: a server that is ending had the last generation's, and the journal goes further back.
  ///
  /// - Parameter kept: the secrets of the files that are kept.
  func redactor(_ kept: [History.KeptSecret]) -> Redactor {
    var known = (running ?? []).map { (name: $0.name, value: $0.value) }
    known += (server?.all ?? []).flatMap { source in
      (source.definitions + source.misreadings).map { (name: $0.name, value: $0.value) }
        + source.variables.map { (name: $0.name, value: $0.value) }
    }
    known += kept.map { (name: $0.name, value: $0.value.reveal()) }
    return Redactor(environment: known, label: { SettingDisplay.text(of: $0, $1.reveal()) })
  }

  // MARK: a start

  /// The arguments that the server would be started with, its certificates' directory filled in.
  ///
  /// - Parameter server: the environment; nil if it is not known.
  func arguments(_ server: ServerEnvironment?) -> ServerArguments {
    ServerArguments(
      unit, atStart: server?.atStart ?? [], inForce: server?.variables, site.ports.process)
  }

  /// What the server's client of the Key Manager would find here.
  func surroundings(_ server: ServerEnvironment?) -> ServerSurroundings {
    let (file, account) = (site.ports.file, unit?.account)
    return ServerSurroundings(
      certificateAuthorities: arguments(server).certificateAuthorities,
      environment: server?.variables ?? [],
      obstacle: { path in
        guard let account else { return nil }
        do throws(Refusal) {
          return try file.obstacle(reading: path, as: account)
        } catch { return error.message }
      })
  }
}

extension ServerArguments {
  /// Of a server that is given `atStart` by systemd, its certificates' directory filled in.
  ///
  /// - Parameter inForce: what it runs with once it has read its own file; nil if that is the same.
  init(
    _ unit: UnitState?, atStart: [EnvironmentVariable], inForce: [EnvironmentVariable]?,
    _ processes: any ProcessPort
  ) {
    self.init(
      execStart: unit?.execStart ?? [], environment: ServerEnvironment.values(atStart),
      inForce: inForce.map { ServerEnvironment.values($0) })
    if certificatesDirectory == nil {
      let user = unit.map(\.user).flatMap { $0.isEmpty ? nil : $0 } ?? "root"
      certificatesDirectory = certificatesDirectory(home: processes.home(of: user))
    }
  }

  /// Where the server looks for further certificate authorities.
  var certificateAuthorities: String? { certificatesDirectory.map { "\($0)/CAs" } }
}
