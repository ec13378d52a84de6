// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

extension RunningServer {
  /// Of a look at the node. Blocks on the disk.
  ///
  /// - Parameters:
  ///   - wanted: what the server is to run with.
  ///   - changedFile: the file that becomes another for that; nil if none does.
  ///   - formerNames: the variables of the file that was confirmed last: one that was deleted since is given by nothing,
  ///     and the process may have it still.
  ///   - lastOutcome: how the last committed rollout ended here; nil if there was none.
  init(
    _ view: ServerView, wanted: ServerEnvironment, changedFile: String?, formerNames: [String],
    lastOutcome: OutcomeKind?
  ) {
    guard let unit = view.unit, unit.mainPID > 0, unit.activeState == "active",
      let process = view.running
    else {
      self.init(isUp: false, lastOutcome: lastOutcome)
      return
    }
    let file = view.site.ports.file
    let inForce = ServerEnvironment.probablyInForce(process, of: unit.mainPID, file)
    self.init(
      isUp: true,
      differing: RunningEnvironment.differences(file: wanted.variables, process: inForce),
      otherDiffering: Self.otherDifferences(wanted, view.server, formerNames, inForce),
      doubt: Self.doubt(process, unit, file, changedFile: changedFile), lastOutcome: lastOutcome)
  }

  /// Of the variables that are not MinIO's, those that the unit or a file gives, or gave until now or when it was confirmed: what the service
  /// manager has for every unit, and what systemd sets itself, is not compared.
  private static func otherDifferences(
    _ wanted: ServerEnvironment, _ present: ServerEnvironment?, _ formerNames: [String],
    _ process: [EnvironmentVariable]
  ) -> [String] {
    let given = ([wanted, present].compactMap(\.self)).flatMap(\.all).filter { $0.kind != .manager }
    let names = Set(given.flatMap { $0.variables.map(\.name) } + formerNames).filter {
      !$0.hasPrefix("MINIO_")
    }
    let (then, now) = (
      ServerEnvironment.values(wanted.variables), ServerEnvironment.values(process)
    )
    return names.filter { then[$0] != now[$0] }.sorted()
  }

  /// What a server has read of the file that its MINIO_CONFIG_ENV_FILE names shows nowhere, and it reads the file again
  /// whenever it executes itself once more (`mc admin service restart`): it is what the file says only as long as the
  /// file is the one of the process' start.
  ///
  /// - Parameter changedFile: a file that becomes another; nil if none does.
  static func doubt(
    _ process: [EnvironmentVariable], _ unit: UnitState, _ file: any EnvironmentFilePort,
    changedFile: String? = nil
  ) -> String? {
    do throws(Refusal) {
      guard let path = try ServerEnvironment.configPath(of: process) else { return nil }
      let changed = try file.changed(path, seenBy: unit.mainPID)
      if path != changedFile, let changed, changed <= unit.processStartMicroseconds { return nil }
      return
        "the server reads \(path) by itself (MINIO_CONFIG_ENV_FILE), and what it has read is known only while that file stays as it was at its start"
    } catch { return error.message }
  }
}

extension UnitState {
  /// When the main process was started, microseconds since 1970-01-01 UTC by the clock that files have their times
  /// from.
  var processStartMicroseconds: Int64 {
    let age = Int64(Clock.monotonicMicroseconds()) - Int64(execMainStartMonotonicMicroseconds)
    return Clock.realtimeMicroseconds() - age
  }
}
