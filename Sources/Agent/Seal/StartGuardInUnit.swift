// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit

/// Whether the start guard stands before the server as it must, and whether it has refused.
enum StartGuardInUnit {
  /// CLD_EXITED of waitid(2).
  private static let exited: Int32 = 1

  /// Where the drop-in is found in the sources and the packages.
  private static let dropIn = "systemd/minio.service.d/10-keyturn.conf"

  /// What is wrong with the guard of a unit, with what mends it; nil if every start goes through it.
  ///
  /// By what systemd has loaded, not by the files.
  ///
  /// - Parameter state: the directory of the agent's records, where the seal is.
  static func problem(_ unit: UnitState, state: String) -> String? {
    func mend(_ what: String) -> String {
      "\(what); install \(dropIn) as /etc/systemd/system/\(unit.id).d/10-keyturn.conf and run systemctl daemon-reload"
    }
    guard let door = unit.startPre.first(where: \.isStartGuard) else {
      if unit.needDaemonReload {
        return
          "the start guard is not in force: \(unit.id) has no ExecStartPre= with keyturn guard, and its files have changed since systemd read them; run systemctl daemon-reload"
      }
      return mend(
        "the start guard is not installed: \(unit.id) has no ExecStartPre= with keyturn guard, so a start by hand with another SSE key is not stopped"
      )
    }
    let command = "ExecStartPre= of \(unit.id) with keyturn guard"
    if !door.flags.contains("privileged") {
      return mend("\(command) does not begin with +, so it cannot read the seal")
    }
    if door.flags.contains("ignore-failure") {
      return mend("\(command) has the prefix -, so systemd starts what it refuses")
    }
    if !StartGuardInUnit.isProgram(door.path) {
      return mend("\(command) runs \(door.path) in its place")
    }
    if !isOfThisState(door.words.dropFirst(2), state) {
      return mend(
        "\(command) has other arguments than --state \(state), where the seal of this node is")
    }
    let missing = LoaderVariables.all.filter { !unit.unsetEnvironment.contains($0) }
    if let first = missing.first {
      return mend(
        "UnsetEnvironment= of \(unit.id) lacks \(first)\(missing.count > 1 ? " and \(missing.count - 1) more variables" : ""), by which a line in an environment file keeps keyturn guard from running"
      )
    }
    for place in [door.path, state, GuardEvidence.directory] {
      guard let setting = unit.sandbox.differenceForAll(at: place) else { continue }
      return
        "\(setting) of \(unit.id) gives keyturn guard another \(place) than this host's, so it does not see the seal, or is another program; remove it from the unit, or leave \(place) out of it, and run systemctl daemon-reload"
    }
    return nil
  }

  private static func isProgram(_ path: String) -> Bool {
    path.hasPrefix("/") && path.hasSuffix("/keyturn")
  }

  private static func isOfThisState(_ arguments: ArraySlice<String>, _ state: String) -> Bool {
    if arguments.isEmpty { return state == "/var/lib/keyturn" }
    return arguments.elementsEqual(["--state", state])
      || arguments.elementsEqual(["--state=\(state)"])
  }

  /// Findings about the unit's ExecStartPre= lines.
  ///
  /// - Parameter isNeeded: whether a key is sealed here, or would be: then without the guard nothing is rolled out.
  static func findings(_ unit: UnitState, state: String, isNeeded: Bool) -> [Finding] {
    guard unit.loadState == "loaded" else { return [] }
    if let problem = problem(unit, state: state) {
      return [
        Finding(
          isNeeded ? .error : .warning, rule: "start-guard-missing", refusal: .unit,
          message: problem)
      ]
    }
    guard let door = unit.startPre.first(where: \.isStartGuard), door.exitCode == exited,
      door.exitStatus == StartGuard.refusalStatus, unit.activeState != "active"
    else { return [] }
    return [
      Finding(
        .error, rule: "start-guard", refusal: .guarded, variable: "MINIO_KMS_SSE_KEY",
        message:
          "the start guard refused the last start of \(unit.id); journalctl -u \(unit.id) says why and what to do (docs/use/seal.md, \"The start guard\")"
      )
    ]
  }
}

extension UnitState.Command {
  /// Whether it is `keyturn guard`, wherever it is installed.
  var isStartGuard: Bool {
    guard words.count >= 2, words[1] == "guard" else { return false }
    return words[0] == "keyturn" || words[0].hasSuffix("/keyturn")
  }
}

extension ServerEnvironment {
  /// What a start would have of a variable, for the start guard.
  func startGuardVariable(_ name: String) -> StartGuard.Variable {
    let given = atStart.last { $0.name == name }
    let source = sources.last { $0.variables.contains { $0.name == name } }
    let own = config?.definitions.filter { $0.counts && $0.name == name } ?? []
    return StartGuard.Variable(
      environment: given.map {
        StartGuard.Definition(
          value: $0.value,
          place: [source?.place, $0.line.map { "line \($0)" }].compactMap(\.self)
            .joined(separator: " "))
      },
      file: own.map { definition in
        StartGuard.Definition(
          value: definition.value,
          place: "\(config?.place ?? "") line \(definition.line ?? 0)")
      })
  }
}
