// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import ServerUnit
@testable import Systemd
import Testing
import Threads

private func socketPath() -> String {
  "/tmp/keyturn-test-\(getpid())-\(UInt64.random(in: 0 ... .max)).bus"
}

private func soon(_ milliseconds: Int = 10_000) -> Instant { .inMilliseconds(milliseconds) }

private func failure<Value>(_ body: () throws(BusFailure) -> Value) -> BusFailure? {
  do throws(BusFailure) {
    _ = try body()
    return nil
  } catch { return error }
}

private let unitPath = "/org/freedesktop/systemd1/unit/minio_2eservice"

/// Runs `body` with a fake manager and a connection to it, which by default relies on signals
/// alone.
private func withManager(
  recheckMilliseconds: Int = 60_000,
  answer: @escaping @Sendable (FakeManager.Request) -> FakeManager.Answer,
  _ body: (FakeManager, SystemBus) throws -> Void
) throws {
  let manager = try FakeManager(socketPath(), answer: answer)
  defer { manager.stop() }
  try body(
    manager,
    try SystemBus(address: manager.address, recheckMilliseconds: recheckMilliseconds))
}

@Suite struct SystemBusTests {
  @Test("a unit's state is read property by property, whatever else there is is passed over")
  func state() throws {
    let properties: [(String, FakeManager.Value)] = [
      ("Id", .string("minio.service")), ("Names", .strings(["minio.service", "m.service"])),
      ("LoadState", .string("loaded")), ("ActiveState", .string("activating")),
      ("SubState", .string("start")), ("Type", .string("notify")), ("MainPID", .uint32(4321)),
      ("InvocationID", .bytes(Array(0..<16))), ("NRestarts", .uint32(3)),
      ("Result", .string("exit-code")), ("ExecMainStartTimestampMonotonic", .uint64(1 << 40)),
      ("ExecMainPID", .uint32(4320)), ("ExecMainCode", .int32(1)), ("ExecMainStatus", .int32(203)),
      ("User", .string("minio-user")),
      ("Group", .string("minio")),
      ("EnvironmentFiles", .files([("/etc/default/minio", true), ("/etc/more", false)])),
      ("Environment", .strings(["A=1", "B=two words"])),
      ("PassEnvironment", .strings(["C"])), ("UnsetEnvironment", .strings(["D", "E=1"])),
      ("SupplementaryGroups", .strings(["ssl-cert"])), ("AmbientCapabilities", .uint64(1 << 10)),
      ("CapabilityBoundingSet", .uint64(1 << 40)),
      ("ExecStart", .commands([["/usr/bin/minio", "server", "$MINIO_OPTS"], ["/second"]])),
      ("ExecStartEx", .commands([["/not/this"]])), ("Restart", .string("always")),
      ("StartLimitBurst", .uint32(5)), ("StartLimitIntervalUSec", .uint64(10_000_000)),
      ("TimeoutStartUSec", .uint64(.max)), ("TimeoutStopUSec", .uint64(90_000_000)),
      ("NeedDaemonReload", .bool(true)), ("FragmentPath", .string("/etc/minio.service")),
      ("DropInPaths", .strings(["/etc/a.conf"])), ("NotifyAccess", .string("main")),
      ("Job", .job(77)), ("Future", .uint64(1)),
    ]
    try withManager(answer: { _ in .properties(properties) }) { manager, bus in
      let state = try bus.unit("minio.service", deadline: soon())
      let expected = UnitState(
        id: "minio.service", activeState: "activating", subState: "start", mainPID: 4321,
        invocationID: "000102030405060708090a0b0c0d0e0f"
      ) {
        ($0.nRestarts, $0.result) = (3, "exit-code")
        $0.execMainStartMonotonicMicroseconds = 1 << 40
        ($0.execMainPID, $0.execMainCode, $0.execMainStatus) = (4320, 1, 203)
        ($0.user, $0.group) = ("minio-user", "minio")
        $0.environmentFiles = [
          .init(path: "/etc/default/minio", isOptional: true), .init(path: "/etc/more"),
        ]
        $0.environment = ["A=1", "B=two words"]
        ($0.passEnvironment, $0.unsetEnvironment) = (["C"], ["D", "E=1"])
        $0.supplementaryGroups = ["ssl-cert"]
        ($0.ambientCapabilities, $0.capabilityBoundingSet) = (1 << 10, 1 << 40)
        $0.execStart = ["/usr/bin/minio", "server", "$MINIO_OPTS"]
        $0.restart = "always"
        ($0.startLimitBurst, $0.startLimitIntervalMicroseconds) = (5, 10_000_000)
        $0.timeoutStopMicroseconds = 90_000_000
        $0.needDaemonReload = true
        ($0.fragmentPath, $0.dropIns) = ("/etc/minio.service", ["/etc/a.conf"])
        $0.job = .init(id: 77, path: "/job/77")
      }
      #expect(state == expected)
      #expect(
        manager.requests.last == .init(path: unitPath, member: "GetAll", arguments: [""]))
    }
  }

  @Test("the manager's own environment and version are read from the manager's object")
  func manager() throws {
    let properties: [(String, FakeManager.Value)] = [
      ("Version", .string("252.39-1~deb12u2")), ("Features", .string("+PAM")),
      ("Environment", .strings(["LANG=C.UTF-8", "MINIO_X=1"])), ("NNames", .uint32(3)),
    ]
    try withManager(answer: { _ in .properties(properties) }) { manager, bus in
      let state = try bus.manager(deadline: soon())
      #expect(
        state
          == ManagerState(
            version: "252.39-1~deb12u2", environment: ["LANG=C.UTF-8", "MINIO_X=1"]))
      #expect(
        manager.requests.last
          == .init(
            path: "/org/freedesktop/systemd1", member: "GetAll",
            arguments: ["org.freedesktop.systemd1.Manager"]))
    }
  }

  @Test("without a job there is none, and an empty invocation id is empty")
  func idle() throws {
    try withManager(answer: { _ in .properties([("Job", .job(0)), ("InvocationID", .bytes([]))]) })
    {
      _, bus in
      let state = try bus.unit("minio.service", deadline: soon())
      #expect(state.job == nil && state.invocationID == "")
    }
  }

  @Test("an answer of another form is malformed, not misread")
  func malformed() throws {
    let answers: [FakeManager.Answer] = [
      .path("/not/a/dictionary"), .nothing, .properties([("MainPID", .string("1"))]),
    ]
    for answer in answers {
      try withManager(answer: { _ in answer }) { _, bus in
        #expect(
          failure { () throws(BusFailure) in try bus.unit("minio.service", deadline: soon()) }?.kind
            == .malformed)
      }
    }
  }

  @Test("a restart replaces what is queued, and its job's end is heard")
  func restart() throws {
    try withManager(answer: { _ in .path("/org/freedesktop/systemd1/job/42") }) { manager, bus in
      let ticket = try bus.restart("minio.service", deadline: soon())
      #expect(ticket.unit == "minio.service" && ticket.job == 42)
      #expect(ticket.requested <= ticket.queued)
      #expect(
        manager.requests.last
          == .init(
            path: "/org/freedesktop/systemd1", member: "RestartUnit",
            arguments: ["minio.service", "replace"]))
      #expect(try bus.result(of: ticket, deadline: soon(20)) == nil)
      manager.jobRemoved(41, "failed")
      manager.jobRemoved(42, "done")
      #expect(try bus.result(of: ticket, deadline: soon()) == .done)
      #expect(try bus.result(of: ticket, deadline: soon(0)) == .done)
    }
  }

  @Test(
    "every result of a job has its name, and one of a later systemd is unknown",
    arguments: [
      "done", "failed", "canceled", "timeout", "dependency", "skipped", "invalid", "assert",
      "unsupported", "collected", "once", "frozen",
    ])
  func results(_ name: String) throws {
    try withManager(answer: { _ in .path("/org/freedesktop/systemd1/job/1") }) { manager, bus in
      let ticket = try bus.restart("minio.service", deadline: soon())
      manager.jobRemoved(1, name)
      let result = try bus.result(of: ticket, deadline: soon())
      #expect(result?.rawValue == (name == "frozen" ? "unknown" : name))
    }
  }

  @Test("a job whose end was not heard is unknown, not waited for until the deadline")
  func lostResult() throws {
    try withManager(
      recheckMilliseconds: 10,
      answer: { request in
        request.member == "GetAll"
          ? .properties([("Job", .job(0))]) : .path("/org/freedesktop/systemd1/job/1")
      }
    ) { _, bus in
      let ticket = try bus.restart("minio.service", deadline: soon())
      #expect(try bus.result(of: ticket, deadline: soon(60_000)) == .unknown)
    }
  }

  @Test(
    "errors of the service manager keep their kind and text, and name the unit",
    arguments: [
      ("org.freedesktop.systemd1.NoSuchUnit", .noSuchUnit),
      ("org.freedesktop.DBus.Error.AccessDenied", .notPermitted),
      ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", .notPermitted),
      ("org.freedesktop.DBus.Error.ServiceUnknown", .disconnected),
      ("org.freedesktop.systemd1.UnitMasked", .refused),
    ] as [(String, BusFailure.Kind)])
  func errors(_ name: String, _ kind: BusFailure.Kind) throws {
    try withManager(answer: { _ in .error(name, "It said so.") }) { _, bus in
      let failure = failure { () throws(BusFailure) in
        try bus.restart("minio.service", deadline: soon())
      }
      #expect(failure?.kind == kind)
      #expect(failure?.message.hasPrefix("restart minio.service: It said so; ") == true)
      #expect(failure?.refusal.code == .unit)
    }
  }

  @Test("a manager that does not answer costs a call its deadline, and the next call nothing")
  func silence() throws {
    try withManager(answer: { request in
      request.member == "ResetFailedUnit" ? .nothing : .silence
    }) { _, bus in
      let failure = failure { () throws(BusFailure) in
        try bus.unit("minio.service", deadline: soon(50))
      }
      #expect(failure?.kind == .timedOut)
      try bus.resetFailed("minio.service", deadline: soon())
    }
  }

  @Test("a call whose deadline is over is not sent")
  func late() throws {
    try withManager(answer: { _ in .nothing }) { manager, bus in
      let failure = failure { () throws(BusFailure) in
        try bus.restart("minio.service", deadline: soon(-1))
      }
      #expect(failure?.kind == .timedOut)
      try bus.resetFailed("minio.service", deadline: soon())
      #expect(!manager.requests.contains { $0.member == "RestartUnit" })
    }
  }

  @Test(
    "a lost connection fails what waits at once, and the next call makes a new one that listens")
  func reconnect() throws {
    try withManager(answer: { request in
      request.member == "GetAll" ? .hangUp : .path("/org/freedesktop/systemd1/job/9")
    }) { manager, bus in
      let failure = failure { () throws(BusFailure) in
        try bus.unit("minio.service", deadline: soon(60_000))
      }
      #expect(failure?.kind == .disconnected)
      let ticket = try bus.restart("minio.service", deadline: soon())
      #expect(manager.connections == 2)
      #expect(manager.wait { $0.count { $0.member == "Subscribe" } == 2 })
      manager.jobRemoved(9, "done")
      #expect(try bus.result(of: ticket, deadline: soon()) == .done)
    }
  }

  @Test("where there is no bus a call says so, and it works as soon as there is one")
  func noBus() throws {
    let path = socketPath()
    let bus = try SystemBus(address: "unix:path=\(path)")
    let failure = failure { () throws(BusFailure) in
      try bus.resetFailed("minio.service", deadline: soon())
    }
    #expect(failure?.kind == .disconnected)
    #expect(failure?.message.contains("minio.service") == true)
    let manager = try FakeManager(path) { _ in .nothing }
    defer { manager.stop() }
    try bus.resetFailed("minio.service", deadline: soon())
  }

  @Test("a change is told when the unit's signal comes, and not before its state differs")
  func change() throws {
    let pid = Lock(UInt32(1))
    try withManager(answer: { _ in
      .properties([("Id", .string("minio.service")), ("MainPID", .uint32(pid.withLock { $0 }))])
    }) { manager, bus in
      let before = try bus.unit("minio.service", deadline: soon())
      #expect(try bus.change(of: "minio.service", from: before, deadline: soon(200)) == nil)
      #expect(
        manager.wait { requests in
          requests.contains { $0.member == "AddMatch" && $0.arguments[0].contains(unitPath) }
        })
      let seen = Lock<UnitState?>(nil)
      let watcher = try Thread.start("watcher") {
        let state = try? bus.change(of: "minio.service", from: before, deadline: soon(60_000))
        seen.withLock { $0 = state }
      }
      // The watcher has asked once more and waits.
      #expect(manager.wait { $0.count { $0.member == "GetAll" } >= 3 })
      manager.propertiesChanged(unitPath)
      #expect(manager.wait { $0.count { $0.member == "GetAll" } >= 4 })
      pid.withLock { $0 = 2 }
      manager.propertiesChanged(unitPath)
      #expect(watcher.join(until: soon()))
      #expect(seen.withLock { $0 }?.mainPID == 2)
    }
  }

  @Test("a change whose signal was lost is seen all the same")
  func changeWithoutSignal() throws {
    let asked = Lock(UInt32(0))
    try withManager(
      recheckMilliseconds: 10,
      answer: { _ in
        .properties([
          (
            "MainPID",
            .uint32(
              asked.withLock {
                $0 += 1; return $0 / 3
              })
          )
        ])
      }
    ) { _, bus in
      let before = try bus.unit("minio.service", deadline: soon())
      let after = try bus.change(of: "minio.service", from: before, deadline: soon(60_000))
      #expect(before.mainPID == 0 && after?.mainPID == 1)
    }
  }

  @Test("many threads at once get each the answer to its own question")
  func concurrent() throws {
    try withManager(answer: { request in .properties([("Id", .string(request.path))]) }) { _, bus in
      let wrong = Lock(0)
      let threads = try (0..<16).map { number in
        try Thread.start("caller") {
          for call in 0..<50 {
            let name = "u\(number)x\(call)"
            let id = try? bus.unit(name, deadline: soon()).id
            if id != "/org/freedesktop/systemd1/unit/\(name)" { wrong.withLock { $0 += 1 } }
          }
        }
      }
      for thread in threads { #expect(thread.join(until: soon(60_000))) }
      #expect(wrong.withLock { $0 } == 0)
    }
  }

  @Test("dropping the bus ends its thread and its connection")
  func dropped() throws {
    let manager = try FakeManager(socketPath()) { _ in .nothing }
    defer { manager.stop() }
    try SystemBus(address: manager.address).resetFailed("minio.service", deadline: soon())
    #expect(manager.waitForHangUp())
  }

  @Test("names become object paths as systemd makes them")
  func paths() throws {
    for (name, label) in [
      ("minio.service", "minio_2eservice"), ("a-b@c.service", "a_2db_40c_2eservice"),
      ("9.service", "_39_2eservice"), ("", "_"),
    ] {
      #expect(
        try SystemBus.path(ofUnit: name, attempt: "") == "/org/freedesktop/systemd1/unit/\(label)")
    }
  }
}

@Suite struct NotifyTests {
  @Test("a status is one line, whatever it is made from")
  func status() {
    #expect(Notify.line("a\nREADY=1\r\nb\u{2028}c") == "a READY=1 b c")
  }

  @Test("a time of libsystemd's is waited for to its end, and never without limit")
  func timeouts() {
    let now = Clock.monotonicMicroseconds()
    #expect(Monotonic.milliseconds(until: .max) == -1)
    #expect(Monotonic.milliseconds(until: 0) == 0)
    #expect((9_000...10_000).contains(Monotonic.milliseconds(until: now + 10_000_000)))
    #expect(Monotonic.milliseconds(until: .max - 1) == .max)
  }
}
