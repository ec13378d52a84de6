internal import Model
internal import StartWatch

/// What must be true of the server's unit before a rollout makes sense.
enum UnitRules {
  /// Findings about the unit; an error refuses a rollout with the code `unit`.
  ///
  /// - Parameter isInRollout: whether the node is in a rollout: then a job of the unit is its own.
  static func findings(
    _ unit: UnitState, isInRollout: Bool
  ) -> [Finding] {
    func error(_ rule: String, _ message: String, _ remedy: String) -> Finding {
      Finding(.error, rule: rule, refusal: .unit, message: message, remedy: remedy)
    }
    switch unit.loadState {
    case "loaded": break
    case "masked":
      return [
        error(
          "unit-masked", "\(unit.id) is masked, systemd will not start it",
          "systemctl unmask \(unit.id)")
      ]
    default:
      return [
        error(
          "unit-not-loaded", "\(unit.id) is \(unit.loadState)",
          "install the unit, or name the right one as \"unit\" in the inventory")
      ]
    }
    var findings: [Finding] = []
    if let job = unit.job, !isInRollout {
      findings.append(
        error(
          "unit-job", "\(unit.id) is in another job (\(job.id))",
          "wait for it: systemctl list-jobs"))
    }
    if unit.needDaemonReload {
      findings.append(
        Finding(
          .warning, rule: "unit-daemon-reload", refusal: .unit,
          message: "the files of \(unit.id) have changed since systemd read them",
          remedy: "systemctl daemon-reload, or the restart uses the old ones"))
    }
    return findings
  }
}
