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
