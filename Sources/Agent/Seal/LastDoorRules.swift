internal import Model
internal import StartWatch

/// Whether the last door stands before the server, and whether it has refused.
enum LastDoorRules {
  /// What `keyturn guard` exits with when it refuses a start.
  private static let refused = ExitCode.startRefused.rawValue
  /// CLD_EXITED of waitid(2).
  private static let exited: Int32 = 1

  /// Findings about the unit's ExecStartPre= lines.
  static func findings(_ unit: UnitState) -> [Finding] {
    guard unit.loadState == "loaded" else { return [] }
    guard let door = unit.startPre.first(where: \.isLastDoor) else {
      return [
        Finding(
          .warning, rule: "last-door-missing", refusal: .unit,
          message:
            "the last door is not installed: \(unit.id) has no ExecStartPre= with keyturn guard, so a start by hand with another SSE key is not stopped; install systemd/minio.service.d/10-keyturn.conf in /etc/systemd/system/\(unit.id).d and run systemctl daemon-reload"
        )
      ]
    }
    guard door.exitCode == exited, door.exitStatus == refused, unit.activeState != "active" else {
      return []
    }
    return [
      Finding(
        .error, rule: "last-door", refusal: .guarded, variable: "MINIO_KMS_SSE_KEY",
        message:
          "the last door refused the last start of \(unit.id); journalctl -u \(unit.id) says why and what to do (docs/operations.md, \"The last door\")"
      )
    ]
  }
}

extension UnitState.Command {
  /// Whether it is `keyturn guard`, wherever it is installed.
  var isLastDoor: Bool {
    guard words.count >= 2, words[1] == "guard" else { return false }
    return words[0] == "keyturn" || words[0].hasSuffix("/keyturn")
  }
}
