// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import StartWatch
import Testing
import Threads

/// What stands between a server that runs and the word "confirmed".
@Suite struct WatchTests {
  /// Commits a rollout whose starts settle for so long, and waits until the start is in `phase`.
  private func begin(
    _ node: Node, settleMilliseconds: Int = 60_000, until phase: RolloutPhase = .settling
  ) throws -> Rollout {
    let rollout = try node.rollout(enabling, settleMilliseconds: settleMilliseconds)
    try #require(try node.prepare(rollout, enabling).refusal == nil)
    _ = try node.decide(rollout, .commit)
    var after = 0
    for _ in 0..<100 {
      let view = try view(node, rollout, after: after)
      if view.events.contains(where: { $0.phase == phase }) { return rollout }
      try #require(view.outcome == nil, "\(view.events)")
      after = view.events.last?.sequence ?? after
    }
    Issue.record("it never came to \(phase)")
    return rollout
  }

  private func view(_ node: Node, _ rollout: Rollout, after: Int = 0) throws -> RolloutView {
    let response = node.send(
      "GET", "/v1/rollouts/\(rollout.id)",
      query: [(name: "after", value: String(after)), (name: "wait", value: "5000")])
    return try JSON.decode(RolloutView.self, from: response.body)
  }

  private func say(
    _ node: Node, _ message: String, invocation: String? = nil, identifier: String = "minio"
  ) {
    let (deliver, entry) = node.host.state.withLock { state in
      (
        state.deliver,
        JournalEntry(
          cursor: "late", realtimeMicroseconds: Clock.realtimeMicroseconds(),
          monotonicMicroseconds: Clock.monotonicMicroseconds(), bootID: state.boot,
          invocationID: invocation ?? state.unit.invocationID, pid: state.unit.mainPID,
          priority: 6, identifier: identifier, message: message)
      )
    }
    for body in deliver { body(entry) }
  }

  @Test("an outcome is told only after the settle time, and says how long it was healthy")
  func settles() throws {
    let node = Node()
    let rollout = try begin(node, settleMilliseconds: 400)
    #expect(try view(node, rollout).outcome == nil)
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.kind == .confirmed && outcome.passedKeyManager == true)
    #expect(outcome.reason.hasPrefix("healthy, no writes for 0."), "\(outcome.reason)")
  }

  @Test("a server that takes no writes is not confirmed before it does, and since when is told")
  func takesNoWrites() throws {
    let node = Node()
    node.host.state.update { $0.writes = .refused("503 SlowDownWrite") }
    let rollout = try begin(node, settleMilliseconds: 300, until: .serving)
    let before = try view(node, rollout)
    #expect(before.outcome == nil && before.report?.writable == nil)
    #expect(before.events.contains { $0.detail == "it takes no writes yet: 503 SlowDownWrite" })
    node.host.state.update { $0.writes = .taken(asked: 1) }
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.kind == .confirmed)
    let report = try #require(try view(node, rollout).report)
    #expect(report.writable.map { $0 > report.issued } == true)
  }

  @Test("a failed start keeps kind, phase, pattern and remedy in the agent's answer and record")
  func failure() throws {
    let node = Node()
    node.host.state.update {
      $0.startLines = ["Error: Server startup failed with 'io.EOF', some features may be missing"]
    }
    let rollout = try node.rollout(enabling, settleMilliseconds: 300)
    try #require(try node.prepare(rollout, enabling).refusal == nil)
    _ = try node.decide(rollout, .commit)
    let outcome = try #require(try node.outcome(rollout))
    let failure = try #require(outcome.failure)
    #expect(outcome.kind == .failed && outcome.reason == failure.description)
    #expect(failure.kind == .brokenButServing && failure.patternID == "startup-failed")
    #expect(failure.phase.known != nil && failure.cause != nil && failure.remedy != nil)
    let again = Node(node.host)
    #expect(again.agent.status().lastOutcome == outcome)
  }

  @Test("an outcome of an older agent has no failure, and words of a newer one are kept")
  func versions() throws {
    let old = try JSON.decode(
      Outcome.self, from: Array(#"{"kind":"failed","reason":"FATAL x"}"#.utf8))
    #expect(old == Outcome(.failed, "FATAL x"))
    let new = #"{"failure":{"kind":"k","phase":"p","reason":"r"},"kind":"failed","reason":"r"}"#
    let read = try JSON.decode(Outcome.self, from: Array(new.utf8))
    #expect(read.failure?.kind == Word("k") && JSON.line(read) == new)
  }

  @Test("a drive that the server loses in this very start is told with the confirmation")
  func driveLost() throws {
    let node = Node()
    node.host.state.update {
      $0.startLines.append(
        "Error: Drive /data: invalid character 'g' looking for beginning of value (*fmt.wrapError)")
    }
    let outcome = try #require(try node.outcome(try begin(node, settleMilliseconds: 300)))
    #expect(outcome.kind == .confirmed)
    #expect(
      outcome.warning
        == "it runs without a drive: Drive /data: invalid character 'g' looking for beginning of "
        + "value (*fmt.wrapError)")
  }

  @Test("a server that is restarted once more in the settle time is not confirmed")
  func restartedAgain() throws {
    let node = Node()
    let rollout = try begin(node)
    node.host.state.update { state in
      state.unit.invocationID = "another"
      state.unit.nRestarts = 1
      state.unit.mainPID += 1
    }
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.kind == .failed && outcome.passedKeyManager == true)
    #expect(outcome.reason.contains("ended while the start was settling"))
    #expect(node.agent.status().seal == nil)
  }

  @Test("a server whose IAM is broken is not confirmed, however late it says so")
  func brokenLate() throws {
    let node = Node()
    let rollout = try begin(node)
    say(node, "Error: Unable to initialize IAM sub-system, some users may not be available: EOF")
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.kind == .failed && outcome.reason.contains("some users may not be available"))
  }

  @Test(
    "a start of which journald has lost lines, or that it was restarted in, is unknown",
    arguments: ["Suppressed 12 messages from minio.service", "Journal started"])
  func linesLost(_ word: String) throws {
    let node = Node()
    let rollout = try begin(node, settleMilliseconds: 300)
    say(node, word, invocation: "journald", identifier: "systemd-journald")
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.kind == .unknown && outcome.passedKeyManager == true)
    #expect(outcome.reason.contains("lines of its log may be missing: \(word)"))
    #expect(node.agent.status().seal == nil)
    // Not of a rollout that holds the node permanently.
    #expect(node.agent.isAtRest)
  }

  @Test("a server that runs with another environment than was voted on is not confirmed")
  func otherEnvironment() throws {
    let node = Node()
    node.host.state.update { state in
      state.onRestart = { state in
        state.process.removeAll { $0.name == "MINIO_KMS_ENCLAVE" }
        state.process.append(.init(name: "MINIO_KMS_ENCLAVE", value: "sesame"))
      }
    }
    let outcome = try #require(try node.apply(enabling))
    #expect(outcome.kind == .failed && outcome.passedKeyManager == true)
    #expect(outcome.reason.contains("another environment than was voted on: MINIO_KMS_ENCLAVE"))
    #expect(!outcome.reason.contains("sesame"))
  }

  @Test("what the server reads by itself counts as its environment")
  func configFile() throws {
    let file = plainFile + "MINIO_CONFIG_ENV_FILE=/etc/minio/config.env\n"
    let host = FakeNodeHost(file: file)
    host.state.update { $0["/etc/minio/config.env"] = "MINIO_SITE_NAME=one\n" }
    let node = Node(host)
    #expect(
      try node.apply([SettingChange(name: "MINIO_SITE_NAME", value: Secret("two"))])?.kind
        == .confirmed)
    // Changed behind the agent's back between the vote and the start.
    host.state.update { state in
      state.onRestart = { $0["/etc/minio/config.env"] = "MINIO_SITE_NAME=three\n" }
    }
    let outcome = try node.apply([], id: "00000000000000ab", kind: .restart)
    #expect(outcome?.kind == .failed)
    #expect(outcome?.reason.contains("environment than was voted on") == true)
  }

  @Test("with --log-dir the files are followed, and their broken-but-serving line counts")
  func logDirectory() throws {
    let file = plainFile + "MINIO_OPTS=\"--log-dir /var/log/minio\"\n"
    let host = FakeNodeHost(file: file)
    host.state.update { state in
      state.startLines = []
      state.logFiles["/var/log/minio"] = [
        #"{"level":"INFO","message":"MinIO AIStor Server"}"#
      ]
    }
    let node = Node(host)
    let good = try #require(try node.apply(enabling))
    #expect(good.kind == .confirmed && good.reason.contains("its lines read in /var/log/minio"))
    host.state.update {
      $0.logFiles["/var/log/minio"]?.append(
        #"{"level":"ERROR","error":{"message":"Unable to initialize config, some features may be missing: EOF"}}"#
      )
    }
    let broken = try node.apply([], id: "00000000000000ab", kind: .restart)
    #expect(broken?.kind == .failed)
    #expect(broken?.reason.contains("some features may be missing") == true)
  }

  @Test("options that stand only in the file that the server reads itself are none of its own")
  func optionsInTheServersFile() throws {
    let host = FakeNodeHost(file: plainFile + "MINIO_CONFIG_ENV_FILE=/etc/minio/config.env\n")
    host.state.update { state in
      state["/etc/minio/config.env"] =
        "MINIO_OPTS=\"--log-dir /var/log/minio\"\nMINIO_LOG_DIR=/var/log/minio\n"
    }
    let outcome = try #require(try Node(host).apply(enabling))
    #expect(outcome.kind == .confirmed)
    #expect(!outcome.reason.contains("its lines"), "\(outcome.reason)")
  }

  @Test("where the log directory cannot be read the verdict says that no line counts")
  func logDirectoryUnreadable() throws {
    let host = FakeNodeHost(file: plainFile + "MINIO_OPTS=\"--log-dir /var/log/minio\"\n")
    host.state.update { $0.startLines = [] }
    let outcome = try #require(try Node(host).apply(enabling))
    #expect(outcome.kind == .confirmed)
    #expect(
      outcome.reason.contains(
        "its lines go to no log that can be read (--log-dir /var/log/minio, which cannot be read: there is no such directory), so none counts"
      ))
  }

  @Test("an agent that is restarted while a start settles comes to the same end")
  func agentRestarted() throws {
    let first = Node()
    let rollout = try begin(first)
    // The other agent ends with its process; here it goes on, deaf to the record.
    let host = FakeNodeHost(file: plainFile)
    let state = first.host.state.withLock { $0 }
    host.state.update { $0 = state }
    host.state.update { $0.deliver = [] }
    host.state.update { $0.unit.nRestarts = 0 }
    let second = Node(host)
    #expect(second.host.state.withLock { $0.restarts } == 1)
    host.state.update { state in
      state.unit.activeState = "failed"
      state.unit.subState = "failed"
      state.unit.mainPID = 0
    }
    let outcome = try #require(try second.outcome(rollout))
    #expect(outcome.kind == .failed)
  }

  @Test("whether the server got past the Key Manager is in the outcome of each kind of end")
  func passedKeyManager() throws {
    func outcome(_ line: String) throws -> Outcome? {
      let host = FakeNodeHost(file: plainFile)
      host.state.update { state in
        state.startLines = [line]
        state.onRestart = { state in
          state.unit.activeState = "activating"
          state.unit.subState = "start"
        }
      }
      return try Node(host).apply(enabling)
    }
    let refused = try outcome("FATAL Failed to connect to KMS: connect: connection refused")
    #expect(refused?.kind == .failed && refused?.passedKeyManager == false)
    let drives = try outcome("FATAL Unable to initialize backend: no drives")
    #expect(drives?.kind == .failed && drives?.passedKeyManager == true)
    let new = try outcome("FATAL something that nobody has seen")
    #expect(new?.kind == .failed && new?.passedKeyManager == nil)
  }

  @Test("no secret of the old or the new environment is in a step or an outcome")
  func secrets() throws {
    let old = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    let host = FakeNodeHost(
      file: plainFile + "MINIO_OTHER_TOKEN=\(old)\nMINIO_ROOT_PASSWORD=hunter22hunter\n")
    host.state.update { state in
      state.startLines = [
        "dump: hunter22hunter \(apiKey)", "Error: aHVudGVyMjJodW50ZXI= and \(old)",
        "FATAL x https://h/?key=k1%3A2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw",
      ]
    }
    let node = Node(host)
    let rollout = try node.rollout(enabling)
    try #require(try node.prepare(rollout, enabling).refusal == nil)
    _ = try node.decide(rollout, .commit)
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.reason.contains("FATAL x"))
    let everything =
      String(decoding: node.send("GET", "/v1/rollouts/\(rollout.id)").body, as: UTF8.self)
      + String(decoding: node.send("GET", "/v1/logs").body, as: UTF8.self)
      + host.state.withLock { $0.lines.joined() }
    for secret in ["hunter22", "2COl4dS3G", "AAAAAAAAA", "aHVudGVyMjJ"] {
      #expect(!everything.contains(secret), "\(secret)")
    }
  }
}
