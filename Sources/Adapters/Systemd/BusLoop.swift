// SPDX-License-Identifier: Apache-2.0
internal import CSystemd
internal import Glibc
internal import Linux
internal import Model
internal import Threads

/// One method call to the service manager.
struct BusCall: Sendable {
  /// For messages: `restart minio.service`.
  var attempt: String
  var path: String
  var interface: String
  var member: String
  var arguments: [String]
  var deadline: Instant
  /// Is called once, on the bus thread, while the answer lives.
  var complete: @Sendable (Result<BusReader, BusFailure>) -> Void
}

/// What the bus thread shares with the threads that call it.
final class BusShared: Sendable {
  enum Job: Sendable {
    case call(BusCall)
    case watch(path: String)
  }

  struct Heard {
    /// The results of the last jobs by their number, and their order.
    var results: [UInt32: String] = [:]
    var order: [UInt32] = []
    /// How often the properties of an object changed.
    var changes: [String: UInt64] = [:]
    var stopped = false

    /// How often a unit may have changed. A daemon-reload counts for every unit: systemd signals no
    /// single unit after it.
    func changes(of path: String) -> UInt64 {
      (changes[path] ?? 0) &+ (changes[BusLoop.managerPath] ?? 0)
    }

    mutating func finished(_ job: UInt32, _ result: String) {
      if results.updateValue(result, forKey: job) == nil { order.append(job) }
      if order.count > 256 { results[order.removeFirst()] = nil }
    }
  }

  let jobs = Mailbox<Job>(capacity: 256)
  let wakeup: Wakeup
  let heard = Lock(Heard())

  /// Nil: the host's bus.
  let address: String?

  init(address: String?) throws(Errno) {
    self.address = address
    wakeup = try Wakeup()
  }

  /// False if too many wait already.
  func post(_ job: Job) -> Bool {
    let posted = jobs.post(job)
    wakeup.signal()
    return posted
  }
}

/// The connection to the system bus and everything that libsystemd made for it.
///
/// ```
/// closed --first job, or the next one after a loss--> open --any error--> closed, all calls failed
/// ```
///
/// It lives on one thread from beginning to end; nothing of it is reachable from another.
/// libsystemd aborts the process when a handle is used after it was freed, so each is freed in one
/// place, which also forgets it.
final class BusLoop {
  private final class Pending {
    unowned let loop: BusLoop
    let id: UInt64
    let call: BusCall
    var slot: OpaquePointer?

    init(loop: BusLoop, id: UInt64, call: BusCall) {
      self.loop = loop
      self.id = id
      self.call = call
    }
  }

  static let manager = "org.freedesktop.systemd1"
  static let managerPath = "/org/freedesktop/systemd1"
  static let managerInterface = "org.freedesktop.systemd1.Manager"

  private let shared: BusShared
  private var bus: OpaquePointer?
  private var pending: [UInt64: Pending] = [:]
  private var lastID: UInt64 = 0
  private var watched: [String] = []

  init(_ shared: BusShared) { self.shared = shared }

  /// Blocks until the owner has stopped it.
  func run() {
    // Opened before the first call, which reports what is wrong.
    _ = try? open(for: "begin")
    while !shared.heard.withLock({ $0.stopped }) {
      shared.wakeup.clear()
      while let job = shared.jobs.take(until: Clock.now()) {
        switch job {
        case .call(let call): start(call)
        case .watch(let path): watch(path)
        }
      }
      process()
      poll()
    }
    close("the program ends")
  }

  private func open(for purpose: String) throws(BusFailure) -> OpaquePointer {
    if let bus { return bus }
    let attempt = "\(purpose): connect to the system bus"
    let opened = try BusLoop.connect(shared.address, attempt)
    bus = opened
    do throws(BusFailure) {
      // Without a subscription the service manager sends no signals.
      try send(
        BusCall(
          attempt: "subscribe to the service manager", path: BusLoop.managerPath,
          interface: BusLoop.managerInterface, member: "Subscribe", arguments: [],
          deadline: .inMilliseconds(25_000), complete: { _ in }), on: opened)
      try match(
        "type='signal',sender='\(BusLoop.manager)',path='\(BusLoop.managerPath)',"
          + "interface='\(BusLoop.managerInterface)',member='JobRemoved'", on: opened)
      try match(
        "type='signal',sender='\(BusLoop.manager)',path='\(BusLoop.managerPath)',"
          + "interface='\(BusLoop.managerInterface)',member='Reloading'", on: opened)
      for path in watched { try match(BusLoop.changesRule(path), on: opened) }
      return opened
    } catch {
      close(error.message)
      throw error
    }
  }

  private static func connect(
    _ address: String?, _ attempt: String
  ) throws(BusFailure) -> OpaquePointer {
    var bus: OpaquePointer?
    var code: Int32
    if let address {
      code = sd_bus_new(&bus)
      if code >= 0 { code = sd_bus_set_address(bus, address) }
      if code >= 0 { code = sd_bus_set_bus_client(bus, 1) }
      if code >= 0 { code = sd_bus_start(bus) }
    } else {
      code = sd_bus_open_system(&bus)
    }
    if code >= 0, let bus { return bus }
    sd_bus_close_unref(bus)
    throw BusFailure(attempt, code: code)
  }

  /// Frees the connection, and fails every call that waits for an answer on it.
  private func close(_ reason: String) {
    guard let bus else { return }
    self.bus = nil
    let failed = pending.values.sorted { $0.id < $1.id }
    pending = [:]
    for call in failed { call.slot = sd_bus_slot_unref(call.slot) }
    sd_bus_close_unref(bus)
    for call in failed {
      call.call.complete(.failure(BusLoop.lost(call.call, reason)))
    }
  }

  private static func lost(_ call: BusCall, _ reason: String) -> BusFailure {
    BusFailure(
      .disconnected,
      "\(call.attempt): the connection to the system bus ended (\(reason)); "
        + "look whether it was done, and try again.")
  }

  private func start(_ call: BusCall) {
    // A connection may have ended unseen: what could not even be sent is tried on a new one.
    for isLast in [false, true] {
      do throws(BusFailure) {
        try send(call, on: try open(for: call.attempt))
        return
      } catch {
        if error.kind == .disconnected { close(error.message) }
        if isLast || error.kind != .disconnected { return call.complete(.failure(error)) }
      }
    }
  }

  private func send(_ call: BusCall, on bus: OpaquePointer) throws(BusFailure) {
    let left = call.deadline.nanoseconds(since: Clock.now()) / 1000
    if left <= 0 { throw BusFailure(call.attempt, code: -ETIMEDOUT) }
    var message: OpaquePointer?
    var code = sd_bus_message_new_method_call(
      bus, &message, BusLoop.manager, call.path, call.interface, call.member)
    defer { sd_bus_message_unref(message) }
    for argument in call.arguments where code >= 0 {
      code = argument.withCString {
        sd_bus_message_append_basic(message, CChar(SD_BUS_TYPE_STRING), $0)
      }
    }
    if code < 0 { throw BusFailure(call.attempt, code: code) }
    lastID += 1
    let waiting = Pending(loop: self, id: lastID, call: call)
    // Borrowed by libsystemd until its slot is freed; `pending` owns it exactly that long.
    let context = Unmanaged.passUnretained(waiting).toOpaque()
    code = sd_bus_call_async(bus, &waiting.slot, message, BusLoop.answered, context, UInt64(left))
    if code < 0 { throw BusFailure(call.attempt, code: code) }
    pending[waiting.id] = waiting
  }

  private static let answered: sd_bus_message_handler_t = { message, context, _ in
    guard let message, let context else { return 0 }
    let waiting = Unmanaged<Pending>.fromOpaque(context).takeUnretainedValue()
    waiting.loop.finish(waiting, message)
    return 1
  }

  private func finish(_ waiting: Pending, _ message: OpaquePointer) {
    pending[waiting.id] = nil
    waiting.slot = sd_bus_slot_unref(waiting.slot)
    let call = waiting.call
    if let error = sd_bus_message_get_error(message)?.pointee {
      let name = error.name.map { String(cString: $0) } ?? ""
      let text = error.message.map { String(cString: $0) } ?? ""
      // libsystemd itself answers waiting calls when a connection ends, as it does at a timeout.
      let isOpen = sd_bus_is_open(bus) > 0
      call.complete(
        .failure(
          isOpen
            ? BusFailure(call.attempt, name: name, text: text) : BusLoop.lost(call, text)))
    } else {
      call.complete(.success(BusReader(message, attempt: call.attempt)))
    }
  }

  // MARK: Signals

  private func watch(_ path: String) {
    if watched.contains(path) { return }
    watched.append(path)
    guard let bus else { return }
    do throws(BusFailure) {
      try match(BusLoop.changesRule(path), on: bus)
    } catch {
      close(error.message)
    }
  }

  private static func changesRule(_ path: String) -> String {
    "type='signal',sender='\(manager)',path='\(path)',"
      + "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'"
  }

  /// If the bus refuses the rule, libsystemd ends the connection.
  private func match(_ rule: String, on bus: OpaquePointer) throws(BusFailure) {
    // The connection owns the slot and is freed before this object.
    let context = Unmanaged.passUnretained(self).toOpaque()
    let code = sd_bus_add_match_async(bus, nil, rule, BusLoop.signalled, nil, context)
    if code < 0 { throw BusFailure("listen to the service manager", code: code) }
  }

  private static let signalled: sd_bus_message_handler_t = { message, context, _ in
    guard let message, let context else { return 0 }
    Unmanaged<BusLoop>.fromOpaque(context).takeUnretainedValue().hear(message)
    return 0
  }

  private func hear(_ message: OpaquePointer) {
    if sd_bus_message_is_signal(message, BusLoop.managerInterface, "JobRemoved") > 0 {
      let reader = BusReader(message, attempt: "read JobRemoved")
      guard let job = try? reader.uint32(), (try? reader.skip("os")) != nil,
        let result = try? reader.string()
      else { return }
      shared.heard.update { $0.finished(job, result) }
    } else if let path = sd_bus_message_get_path(message) {
      shared.heard.update { $0.changes[String(cString: path), default: 0] += 1 }
    }
  }

  // MARK: Waiting

  private func process() {
    while let bus {
      let code = sd_bus_process(bus, nil)
      if code < 0 { close(Errno.text(-code)) }
      if code <= 0 { return }
    }
  }

  /// What to wait for changes with every step, so it is asked each time.
  private func poll() {
    var entries = [pollfd(fd: shared.wakeup.descriptor, events: Int16(POLLIN), revents: 0)]
    var milliseconds: Int32 = -1
    if let bus {
      let (descriptor, events) = (sd_bus_get_fd(bus), sd_bus_get_events(bus))
      var until: UInt64 = .max
      let code = sd_bus_get_timeout(bus, &until)
      if descriptor < 0 || events < 0 || code < 0 {
        return close(Errno.text(-min(descriptor, events, code)))
      }
      entries.append(pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0))
      milliseconds = Monotonic.milliseconds(until: until)
    }
    // An interrupted poll needs no repetition: the loop asks for everything again.
    _ = Glibc.poll(&entries, nfds_t(entries.count), milliseconds)
  }
}

/// libsystemd's timeouts.
enum Monotonic {
  /// From an absolute time of CLOCK_MONOTONIC in microseconds (UInt64.max: never) to what poll(2)
  /// takes, rounded up.
  static func milliseconds(until microseconds: UInt64) -> Int32 {
    if microseconds == .max { return -1 }
    let now = Clock.monotonicMicroseconds()
    if microseconds <= now { return 0 }
    return Int32(clamping: (microseconds - now + 999) / 1000)
  }
}
