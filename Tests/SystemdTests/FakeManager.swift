// SPDX-License-Identifier: Apache-2.0
import CSystemd
import Glibc
import Linux
import Threads

/// A bus and a service manager in one, on a Unix socket of its own: what ``SystemBus`` needs of
/// both, and what goes wrong with them.
final class FakeManager: Sendable {
  /// A value of a property, with its D-Bus type.
  enum Value: Sendable {
    case string(String)
    case uint32(UInt32)
    case int32(Int32)
    case uint64(UInt64)
    case bool(Bool)
    case bytes([UInt8])
    case strings([String])
    case files([(String, Bool)])
    case commands([[String]])
    case job(UInt32)
  }

  /// How a method is answered.
  enum Answer: Sendable {
    case nothing
    case properties([(String, Value)])
    case path(String)
    case error(String, String)
    case silence
    case hangUp
  }

  struct Request: Sendable, Hashable {
    var path: String
    var member: String
    var arguments: [String]
  }

  fileprivate enum Signal: Sendable {
    case jobRemoved(UInt32, String)
    case propertiesChanged(path: String)
  }

  fileprivate struct State {
    var requests: [Request] = []
    var connections = 0
    var open = false
    var signals: [Signal] = []
    var hangUp = false
    var stopped = false
  }

  let path: String
  var address: String { "unix:path=\(path)" }
  fileprivate let state = Lock(State())
  fileprivate let answer: @Sendable (Request) -> Answer
  private let wakeup: Wakeup
  private let thread: Lock<Thread?>

  /// Listens; `answer` says what each request of the service manager's gets.
  init(_ path: String, answer: @escaping @Sendable (Request) -> Answer) throws {
    self.path = path
    self.answer = answer
    wakeup = try Wakeup()
    thread = Lock(nil)
    let listener = FileDescriptor(
      owning: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
    var place = sockaddr_un()
    place.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener.raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard bound == 0, listen(listener.raw, 8) == 0 else { throw Errno(errno, "listen on \(path)") }
    let raw = listener.release()
    let started = try Thread.start("fake-manager") { [self] in
      let listener = FileDescriptor(owning: raw)
      while !state.withLock({ $0.stopped }) { acceptOne(listener) }
    }
    thread.withLock { $0 = started }
  }

  /// Ends the thread and removes the socket.
  func stop() {
    state.withLock { $0.stopped = true }
    wakeup.signal()
    _ = thread.withLock { $0 }?.join(until: .inMilliseconds(10_000))
    unlink(path)
  }

  /// What was asked of it besides the bus's own business.
  var requests: [Request] { state.withLock { $0.requests } }

  /// Blocks until `condition` of the requests holds.
  func wait(_ condition: ([Request]) -> Bool) -> Bool {
    state.wait(until: .inMilliseconds(10_000)) { condition($0.requests) ? true : nil } ?? false
  }

  /// Blocks until nobody is connected.
  func waitForHangUp() -> Bool {
    state.wait(until: .inMilliseconds(10_000)) { $0.connections > 0 && !$0.open ? true : nil }
      ?? false
  }

  var connections: Int { state.withLock { $0.connections } }

  func jobRemoved(_ job: UInt32, _ result: String) {
    post { $0.signals.append(.jobRemoved(job, result)) }
  }
  func propertiesChanged(_ path: String) {
    post { $0.signals.append(.propertiesChanged(path: path)) }
  }
  func hangUp() { post { $0.hangUp = true } }

  private func post(_ change: (inout State) -> Void) {
    state.update(change)
    wakeup.signal()
  }

  private func acceptOne(_ listener: borrowing FileDescriptor) {
    var entries = [
      pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0),
      pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&entries, 2, -1)
    wakeup.clear()
    guard entries[0].revents != 0 else { return }
    let connection = accept(listener.raw, nil, nil)
    if connection < 0 { return }
    state.update {
      $0.connections += 1
      $0.open = true
      $0.hangUp = false
    }
    FakeConnection(self).serve(connection)
    state.update { $0.open = false }
  }

  fileprivate func wait(on descriptor: Int32, _ events: Int32, _ milliseconds: Int32) {
    var entries = [
      pollfd(fd: descriptor, events: Int16(events), revents: 0),
      pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&entries, 2, milliseconds)
    wakeup.clear()
  }
}

/// One connection to the fake, on its thread.
private final class FakeConnection {
  private let manager: FakeManager
  private var bus: OpaquePointer?

  init(_ manager: FakeManager) { self.manager = manager }

  func serve(_ descriptor: Int32) {
    guard sd_bus_new(&bus) >= 0, let bus else { return }
    defer { sd_bus_close_unref(bus) }
    var id = sd_id128_t()
    sd_id128_randomize(&id)
    sd_bus_set_fd(bus, descriptor, descriptor)
    sd_bus_set_server(bus, 1, id)
    sd_bus_set_anonymous(bus, 1)
    sd_bus_add_filter(bus, nil, FakeConnection.received, Unmanaged.passUnretained(self).toOpaque())
    sd_bus_start(bus)
    while true {
      var code: Int32 = 1
      while code > 0 { code = sd_bus_process(bus, nil) }
      if code < 0 { return }
      let (signals, isOver) = manager.state.withLock { state in
        defer { state.signals = [] }
        return (state.signals, state.hangUp || state.stopped)
      }
      for signal in signals { send(signal) }
      if isOver { return }
      var until: UInt64 = 0
      sd_bus_get_timeout(bus, &until)
      manager.wait(on: sd_bus_get_fd(bus), sd_bus_get_events(bus), until == .max ? 1_000 : 10)
    }
  }

  private static let received: sd_bus_message_handler_t = { message, context, error in
    guard let message, let context else { return 0 }
    return Unmanaged<FakeConnection>.fromOpaque(context).takeUnretainedValue()
      .receive(message, error)
  }

  private func receive(_ message: OpaquePointer, _ error: UnsafeMutablePointer<sd_bus_error>?)
    -> Int32
  {
    guard let path = sd_bus_message_get_path(message),
      let member = sd_bus_message_get_member(message)
    else { return 0 }
    var request = FakeManager.Request(
      path: String(cString: path), member: String(cString: member), arguments: [])
    var argument: UnsafePointer<CChar>?
    while sd_bus_message_at_end(message, 0) == 0,
      sd_bus_message_read_basic(message, 0x73, &argument) > 0, let text = argument
    { request.arguments.append(String(cString: text)) }
    switch request.member {
    case "Hello": return reply(message) { append($0, ":1.7") }
    case "AddMatch", "RemoveMatch":
      manager.state.update { $0.requests.append(request) }
      return reply(message) { _ in }
    default:
      let answer = request.member == "Subscribe" ? .nothing : manager.answer(request)
      manager.state.update { $0.requests.append(request) }
      switch answer {
      case .nothing: return reply(message) { _ in }
      case .path(let path):
        return reply(message) { _ = sd_bus_message_append_basic($0, 0x6F, path) }
      case .properties(let properties): return reply(message) { append($0, properties) }
      case .error(let name, let text): return sd_bus_error_set(error, name, text)
      case .silence: return 1
      case .hangUp:
        manager.state.update { $0.hangUp = true }
        return 1
      }
    }
  }

  private func reply(_ message: OpaquePointer, _ fill: (OpaquePointer) -> Void) -> Int32 {
    var reply: OpaquePointer?
    guard sd_bus_message_new_method_return(message, &reply) >= 0, let reply else { return -1 }
    defer { sd_bus_message_unref(reply) }
    fill(reply)
    sd_bus_message_set_sender(reply, "org.freedesktop.systemd1")
    return min(1, sd_bus_send(bus, reply, nil))
  }

  private func send(_ signal: FakeManager.Signal) {
    let (path, interface, member) =
      switch signal {
      case .jobRemoved:
        ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved")
      case .propertiesChanged(let path):
        (path, "org.freedesktop.DBus.Properties", "PropertiesChanged")
      }
    var message: OpaquePointer?
    guard sd_bus_message_new_signal(bus, &message, path, interface, member) >= 0, let message else {
      return
    }
    defer { sd_bus_message_unref(message) }
    if case .jobRemoved(var job, let result) = signal {
      sd_bus_message_append_basic(message, 0x75, &job)
      sd_bus_message_append_basic(message, 0x6F, "/org/freedesktop/systemd1/job/\(job)")
      append(message, "minio.service")
      append(message, result)
    }
    sd_bus_message_set_sender(message, "org.freedesktop.systemd1")
    sd_bus_send(bus, message, nil)
  }

  // MARK: Values

  private func append(_ message: OpaquePointer, _ text: String) {
    sd_bus_message_append_basic(message, 0x73, text)
  }

  private func append(_ message: OpaquePointer, _ properties: [(String, FakeManager.Value)]) {
    container(message, "a", "{sv}") {
      for (name, value) in properties {
        container(message, "e", "sv") {
          append(message, name)
          append(message, value)
        }
      }
    }
  }

  private func append(_ message: OpaquePointer, _ value: FakeManager.Value) {
    switch value {
    case .string(let text): container(message, "v", "s") { append(message, text) }
    case .uint32(let number): basic(message, "u", number)
    case .int32(let number): basic(message, "i", number)
    case .uint64(let number): basic(message, "t", number)
    case .bool(let flag): basic(message, "b", Int32(flag ? 1 : 0))
    case .bytes(let bytes):
      container(message, "v", "ay") {
        _ = sd_bus_message_append_array(message, 0x79, bytes, bytes.count)
      }
    case .strings(let texts): container(message, "v", "as") { append(message, array: texts) }
    case .files(let files):
      container(message, "v", "a(sb)") {
        container(message, "a", "(sb)") {
          for (path, flag) in files {
            container(message, "r", "sb") {
              append(message, path)
              var flag = Int32(flag ? 1 : 0)
              sd_bus_message_append_basic(message, 0x62, &flag)
            }
          }
        }
      }
    case .commands(let commands):
      container(message, "v", "a(sasbttttuii)") {
        container(message, "a", "(sasbttttuii)") {
          for words in commands {
            container(message, "r", "sasbttttuii") {
              append(message, words.first ?? "")
              append(message, array: words)
              var zero: UInt64 = 0
              for type in "bttttuii".utf8 {
                sd_bus_message_append_basic(message, CChar(type), &zero)
              }
            }
          }
        }
      }
    case .job(var job):
      container(message, "v", "(uo)") {
        container(message, "r", "uo") {
          sd_bus_message_append_basic(message, 0x75, &job)
          sd_bus_message_append_basic(message, 0x6F, job == 0 ? "/" : "/job/\(job)")
        }
      }
    }
  }

  private func append(_ message: OpaquePointer, array texts: [String]) {
    container(message, "a", "s") { for text in texts { append(message, text) } }
  }

  private func basic<Number>(_ message: OpaquePointer, _ type: String, _ number: Number) {
    container(message, "v", type) {
      withUnsafePointer(to: number) {
        _ = sd_bus_message_append_basic(message, CChar(type.utf8.first ?? 0), $0)
      }
    }
  }

  private func container(
    _ message: OpaquePointer, _ type: String, _ contents: String, _ fill: () -> Void
  ) {
    sd_bus_message_open_container(message, CChar(type.utf8.first ?? 0), contents)
    fill()
    sd_bus_message_close_container(message)
  }
}
