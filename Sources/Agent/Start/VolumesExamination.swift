// SPDX-License-Identifier: Apache-2.0
internal import API
internal import EnvironmentFile
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

/// What the drives that a start would take mean for the cluster: its hosts beside the inventory, its pools beside those
/// that the server has.
extension ServerView {
  /// The hosts that a start would wait for, beside the inventory.
  func volumeFindings(_ server: ServerEnvironment?) -> [Finding] {
    guard let server, unit != nil else { return [] }
    let volumes = arguments(server).volumes
    return volumes.hosts.findings(site.inventory, whose: volumes.source)
  }

  /// Whether a start would end for want of a drive of this node's, which takes every file back and restarts all servers
  /// twice: MINIO_VOLUMES does not name the node, an exception of the inventory, and either the running server's does,
  /// or none has run here. A node that is named otherwise there has run.
  ///
  /// - Parameter isNew: whether no start was ever confirmed here.
  func leftOutFindings(_ server: ServerEnvironment?, isNew: Bool) -> [Finding] {
    guard let server, let unit, let node = site.inventory.node(named: site.node) else { return [] }
    let volumes = arguments(server).volumes
    guard volumes.hosts.leavesOut(node) else { return [] }
    let before = process?.volumes().hosts
    let wasNamed = before.map { !$0.names.isEmpty && !$0.leavesOut(node) } ?? false
    guard wasNamed || isNew && unit.activeState != "active" else { return [] }
    let state = wasNamed ? "would name it no more" : "does not name it, and its server does not run"
    return [
      Finding(
        .error, rule: "volumes-inventory",
        message:
          "\(node.name) is one of the inventory's nodes, and \(volumes.source) \(state): its start would fail, and every file would be taken back",
        remedy:
          "take the node out of \"nodes\" first (keyturn inventory apply; docs/use/runbooks.md, \"Retire a node\"), have \(volumes.source) name it in the same rollout (\"Add a pool\"), or give the name that it has there as its \"server\""
      )
    ]
  }

  /// What ``volumeFindings(_:)`` says, of the running server, where that waits for others than a start would. Blocks on
  /// the disk.
  func runningVolumeFindings() -> [Finding] {
    guard let volumes = process?.volumes() else { return [] }
    if volumes.hosts == arguments(server).volumes.hosts { return [] }
    return volumes.hosts.findings(
      site.inventory, whose: "\(volumes.source) of the running server")
  }

  /// What a start would do to the pools that the server has. Blocks on the disk.
  ///
  /// - Parameters:
  ///   - last: the file of the last generation; nil if there is none, or it cannot be read.
  ///   - isNew: whether no start was ever confirmed here.
  ///   - isMeant: whether it was said that they change.
  func poolFindings(
    _ server: ServerEnvironment?, last: History.Kept?, isNew: Bool, isMeant: Bool
  ) -> [Finding] {
    guard let server, let unit else { return [] }
    let (wanted, present) = (arguments(server).volumes, arguments(self.server).volumes.named)
    let process = process
    // Of a file that nothing was ever started with: an example's, a new host's.
    let mayHaveRun =
      !isNew || process != nil || unit.execMainStartRealtimeMicroseconds > 0
    let bases = poolBases(process, last, present: present)
    for base in bases {
      // Where none are named nothing has ever run.
      if isNew, process == nil, base.pools.problem != nil { continue }
      let found = wanted.named.findings(
        insteadOf: base.pools, of: base.whose, isRefused: !isMeant && mayHaveRun)
      if !found.isEmpty { return found }
    }
    var findings: [Finding] = []
    if process?.isInDoubt == true, bases.count == 1 {
      findings.append(
        Finding(
          .warning, rule: "volumes-pools-unknown",
          message:
            "which pools the running server has is not known, and a start is compared with its files as they are: the file that it reads by itself (MINIO_CONFIG_ENV_FILE) may be another one than at its start, and no generation of it is kept",
          remedy: "compare those of \(wanted.source) with what mc admin info shows"))
    }
    // What an automatic rollback would put back.
    if let base = bases.first,
      let put = present.findings(insteadOf: base.pools, of: base.whose, isRefused: false).first
    {
      findings.append(
        Finding(
          .warning, rule: "volumes-pools-before",
          message:
            "if the start fails, the present files are put back, and \(put.message)",
          remedy: "give --rollback never, or put MINIO_VOLUMES right in the files first"))
    }
    return findings
  }

  private typealias PoolBase = (pools: VolumePools, whose: String)

  /// The pools that the server has, and where they are from: those that it runs with, else those of the last generation,
  /// else those of its files as they are. More than one where a server may run with either.
  private func poolBases(
    _ process: RunningProcess?, _ last: History.Kept?, present: VolumePools
  ) -> [PoolBase] {
    let ofGeneration = "generation \(last?.generation.number ?? 0) of its file"
    let ofFiles: PoolBase = (present, "its present files")
    if let process {
      if !process.isInDoubt { return [(process.volumes().named, "the running server")] }
      // It has read its file at its start, or again since (mc admin service restart).
      let path = try? ServerEnvironment.configPath(of: process.atStart)
      guard let last, last.generation.path == path else { return [ofFiles] }
      let then = ServerEnvironment.withOwnFile(process.atStart, last.bytes)
      return [(process.volumes(inForce: then).named, ofGeneration), ofFiles]
    }
    if let last, let server, server.files.contains(last.generation.path),
      let then = try? server.replacing(
        last.generation.path, by: EnvironmentDocument(last.bytes), ports: site.ports)
    {
      return [(arguments(then).volumes.named, ofGeneration)]
    }
    return [ofFiles]
  }

  /// The process of a running server.
  private struct RunningProcess {
    let unit: UnitState
    let atStart: [EnvironmentVariable]
    let ports: Ports
    /// Whether the file that it reads by itself may be another one than it has read.
    let isInDoubt: Bool

    /// Blocks on the disk.
    ///
    /// - Parameter inForce: what it has with the file that it reads by itself; nil for that file as it is.
    func volumes(inForce: [EnvironmentVariable]? = nil) -> ServerVolumes {
      let inForce =
        inForce ?? ServerEnvironment.probablyInForce(atStart, of: unit.mainPID, ports.file)
      // The unit may have been edited since.
      guard let words = ports.process.arguments(of: unit.mainPID) else {
        return ServerArguments(unit, atStart: atStart, inForce: inForce, ports.process).volumes
      }
      return ServerArguments(
        arguments: words, environment: ServerEnvironment.values(atStart),
        inForce: ServerEnvironment.values(inForce)
      ).volumes
    }
  }

  /// Nil if none runs: one that is still starting has proven nothing.
  private var process: RunningProcess? {
    guard let unit, unit.mainPID > 0, unit.activeState == "active", let running else { return nil }
    return RunningProcess(
      unit: unit, atStart: running, ports: site.ports,
      isInDoubt: RunningServer.doubt(running, unit, site.ports.file) != nil)
  }
}
