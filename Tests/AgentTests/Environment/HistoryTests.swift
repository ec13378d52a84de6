// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

private let browserOff = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]
private let browserOn = [SettingChange(name: "MINIO_BROWSER", value: Secret("on"))]

extension Node {
  /// What is kept, read back without the agent.
  fileprivate func kept(_ number: Int) throws -> History.Kept? {
    try History(port: host.ports().records).load(number)
  }

  fileprivate var file: [UInt8]? { host.state.withLock { $0.file } }

  /// Destroys the record of a generation.
  fileprivate func damage(_ number: String) {
    host.state.update { $0.records["generations/\(number)"] = Array("{}\nx".utf8) }
  }
}

@Suite("Agent: history")
struct HistoryTests {
  @Test("each confirmed change is a generation: who, which rollout, digest, and its bytes")
  func generations() throws {
    let node = Node()
    try node.apply(enabling)
    try node.apply(browserOff, id: "00000000000000bb")
    let history = try node.history()
    #expect(history.generations.map(\.number) == [0, 1, 2])
    #expect(
      history.generations.map { $0.generation?.rollout } == [
        "00000000000000aa", "00000000000000aa", "00000000000000bb",
      ])
    #expect(history.generations.map { $0.generation?.kind } == [nil, .apply, .apply])
    #expect(history.generations.allSatisfy { $0.generation?.createdBy == "alice" })
    #expect(history.generations.allSatisfy { $0.generation?.path == "/etc/default/minio" })
    #expect(history.generations.allSatisfy { $0.problem == nil })
    #expect(history.current?.number == 2 && !history.isDrifted)
    #expect(try node.kept(0)?.bytes == Array(plainFile.utf8))
    #expect(try node.kept(2)?.bytes == node.file)
    #expect(try node.kept(2)?.generation.digest == node.file.map(Digest.sha256))
    // A new agent knows it from the records.
    #expect(Node(node.host).agent.status().generation == history.current?.generation)
  }

  @Test("a file that stays as it is gets the new number all the same, the rollout's")
  func unchanged() throws {
    let node = Node()
    try node.apply(browserOff, number: 5)
    let before = node.file
    try node.apply(browserOff, id: "00000000000000bb", number: 9)
    #expect(node.file == before)
    #expect(try node.history().generations.map(\.number) == [0, 5, 9])
    #expect(try node.kept(9)?.bytes == before)
  }

  @Test(
    "a number that is taken or out of range is a no",
    arguments: [
      (RolloutKind.apply, 7), (.apply, 6), (.apply, 1_008), (.rollback, 7), (.restart, 6),
    ])
  func number(_ kind: RolloutKind, _ number: Int) throws {
    let node = Node()
    try node.apply(browserOff, number: 7)
    let changes = kind == .apply ? browserOn : []
    let earlier = kind == .rollback ? 0 : nil
    let rollout = try node.rollout(
      changes, id: "00000000000000bb", kind: kind, to: earlier, number: number)
    #expect(try node.prepare(rollout, changes, to: earlier).refusal?.code == .vote)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
  }

  @Test(
    "a number that no generation has is not even understood",
    arguments: [-1, Limits.generationNumber + 1, .max])
  func noNumber(_ number: Int) throws {
    let node = Node()
    let rollout = try node.rollout(browserOff, number: number)
    let request = PrepareRequest(
      rollout: rollout,
      request: RolloutRequest(kind: rollout.kind, changes: browserOff, undoes: rollout.undoes),
      seals: [])
    #expect(node.send("POST", "/v1/rollouts", JSON.encode(request)).status == 400)
  }

  @Test("a restart keeps the last generation; with a file edited by hand it makes a new one")
  func restart() throws {
    let node = Node()
    try node.apply(browserOff)
    try node.apply([], id: "00000000000000bb", kind: .restart)
    #expect(try node.history().generations.map(\.number) == [0, 1])
    node.host.state.update { $0.file?.append(contentsOf: Array("# edited\n".utf8)) }
    #expect(try node.history().isDrifted)
    #expect(try node.plan([], kind: .restart).isLastGeneration == false)
    let stale = try node.rollout([], id: "00000000000000cc", kind: .restart, number: 1)
    #expect(try node.prepare(stale, []).refusal?.code == .vote)
    try node.apply([], id: "00000000000000dd", kind: .restart)
    #expect(try node.history().generations.map(\.number) == [0, 1, 2])
    #expect(try node.history().current?.generation?.kind == .restart)
    #expect(try !node.history().isDrifted && node.agent.status().drift.isEmpty)
  }

  @Test(
    "a secret of any generation that is kept is redacted where it stands alone, and one of none is not"
  )
  func oldSecrets() throws {
    let node = Node()
    func password(_ number: Int) -> String { "password-number-\(number)" }
    for number in 1...3 {
      try node.apply(
        [SettingChange(name: "MINIO_ROOT_PASSWORD", value: Secret(password(number)))],
        id: "00000000000000a\(number)")
      // It is asked for between the rollouts too, so an answer that is kept would be seen.
      node.host.state.update { $0.startLines = (1...4).map { "refused: \(password($0))." } }
      let logs = String(decoding: node.send("GET", "/v1/logs").body, as: UTF8.self)
      #expect((1...4).map { logs.contains(password($0)) } == (1...4).map { $0 > number })
    }
    node.damage("00000001")
    let logs = String(decoding: node.send("GET", "/v1/logs").body, as: UTF8.self)
    #expect(!logs.contains(password(2)) && !logs.contains(password(3)))
  }

  @Test("the last 20 are kept")
  func pruned() throws {
    let node = Node()
    for number in 1...Limits.generations + 1 {
      try node.apply(
        number.isMultiple(of: 2) ? browserOff : browserOn, id: "00000000000000\(number + 10)")
      let numbers = try node.history().generations.map(\.number)
      #expect(numbers == Array(max(0, number - Limits.generations + 1)...number))
    }
  }

  @Test("what a crash left of an unfinished write, and anything else there, is no generation")
  func orphan() throws {
    let node = Node()
    try node.apply(browserOff)
    node.host.state.update { state in
      for name in [".00000007.keyturn-new", "notes", "+0000009", "9", "٠٠٠٠٠٠٠٩"] {
        state.records["generations/\(name)"] = state.records["generations/00000001"]
      }
    }
    #expect(try Node(node.host).history().generations.map(\.number) == [0, 1])
  }

  @Test("a generation that was written before a crash is not written again")
  func repeated() throws {
    let node = Node()
    try node.apply(browserOff)
    let last = try #require(try node.kept(1))
    let finished = try #require(
      node.agent.rollouts.state.withLock { $0.participant.record.lastCommitted })
    try node.agent.generations.keep([1], of: finished, at: 7)
    #expect(try node.kept(1) == last)
    try Node(node.host).agent.generations.keep([1], of: finished, at: 7)
    #expect(try node.kept(1) == last)
  }

  @Test("the file as found is that of the last vote before the first change, and stays")
  func found() throws {
    let node = Node()
    let first = try node.rollout(browserOff)
    #expect(try node.prepare(first, browserOff).refusal == nil)
    _ = try node.decide(first, .abort)
    #expect(try node.kept(0)?.generation.rollout == first.id)
    #expect(try node.history().current == nil && !node.history().isDrifted)
    let edited = Array((plainFile + "# edited\n").utf8)
    node.host.state.update { $0.file = edited }
    // The start fails: no generation, but the file is no longer the one that was found.
    node.host.state.update { $0.startLines = ["FATAL Unable to start the server: no"] }
    #expect(try node.apply(browserOff, id: "00000000000000bb")?.kind == .failed)
    #expect(try node.kept(0)?.bytes == edited)
    let later = try node.rollout(browserOn, id: "00000000000000cc")
    #expect(try node.prepare(later, browserOn).refusal == nil)
    #expect(try node.kept(0)?.bytes == edited)
    #expect(try node.kept(0)?.generation.rollout == "00000000000000bb")
  }

  @Test("where there was no file, none was found")
  func nothingFound() throws {
    let node = Node()
    let first = try node.rollout(browserOff)
    _ = try node.prepare(first, browserOff)
    _ = try node.decide(first, .abort)
    node.host.state.update { state in
      state.file = nil
      // Nor a server that has drives.
      state.process = []
    }
    try node.apply(browserOff, id: "00000000000000bb")
    #expect(try node.history().generations.map(\.number) == [1])
  }

  @Test("without room for the file as found the vote is a no, and nothing is staged")
  func noRoom() throws {
    let node = Node()
    let rollout = try node.rollout(browserOff)
    node.host.failRecord("generations/00000000")
    #expect(try node.prepare(rollout, browserOff).refusal?.code == .file)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
    #expect(node.agent.isAtRest)
  }

  @Test("a damaged record is a row of the history, and refuses only what needs it")
  func damaged() throws {
    let node = Node()
    try node.apply(browserOff)
    try node.apply(browserOn, id: "00000000000000bb")
    node.damage("00000002")
    // Another one's bytes under this name are damage too.
    node.host.state.update { state in
      state.records["generations/00000000"] = state.records["generations/00000001"]
    }
    let again = Node(node.host)
    let history = try again.history()
    #expect(history.generations.map { $0.problem == nil } == [false, true, false])
    #expect(history.current?.number == 2 && !history.isDrifted)
    let status = again.agent.status()
    #expect(status.generation == nil)
    #expect(status.findings.contains { $0.rule == "damaged-generation" && $0.severity == .warning })
    #expect(again.diff(1, 2).status == 500)
    #expect(try again.plan([], kind: .rollback, to: 2).refusal?.code == .configuration)
    #expect(try again.plan([], kind: .rollback, to: 1).refusal == nil)
    #expect(try again.apply(browserOff, id: "00000000000000cc")?.kind == .confirmed)
    #expect(try again.history().current?.number == 3)
    #expect(!again.agent.status().findings.contains { $0.rule == "damaged-generation" })
  }

  @Test("a history that cannot be listed refuses every rollout, as other records do")
  func unlistable() {
    let host = FakeNodeHost(file: plainFile)
    host.state.update { $0.listFailure = Refusal(.file, "list generations: Input/output error") }
    let node = Node(host)
    #expect(node.agent.status().findings.contains { $0.rule == "damaged-record" })
    #expect(node.send("GET", "/v1/generations").status == 500)
    let request = PlanRequest(RolloutRequest(kind: .restart))
    #expect(node.send("POST", "/v1/plan", JSON.encode(request)).status == 500)
  }

  // MARK: diff

  @Test("diff shows variables, secrets as identities, and never a secret")
  func diff() throws {
    let node = Node()
    try node.apply(enabling)
    let response = node.diff(0, 1)
    let answer = try JSON.decode(DiffAnswer.self, from: response.body)
    #expect(answer.difference.contains("+MINIO_KMS_SSE_KEY=key-1"))
    #expect(answer.difference.contains("+MINIO_KMS_API_KEY=\(identity)"))
    #expect(!String(decoding: response.body, as: UTF8.self).contains(apiKey))
    let back = try JSON.decode(DiffAnswer.self, from: node.diff(1, 0).body)
    #expect(back.difference.contains("-MINIO_KMS_API_KEY=\(identity)"))
    #expect(!JSON.line(try node.history()).contains(apiKey))
  }

  @Test("without the second it is the file as it is")
  func diffNow() throws {
    let node = Node()
    try node.apply(browserOff)
    var answer = try JSON.decode(DiffAnswer.self, from: node.diff(1).body)
    #expect(answer.from == answer.to && answer.difference.isEmpty)
    node.host.state.update { $0.file?.append(contentsOf: Array("# edited\n".utf8)) }
    answer = try JSON.decode(DiffAnswer.self, from: node.diff(1).body)
    #expect(answer.from != answer.to && answer.difference.isEmpty)
    node.host.state.update { $0.file = nil }
    answer = try JSON.decode(DiffAnswer.self, from: node.diff(1).body)
    #expect(answer.to == nil && answer.difference.contains("-MINIO_BROWSER=off"))
  }

  @Test("a generation that is not kept is refused with those that are", arguments: [7, Int.max])
  func diffMissing(_ number: Int) throws {
    let node = Node()
    try node.apply(browserOff)
    for response in [node.diff(number), node.diff(1, number)] {
      #expect(response.status == 400)
      #expect(String(decoding: response.body, as: UTF8.self).contains("it has 0, 1"))
    }
    #expect(node.send("GET", "/v1/generations/x/diff").status == 400)
    #expect(
      node.send("GET", "/v1/generations/1/diff", query: [(name: "to", value: "-1")]).status == 400)
  }

  @Test("a file that cannot be read does not hide the history")
  func unreadable() throws {
    let node = Node()
    try node.apply(browserOff)
    node.host.state.update { $0.readFailure = Refusal(.validation, "it is a symbolic link") }
    let history = try node.history()
    #expect(history.current?.number == 1 && history.fileProblem == "it is a symbolic link")
    #expect(!history.isDrifted)
    #expect(node.diff(1).status == 400)
  }

  // MARK: rollback

  @Test("rollback puts the old bytes back as a new generation")
  func rollback() throws {
    let node = Node()
    try node.apply(enabling)
    let old = node.file
    try node.apply(browserOff, id: "00000000000000bb")
    let plan = try node.plan([], kind: .rollback, to: 1)
    #expect(plan.refusal == nil && plan.difference == ["-MINIO_BROWSER=off"])
    try node.apply([], id: "00000000000000cc", kind: .rollback, to: 1)
    #expect(node.file == old)
    let current = try #require(try node.history().current?.generation)
    #expect(current.number == 3 && current.kind == .rollback)
    #expect(current.rollout == "00000000000000cc")
    #expect(try node.kept(3)?.bytes == old)
    #expect(node.host.state.withLock { $0.restarts } == 3)
  }

  @Test("the plan of a rollback begins at the file as it is, and an edit after it is a no")
  func rollbackOverDrift() throws {
    let node = Node()
    try node.apply(browserOff)
    try node.apply(browserOn, id: "00000000000000bb")
    let edit = Array("MINIO_EXTRA=\"1\"\n".utf8)
    node.host.state.update { $0.file?.append(contentsOf: edit) }
    let rollout = try node.rollout([], id: "00000000000000cc", kind: .rollback, to: 1)
    #expect(
      try node.plan([], kind: .rollback, to: 1).difference == [
        "-MINIO_BROWSER=on", "+MINIO_BROWSER=off", "-MINIO_EXTRA=1",
      ])
    node.host.state.update { $0.file?.append(contentsOf: edit) }
    #expect(try node.prepare(rollout, [], to: 1).refusal?.code == .vote)
    // Another generation's bytes than those that were planned.
    let other = try node.rollout([], id: "00000000000000dd", kind: .rollback, to: 1)
    #expect(try node.prepare(other, [], to: 0).refusal?.code == .vote)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
  }

  @Test("a sealed key that was mistyped by hand comes back by a rollback")
  func rollbackOfMistypedKey() throws {
    let node = Node()
    try node.apply(enabling)
    let sealed = node.file
    node.host.state.update {
      $0["/etc/default/minio"] = $0["/etc/default/minio"]?.replacing("key-1", with: "kye-1")
    }
    #expect(node.file != sealed)
    try node.apply([], id: "00000000000000cc", kind: .rollback, to: 1)
    #expect(node.file == sealed)
  }

  @Test("the guard refuses a generation without the sealed key, or with another enclave")
  func rollbackGuarded() throws {
    let node = Node()
    try node.apply(enabling)
    let before = node.file
    let text = String(decoding: before ?? [], as: UTF8.self)
    let bytes = Array(text.replacing("\"store\"", with: "\"other\"").utf8)
    var generation = try #require(try node.kept(1)).generation
    generation.digest = Digest.sha256(bytes)
    let history = History(port: node.host.ports().records)
    try history.save(History.Kept(generation: generation, bytes: bytes))
    for earlier in [0, 1] {
      #expect(try node.plan([], kind: .rollback, to: earlier).refusal?.code == .guarded)
      let rollout = try node.rollout(
        [], id: "00000000000000b\(earlier)", kind: .rollback, to: earlier)
      #expect(try node.prepare(rollout, [], to: earlier).refusal?.code == .guarded)
    }
    #expect(node.file == before)
    #expect(node.host.state.withLock { $0.staged.isEmpty && $0.restarts == 1 })
  }

  @Test("a rollback names a generation, which the node has, of the file that is edited")
  func rollbackRefused() throws {
    let node = Node()
    try node.apply(browserOff)
    #expect(try node.plan([], kind: .rollback).refusal?.code == .validation)
    let missing = try #require(try node.plan([], kind: .rollback, to: 7).refusal)
    #expect(missing.code == .vote && missing.message.contains("no generation 7"))
    var kept = try #require(try node.kept(0))
    kept.generation.path = "/etc/minio/config.env"
    try History(port: node.host.ports().records).save(kept)
    let elsewhere = try #require(try node.plan([], kind: .rollback, to: 0).refusal)
    #expect(elsewhere.message.contains("/etc/minio/config.env"))
  }

  @Test("a rollback that another file overrides is refused, with the place")
  func rollbackShadowed() throws {
    let node = Node()
    try node.apply(browserOff)
    try node.apply(browserOn, id: "00000000000000bb")
    node.host.state.update { state in
      state.files["/etc/minio/extra"] = Array("MINIO_BROWSER=on\n".utf8)
      state.unit.environmentFiles.append(.init(path: "/etc/minio/extra"))
    }
    let refusal = try #require(try node.plan([], kind: .rollback, to: 1).refusal)
    #expect(refusal.code == .validation && refusal.message.contains("/etc/minio/extra"))
  }
}
