// SPDX-License-Identifier: Apache-2.0
internal import CSystemd
internal import Glibc
package import Linux
package import Model
package import ServerUnit
internal import Threads

/// That a restart, a stop or a start was asked for and queued.
package struct RestartTicket: Sendable, Hashable, Codable {
  package var unit: String
  /// The number of the service manager's job.
  package var job: UInt32
  package var requested: Instant
  /// When the service manager had queued the job.
  package var queued: Instant
}

/// How a job of the service manager ended (systemd.service's `JobRemoved`).
package enum JobResult: String, Sendable, Hashable, Codable, CaseIterable {
  case done
  /// It failed: the unit did not start.
  case failed
  /// It was cancelled or replaced.
  case canceled
  /// The job's own time was over.
  case timeout
  /// A unit that this one needs failed.
  case dependency
  /// It did not apply in the unit's state.
  case skipped
  /// It made no sense for the unit.
  case invalid
  /// An assertion of the unit does not hold.
  case assert
  /// The unit cannot do it on this host.
  case unsupported
  /// The unit was unloaded.
  case collected
  /// The unit starts only once.
  case once
  /// It ended while the connection to the bus was lost: the unit's state tells how.
  case unknown
}

/// The service manager of this host, over the system bus.
///
/// Its methods may be called from any thread and block until the answer or their deadline. One
/// thread holds the connection. It is opened at once; after a loss the next call opens it again.
/// The reference is org.freedesktop.systemd1(5).
package final class SystemBus: Sendable {
  /// How long a signal may have been missed before the state is asked for again: the connection,
  /// or the subscription with it, may have been lost.
  private let recheckMilliseconds: Int
  private let shared: BusShared

  /// Starts the thread. Does not block; the first call reports a missing bus.
  package convenience init() throws(Errno) { try self.init(address: nil) }

  /// The same on a bus at another address, `unix:path=...`.
  init(address: String?, recheckMilliseconds: Int = 1_000) throws(Errno) {
    self.recheckMilliseconds = recheckMilliseconds
    let shared = try BusShared(address: address)
    self.shared = shared
    try Thread.start("system-bus") { BusLoop(shared).run() }
  }

  deinit {
    shared.heard.withLock { $0.stopped = true }
    shared.wakeup.signal()
  }

  /// The state of a unit; one that does not exist has the load state `not-found`. Blocks until the
  /// deadline at most.
  package func unit(_ name: String, deadline: Instant) throws(BusFailure) -> UnitState {
    let attempt = "read the state of \(name)"
    let path = try SystemBus.path(ofUnit: name, attempt: attempt)
    // No interface: the properties of all the object's interfaces in one answer.
    return try call(
      attempt, path, "org.freedesktop.DBus.Properties", "GetAll", [""], deadline
    ) { (reader) throws(BusFailure) in try UnitState(reading: reader) }
  }

  /// What systemd gives every service, and its version. Blocks until the deadline at most.
  package func manager(deadline: Instant) throws(BusFailure) -> ManagerState {
    try call(
      "read the state of systemd", BusLoop.managerPath, "org.freedesktop.DBus.Properties",
      "GetAll", [BusLoop.managerInterface], deadline
    ) { (reader) throws(BusFailure) in try ManagerState(reading: reader) }
  }

  /// Asks for a restart; returns as soon as the job is queued. Blocks until the deadline at most.
  ///
  /// After `timedOut` or `disconnected` the unit may have been restarted: its invocation id tells.
  package func restart(_ name: String, deadline: Instant) throws(BusFailure) -> RestartTicket {
    try job("restart", "RestartUnit", name, deadline)
  }

  /// The same for a stop.
  package func stop(_ name: String, deadline: Instant) throws(BusFailure) -> RestartTicket {
    try job("stop", "StopUnit", name, deadline)
  }

  /// The same for a start.
  package func start(_ name: String, deadline: Instant) throws(BusFailure) -> RestartTicket {
    try job("start", "StartUnit", name, deadline)
  }

  private func job(
    _ verb: String, _ method: String, _ name: String, _ deadline: Instant
  ) throws(BusFailure) -> RestartTicket {
    let requested = Clock.now()
    let path = try call(
      "\(verb) \(name)", BusLoop.managerPath, BusLoop.managerInterface, method,
      [name, "replace"], deadline
    ) { (reader) throws(BusFailure) in try reader.objectPath() }
    guard let slash = path.lastIndex(of: "/"), let job = UInt32(path[path.index(after: slash)...])
    else { throw BusFailure(.malformed, "\(verb) \(name): \(path) is not a job's path.") }
    return RestartTicket(unit: name, job: job, requested: requested, queued: Clock.now())
  }

  /// How the restart's job ended; nil if it is still under way at the deadline. Blocks until then
  /// at most.
  ///
  /// The job of a unit of type notify ends with its READY=1. Only the last 256 jobs are remembered.
  package func result(
    of ticket: RestartTicket, deadline: Instant
  ) throws(BusFailure) -> JobResult? {
    while true {
      let recheck = min(deadline, .inMilliseconds(recheckMilliseconds))
      if let result = result(of: ticket, until: recheck) { return result }
      if Clock.now() >= deadline { return nil }
      let state: UnitState
      do throws(BusFailure) {
        state = try unit(ticket.unit, deadline: deadline)
      } catch {
        if error.kind == .disconnected || error.kind == .timedOut { continue }
        throw error
      }
      // The signal comes before the answer, if it comes at all.
      if state.job?.id != ticket.job { return result(of: ticket, until: Clock.now()) ?? .unknown }
    }
  }

  private func result(of ticket: RestartTicket, until: Instant) -> JobResult? {
    shared.heard.wait(until: until) { $0.results[ticket.job] }
      .map { JobResult(rawValue: $0) ?? .unknown }
  }

  /// Forgets that a unit failed and how often it was started, so that it may be started again.
  /// Blocks until the deadline at most.
  package func resetFailed(_ name: String, deadline: Instant) throws(BusFailure) {
    try call(
      "reset the failed state of \(name)", BusLoop.managerPath, BusLoop.managerInterface,
      "ResetFailedUnit", [name], deadline
    ) { _ in }
  }

  /// The state of a unit as soon as it is not `state`; nil if it still is at the deadline. Blocks
  /// until then at most.
  ///
  /// States that last less than the time of one question and answer may be passed over. Throws
  /// `timedOut` if there was not even one answer.
  ///
  /// - Parameter recheckMilliseconds: how often to look also without a signal, since a lost
  ///   connection is noticed only when it is used; nil for every second.
  package func change(
    of name: String, from state: UnitState, recheckMilliseconds: Int? = nil, deadline: Instant
  ) throws(BusFailure) -> UnitState? {
    // Signals come from the unit's own path, whatever alias it was asked by.
    let path = try SystemBus.path(ofUnit: state.id, attempt: "watch \(name)")
    _ = shared.post(.watch(path: path))
    var wasAnswered = false
    while true {
      let before = shared.heard.withLock { $0.changes(of: path) }
      let now: UnitState
      do throws(BusFailure) {
        now = try unit(name, deadline: deadline)
      } catch {
        if wasAnswered && error.kind == .timedOut { return nil }
        throw error
      }
      wasAnswered = true
      if now != state { return now }
      let recheck = min(deadline, .inMilliseconds(recheckMilliseconds ?? self.recheckMilliseconds))
      _ = shared.heard.wait(until: recheck) { $0.changes(of: path) != before ? true : nil }
      if Clock.now() >= deadline { return nil }
    }
  }

  @discardableResult
  private func call<Reply: Sendable>(
    _ attempt: String, _ path: String, _ interface: String, _ member: String,
    _ arguments: [String], _ deadline: Instant,
    read: @escaping @Sendable (BusReader) throws(BusFailure) -> Reply
  ) throws(BusFailure) -> Reply {
    let answer = Lock<Result<Reply, BusFailure>?>(nil)
    let call = BusCall(
      attempt: attempt, path: path, interface: interface, member: member, arguments: arguments,
      deadline: deadline
    ) { outcome in
      let result: Result<Reply, BusFailure>
      do throws(BusFailure) {
        result = .success(try read(try outcome.get()))
      } catch {
        result = .failure(error)
      }
      answer.update { $0 = result }
    }
    guard shared.post(.call(call)) else {
      throw BusFailure(.busy, "\(attempt): too many requests wait already; try again.")
    }
    guard let result = answer.wait(until: deadline, { $0 }) else {
      throw BusFailure(attempt, code: -ETIMEDOUT)
    }
    return try result.get()
  }

  static func path(ofUnit name: String, attempt: String) throws(BusFailure) -> String {
    var path: UnsafeMutablePointer<CChar>?
    let code = sd_bus_path_encode("/org/freedesktop/systemd1/unit", name, &path)
    guard code >= 0, let path else { throw BusFailure(attempt, code: code) }
    defer { free(path) }
    return String(cString: path)
  }
}
