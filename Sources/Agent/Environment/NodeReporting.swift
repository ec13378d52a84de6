// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit

extension NodeReport {
  /// What the node tells of a look at it. Blocks on the disk.
  ///
  /// - Parameters:
  ///   - generation: the last confirmed one; nil if there is none.
  ///   - record: the rollouts of the node.
  init(
    _ view: ServerView, programs: ServerPrograms?, seal: Seal?, generation: Generation?,
    record: ParticipantRecord
  ) {
    let (unit, site) = (view.unit, view.site)
    var running: [EnvironmentVariable]?
    if let unit, unit.mainPID > 0, let process = view.running, unit.isStarted(process) {
      running = ServerEnvironment.probablyInForce(process, of: unit.mainPID, site.ports.file)
    }
    self.init(
      unit: unit.map(Unit.init), running: running.map(Environment.init),
      files: view.server.map { Environment($0.variables) }, inventory: site.inventory.parts,
      generation: generation?.number ?? 0, seal: seal?.digest,
      hasStartGuard: unit.flatMap { unit in
        unit.loadState == "loaded"
          ? StartGuardInUnit.problem(unit, state: site.ports.records.directory) == nil : nil
      },
      programs: programs,
      restartsIn: record.active.flatMap { active in
        switch active.stage {
        case .prepared, .accepted: nil
        case .committed, .watching: active.rollout.change == nil ? active.rollout.id : nil
        }
      })
    version = site.version
  }
}

extension NodeReport.Unit {
  init(_ unit: UnitState) {
    self.init(
      loadState: unit.loadState, activeState: unit.activeState, subState: unit.subState,
      result: unit.result, isRunning: unit.mainPID > 0)
  }
}

extension NodeReport.Environment {
  init(_ variables: [EnvironmentVariable]) {
    let hiding = variables.filter { SettingDisplay.hidesPart(of: $0.value) }.map(\.name)
    self.init(
      digest: EnvironmentAgreement.digest(of: variables),
      variables: EnvironmentAgreement.map(of: variables),
      withPasswords: hiding.isEmpty ? nil : Set(hiding).sorted())
  }
}
