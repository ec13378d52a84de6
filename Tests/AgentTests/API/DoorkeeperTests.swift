// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import Model
import Testing
import Threads

@Suite struct DoorkeeperTests {
  private let keeper = Doorkeeper(
    InventoryKeeper(
      of: "minio-1",
      file: Inventory(
        cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")],
        keyManagers: [
          .init(name: "kms-1", address: "kms-1", witness: "kms-1"),
          .init(name: "kms-2", address: "kms-2"),
        ]), Records(port: FakeNodeHost(file: "").ports().records)))

  private func principal(_ role: Role, _ name: String, cluster: String = "prod") -> Principal {
    Principal(cluster: cluster, role: role, name: name)
  }

  @Test("operators, observers, nodes and the inventory's witnesses may stay, nobody else")
  func standing() {
    func standing(_ principal: Principal) -> Standing? { try? keeper.standing(of: principal) }
    #expect(standing(principal(.operator, "ann")) == .operator)
    #expect(standing(principal(.observer, "eve")) == .observer)
    #expect(standing(principal(.node, "minio-1")) == .member)
    #expect(standing(principal(.witness, "kms-1")) == .member)
    // It may want to join, or have left: it gets no place that is kept for members.
    #expect(standing(principal(.node, "minio-9")) == .observer)
    #expect(standing(principal(.witness, "kms-2")) == nil)
    #expect(standing(principal(.witness, "minio-1")) == nil)
    for role in Role.allCases {
      #expect(standing(principal(role, "minio-1", cluster: "other")) == nil)
    }
  }

  private func limit(_ method: String, _ path: String, _ role: Role) -> Result<Int, Refusal> {
    Result { () throws(Refusal) in
      try keeper.bodyLimit(of: HTTPRequest(method, path), from: principal(role, "minio-1"))
    }
  }

  @Test("only what has a line for each member may be large, and only from whom it may come")
  func bodies() throws {
    let id = "0123456789abcdef"
    let (large, small) = (Limits.httpBodyBytes, Limits.smallBodyBytes)
    let rows: [(String, [Role], Int)] = [
      ("/v1/plan", [.operator, .node], large), ("/v1/rollouts", [.operator, .node], large),
      ("/v1/rollouts/\(id)/result", [.operator, .node], small),
      ("/v1/rollouts/\(id)/promise", [.node], small),
      ("/v1/rollouts/\(id)/accept", [.operator, .node], small),
      ("/v1/rollouts/\(id)/decision", [.operator, .node], small),
      ("/v1/rollouts/\(id)/resolve", [.operator], small), ("/v1/proposals", [.node], small),
      ("/v1/proposals/retry", [.operator], small), ("/v1/seal/recover", [.operator], small),
      ("/v1/check", [.observer, .operator], small),
    ]
    for (path, roles, bytes) in rows {
      for role in Role.allCases {
        switch limit("POST", path, role) {
        case .success(let limit): #expect(roles.contains(role) && limit == bytes, "\(path) \(role)")
        case .failure(let refusal):
          #expect(!roles.contains(role) && refusal.code == .notPermitted, "\(path) \(role)")
        }
      }
    }
    for path in ["/v1/nothing", "/", "/v2/plan", "/v1/plan/x", "/v1/rollouts/\(id)", "/v1//plan"] {
      guard case .failure(let refusal) = limit("POST", path, .operator) else {
        Issue.record("\(path) may have a body")
        continue
      }
      #expect(refusal.code == .validation)
    }
    #expect(try limit("GET", "/v1/status", .observer).get() == small)
  }

  @Test(
    "a node that is no member may look at the inventory, and end what it is in doubt of; nothing else"
  )
  func strangers() {
    let id = "0123456789abcdef"
    let asked = Route.allCases.filter { $0.roles.contains(.node) && $0.servers.contains(.agent) }
    let permitted = asked.filter { route in
      let request = HTTPRequest(route.method, route.path(id))
      return (try? keeper.bodyLimit(of: request, from: principal(.node, "minio-9"))) != nil
    }
    #expect(Set(permitted) == [.inventory, .clock, .promise, .accept, .decide, .follow])
    #expect(asked.count > permitted.count + 5)
  }
}

@Suite struct RequestJournalTests {
  private let lines = Lock<[String]>([])
  private let ann = Principal(cluster: "prod", role: .operator, name: "ann")
  private let mallory = Principal(cluster: "prod", role: .observer, name: "mallory")
  private let refusal = HTTPResponse.refusal(
    403, .notPermitted, "role observer may not")

  private func journal() -> RequestJournal {
    RequestJournal { [lines] priority, line in
      lines.update { $0.append("<\(priority.rawValue)>\(line)") }
    }
  }

  @Test("a refusal names role, name, address and route; the next line counts what was left out")
  func refusals() {
    let journal = journal()
    for _ in 0..<30 {
      journal.note(
        HTTPRequest("POST", "/v1/plan"), from: mallory, at: "10.0.0.9", refusal)
    }
    journal.note(HTTPRequest("POST", "/v1/plan"), from: ann, at: "10.0.0.8", refusal)
    journal.note(nil, from: nil, at: "10.0.0.7", refusal)
    #expect(
      lines.withLock { $0 } == [
        "<4>refused observer mallory of prod at 10.0.0.9: POST /v1/plan: 403, role observer may not",
        "<4>refused operator ann of prod at 10.0.0.8: POST /v1/plan: 403, role observer may not",
        "<4>refused a nameless certificate at 10.0.0.7: a connection: 403, role observer may not",
      ])
    Clock.sleep(until: .inMilliseconds(1_001))
    journal.note(HTTPRequest("GET", "/metrics"), from: mallory, at: "10.0.0.9", refusal)
    #expect(lines.withLock { $0.last }?.hasSuffix("(and 29 more before)") == true)
  }

  @Test("what an operator asked for and got is a line, what only looks is none")
  func answers() {
    let journal = journal()
    let answer = HTTPResponse.json(200, [""])
    for (method, path) in [
      ("POST", "/v1/rollouts"), ("GET", "/v1/status"), ("POST", "/v1/check"), ("POST", "/v1/plan"),
    ] {
      journal.note(HTTPRequest(method, path), from: ann, at: "10.0.0.8", answer)
      journal.note(HTTPRequest(method, path), from: mallory, at: "10.0.0.9", answer)
    }
    #expect(
      lines.withLock { $0 } == [
        "<6>operator ann of prod at 10.0.0.8: POST /v1/rollouts",
        "<6>operator ann of prod at 10.0.0.8: POST /v1/plan",
      ])
  }

  @Test("a caller's own words make no line and move no cursor")
  func visible() {
    let journal = journal()
    journal.note(
      HTTPRequest("POST", "/a\n<0>b\u{1B}[2J\u{9B}\u{202E}"), from: mallory, at: "h", .text(404, "")
    )
    journal.note(
      HTTPRequest("POST", "/a\n<0>b\u{1B}[2J\u{9B}\u{202E}"), from: mallory, at: "h", .text(403, "")
    )
    #expect(
      lines.withLock { $0 } == [
        "<4>refused observer mallory of prod at h: POST /a?<0>b?[2J??: 403"
      ])
  }

  @Test("callers past those that are remembered share one place")
  func many() {
    let journal = journal()
    for number in 0..<(RequestJournal.remembered + 50) {
      let one = Principal(cluster: "prod", role: .observer, name: "e\(number)")
      journal.note(HTTPRequest("GET", "/x"), from: one, at: "h", refusal)
    }
    #expect(lines.withLock { $0.count } == RequestJournal.remembered + 1)
  }
}

@Suite struct TurnsTests {
  @Test("of twenty who come at once two have a turn, the others wait, and all get one")
  func all() throws {
    let turns = ConcurrencyLimit(limit: 2)
    let running = Lock((now: 0, most: 0, done: 0))
    for _ in 0..<20 {
      try Thread.start("test turn") {
        _ = turns.take(until: .inMilliseconds(10_000)) {
          running.update {
            $0.now += 1
            $0.most = max($0.most, $0.now)
          }
          // Until another one runs too, if any is left.
          _ = running.wait(until: .inMilliseconds(20)) { $0.now > 2 ? true : nil }
          running.update {
            $0.now -= 1
            $0.done += 1
          }
        }
      }
    }
    #expect(running.wait(until: .inMilliseconds(10_000)) { $0.done == 20 ? true : nil } == true)
    #expect(running.withLock { $0.most } == 2)
  }

  @Test("who gets no turn until the deadline is told so, and leaves none taken")
  func late() {
    let turns = ConcurrencyLimit(limit: 1)
    let inner = turns.take(until: .inMilliseconds(10_000)) {
      turns.take(until: .inMilliseconds(1)) { true }
    }
    #expect(inner == .some(.none))
    #expect(turns.take(until: .inMilliseconds(1)) { true } == true)
  }
}

@Suite struct SharedCheckTests {
  private func answer(_ number: Int) -> CheckAnswer {
    CheckAnswer(node: "\(number)", endpoints: [], drift: Drift(), findings: [], back: [])
  }

  @Test("sixty who ask at once share one look, sixty who want a fresh one share two")
  func shared() throws {
    for (age, atMost) in [(5_000, 1), (0, 2)] {
      let check = SharedCheck()
      let looks = Lock(0)
      let asking = Lock(0)
      let released = Lock(false)
      let answers = Lock<[String]>([])
      for _ in 0..<60 {
        try Thread.start("test asks") {
          // A caller may stand still between these two: it counts from when it began to ask.
          let asked = Clock.now()
          asking.update { $0 += 1 }
          let answer = check.answer(asked: asked, maximumAgeMilliseconds: age, within: 1_000) {
            let number = looks.update {
              $0 += 1; return $0
            }
            _ = released.wait(until: .inMilliseconds(10_000)) { $0 ? true : nil }
            return self.answer(number)
          }
          answers.update { $0.append(answer.node) }
        }
      }
      let soon = Instant.inMilliseconds(10_000)
      #expect(asking.wait(until: soon) { $0 == 60 ? true : nil } == true)
      released.update { $0 = true }
      #expect(answers.wait(until: soon) { $0.count == 60 ? true : nil } == true)
      #expect(looks.withLock { $0 } <= atMost)
    }
  }

  @Test("a look that had less time than wanted, or is too old, is not good enough")
  func tooShort() {
    let check = SharedCheck()
    func ask(_ age: Int, _ milliseconds: Int, _ number: Int) -> String {
      check.answer(maximumAgeMilliseconds: age, within: milliseconds) { answer(number) }.node
    }
    #expect(ask(5_000, 100, 1) == "1")
    #expect(ask(5_000, 100, 2) == "1")
    #expect(ask(5_000, 101, 3) == "3")
    #expect(ask(0, 100, 4) == "4")
    #expect(ask(5_000, 50, 5) == "4")
  }
}
