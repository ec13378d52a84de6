// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import ServerUnit
internal import Threads

extension ServerView {
  /// Lines of a start that are looked through for the server's release.
  private static let bannerLines = 200

  /// What of the server's unit stands against a rollout, or makes one end badly. Blocks on the disk
  /// and on the journal.
  ///
  /// - Parameters:
  ///   - server: where the unit's environment comes from; nil if that could not be read.
  ///   - isInRollout: whether the node is in a rollout: then a job of the unit is its own.
  func examine(_ server: ServerEnvironment?, isInRollout: Bool) -> [Finding] {
    guard let unit else { return [] }
    let inventory = site.inventory
    var surroundings = UnitDoctor.Surroundings(
      isInRollout: isInRollout, stopSeconds: inventory.timeouts.stopSeconds,
      startSeconds: inventory.timeouts.startSeconds,
      environment: server.map { ServerEnvironment.values($0.variables) },
      atStart: server.map { ServerEnvironment.values($0.atStart) },
      release: release(of: unit))
    var findings: [Finding] = []
    do throws(Refusal) {
      surroundings.unreadable = try unreadable(arguments(server), by: unit)
    } catch {
      findings.append(
        Finding(
          // The unit's User= does not exist.
          error.code == .unit ? .error : .warning, rule: "unit-user", refusal: error.code,
          message: error.message))
    }
    return UnitDoctor.findings(unit, surroundings) + findings
  }

  /// The hosts that a start would wait for, beside the inventory.
  func volumeFindings(_ server: ServerEnvironment?) -> [Finding] {
    guard let server, unit != nil else { return [] }
    return arguments(server).volumes.hosts.findings(site.inventory, whose: "MINIO_VOLUMES")
  }

  /// Whether a start would end for want of a drive of this node's, which takes every file back and restarts all servers
  /// twice: MINIO_VOLUMES does not name the node, an exception of the inventory, and either the running server's does,
  /// or none has run here. A node that is named otherwise there has run.
  ///
  /// - Parameter isNew: whether no start was ever confirmed here.
  func leftOutFindings(_ server: ServerEnvironment?, isNew: Bool) -> [Finding] {
    guard let server, let unit, let node = site.inventory.node(named: site.node),
      arguments(server).volumes.hosts.leavesOut(node)
    else { return [] }
    let before = runningArguments()?.volumes.hosts
    let wasNamed = before.map { !$0.names.isEmpty && !$0.leavesOut(node) } ?? false
    guard wasNamed || isNew && unit.activeState != "active" else { return [] }
    let state = wasNamed ? "would name it no more" : "does not name it, and its server does not run"
    return [
      Finding(
        .error, rule: "volumes-inventory",
        message:
          "\(node.name) is one of the inventory's nodes, and MINIO_VOLUMES \(state): its start would fail, and every file would be taken back",
        remedy:
          "take the node out of \"nodes\" first (keyturn inventory apply; docs/use/runbooks.md, \"Retire a node\"), have MINIO_VOLUMES name it in the same rollout (\"Add a pool\"), or give the name that it has there as its \"server\""
      )
    ]
  }

  /// What a start would do to the pools that the server has: those that it runs with, or, where it does not run, that
  /// its files name now. Blocks on the disk.
  ///
  /// - Parameters:
  ///   - isNew: whether no start was ever confirmed here: then only a running server counts.
  ///   - isMeant: whether it was said that they change.
  func poolFindings(_ server: ServerEnvironment?, isNew: Bool, isMeant: Bool) -> [Finding] {
    guard let server, unit != nil else { return [] }
    let pools = arguments(server).volumes.named
    if let running = runningArguments() {
      return pools.findings(
        insteadOf: running.volumes.named, of: "the running server", isMeant: isMeant)
    }
    if isNew { return [] }
    return pools.findings(
      insteadOf: arguments(self.server).volumes.named, of: "its present files", isMeant: isMeant)
  }

  /// What ``volumeFindings(_:)`` says, of the running server, where that waits for others than a start would. Blocks on
  /// the disk.
  func runningVolumeFindings() -> [Finding] {
    guard let hosts = runningArguments()?.volumes.hosts else { return [] }
    if hosts == arguments(server).volumes.hosts { return [] }
    return hosts.findings(site.inventory, whose: "MINIO_VOLUMES of the running server")
  }

  /// The arguments of the running server; nil if none runs. Blocks on the disk.
  private func runningArguments() -> ServerArguments? {
    guard let unit, unit.mainPID > 0, let running, unit.isStarted(running) else { return nil }
    return ServerArguments(
      unit, atStart: running,
      inForce: ServerEnvironment.probablyInForce(running, of: unit.mainPID, site.ports.file),
      site.ports.process)
  }

  /// The certificate and its key, which the server must be able to read, and the authorities, which
  /// it passes over in silence if it cannot. What is not there is none of them.
  private func unreadable(
    _ arguments: ServerArguments, by unit: UnitState
  ) throws(Refusal) -> [UnitDoctor.Surroundings.Unreadable] {
    guard unit.loadState == "loaded", let directory = arguments.certificatesDirectory,
      directory.hasPrefix("/")
    else { return [] }
    var files = ["public.crt", "private.key"].map {
      (path: "\(directory)/\($0)", isAuthority: false)
    }
    files += try site.ports.file.paths(matching: "\(directory)/CAs/*").map { ($0, true) }
    var found: [UnitDoctor.Surroundings.Unreadable] = []
    for file in files {
      if let why = try site.ports.file.obstacle(reading: file.path, as: unit.account) {
        found.append(.init(path: file.path, isAuthority: file.isAuthority, why: why))
      }
    }
    return found
  }

  /// What the running server's banner says, in the first lines of its start; nil if they are not
  /// there any more.
  private func release(of unit: UnitState) -> ServerRelease? {
    let start = unit.execMainStartRealtimeMicroseconds
    guard unit.mainPID > 0, start > 0 else { return nil }
    do throws(Refusal) {
      let page = try site.ports.journal.page(
        JournalRequest(
          start: .since(Int64(clamping: start)), limit: Self.bannerLines,
          deadline: Clock.now()))
      return page.entries.lazy.compactMap { ServerRelease(ofBanner: $0.message) }.first
    } catch { return nil }
  }
}
