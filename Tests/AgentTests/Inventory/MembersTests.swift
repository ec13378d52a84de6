// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import HTTP
import JSONCoding
import Model
import Rollout
import Testing
import Threads

@Suite struct MembersTests {
  private let hosts = MemberHosts()

  @Test("a node joins: all go by the new inventory, durably, and the next rollout has it")
  func join() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    #expect(try hosts.recorded(1) == nil, "nothing was voted on yet")
    let result = try hosts.change(to: [1, 2, 3, 4])
    #expect(result.ending == .confirmed)
    for number in 1...4 {
      #expect(hosts.number(number) == 2)
      #expect(hosts.members(number).count == 4)
      #expect(try hosts.recorded(number)?.number == 2)
      #expect(hosts.hosts["minio-\(number)"]?.state.withLock { $0.restarts } == 0)
    }
    // The file of 1 says three nodes still.
    hosts.start(1)
    #expect(hosts.number(1) == 2 && hosts.members(1).count == 4)
    #expect(hosts.rules(1).isEmpty, "it may stay")
    hosts.change(file: 1) { $0.timeouts.startSeconds = 7 }
    hosts.start(1)
    #expect(hosts.rules(1) == ["inventory-file-differs"])
    hosts.change(file: 1) { $0 = MemberHosts.inventory(MemberHosts.names([1, 2, 3, 4])) }
    hosts.start(1)
    #expect(hosts.rules(1).isEmpty)
    #expect(hosts.rules(4).isEmpty)
    let answers = try (1...4).map { number in
      let request = PlanRequest(
        RolloutRequest(kind: .restart), members: MemberHosts.names([1, 2, 3, 4]))
      return try JSON.decode(
        PlanAnswer.self,
        from: hosts[number].answer(
          HTTPRequest("POST", "/v1/plan", body: JSON.encode(request)), from: alice
        ).body)
    }
    #expect(Set(answers.map(\.inventory)).count == 1)
    #expect(answers[0].inventory?.number == 2)
    #expect(!answers.contains { $0.refusal?.message.contains("inventory") ?? false })
  }

  @Test("a node leaves: it says so, votes on nothing, and the others ask it and answer it nothing")
  func leave() throws {
    hosts.start(all: [1, 2, 3, 4], file: [1, 2, 3, 4])
    #expect(try hosts.change(to: [1, 2, 3]).ending == .confirmed)
    #expect(hosts.rules(4) == ["node-retired"])
    hosts.start(4)
    #expect(hosts.rules(4) == ["node-retired"], "also after a restart, whatever its file says")
    #expect(hosts[4].site.peers.names.isEmpty)
    #expect(!hosts[1].site.peers.names.contains("minio-4"))
    let plan = hosts[4].answer(
      HTTPRequest(
        "POST", "/v1/plan", body: JSON.encode(PlanRequest(RolloutRequest(kind: .restart)))),
      from: alice)
    #expect(
      plan.status == 500 && String(decoding: plan.body, as: UTF8.self).contains("was retired"))
    let retired = Principal(cluster: "prod", role: .node, name: "minio-4")
    for route in [Route.seal, .keyProofs, .proposals, .tellProposal, .rollouts, .vote] {
      let answer = hosts[1].answer(HTTPRequest(route.method, route.path("")), from: retired)
      #expect(answer.status == 403, "\(route)")
      #expect(String(decoding: answer.body, as: UTF8.self).contains("minio-4 was retired"))
    }
    #expect(hosts[1].answer(HTTPRequest("GET", "/v1/inventory"), from: retired).status == 200)
    // It is taken back by the same way that it joined by.
    #expect(try hosts.change(to: [1, 2, 3, 4]).ending == .confirmed)
    #expect((1...4).allSatisfy { hosts.number($0) == 3 } && hosts.rules(4).isEmpty)
  }

  @Test("a dead node is left out by its name, and learns it when it is back")
  func without() throws {
    hosts.start(all: [1, 2, 3, 4], file: [1, 2, 3, 4])
    // Nobody has voted with anything yet: then files count, and nobody is left out.
    hosts.stop(4)
    let early = try hosts.change(to: [1, 2, 3], without: [4])
    #expect(
      early.ending.refusal?.message.contains("put a file without the node on all hosts") == true)
    hosts.start(4)
    hosts.start(5, file: [1, 2, 3, 4, 5])
    try hosts.change(to: [1, 2, 3, 4, 5])
    try hosts.change(to: [1, 2, 3, 4])
    hosts.stop(4)
    let alone = try hosts.plan([1, 2, 3])
    guard case .refused(let refusal) = alone.verdict else {
      Issue.record("a node that does not answer is taken for gone")
      return
    }
    #expect(refusal.code == .unreachable && refusal.message.contains("--without minio-4"))
    #expect(try hosts.change(to: [1, 2, 3], without: [4]).ending == .confirmed)
    hosts.start(4)
    #expect(hosts.rules(4) != ["node-retired"], "it was not told yet")
    hosts[4].inventoryWatch.look()
    #expect(hosts.rules(4) == ["node-retired"])
    #expect(try hosts.recorded(4) == hosts[1].site.inventories.agreed)
  }

  @Test("one node alone, or a minority, makes nobody believe in another inventory")
  func proof() {
    func told(_ agreed: AgreedInventory, by numbers: [Int]) -> [InventoryAnswer] {
      MemberHosts.names(numbers).map {
        InventoryAnswer(
          node: $0, agreed: agreed, isRecorded: true, epoch: 1, incarnation: nil, active: nil,
          seal: nil, refusal: nil)
      }
    }
    let own = AgreedInventory(first: MemberHosts.inventory(MemberHosts.names([1, 2, 3, 4])))
    let next = own.next(MemberHosts.inventory(MemberHosts.names([1, 2, 3])))
    let other = AgreedInventory(first: MemberHosts.inventory(MemberHosts.names([1, 2])))
      .next(MemberHosts.inventory(MemberHosts.names([1, 2, 3])))
    #expect(InventoryWatch.successor(of: own, told: told(next, by: [1, 2])) == nil)
    #expect(InventoryWatch.successor(of: own, told: told(next, by: [1, 2, 3])) == next)
    #expect(InventoryWatch.successor(of: own, told: told(other, by: [1, 2, 3])) == nil)
    #expect(InventoryWatch.successor(of: own, told: told(next, by: [1, 2, 7, 8, 9])) == nil)
    #expect(InventoryWatch.successor(of: next, told: told(own, by: [1, 2, 3])) == nil)
    // Who has left stays at what made it leave, and vouches for all that came before.
    let third = next.next(MemberHosts.inventory(MemberHosts.names([1, 2])))
    let mixed = told(next, by: [3]) + told(third, by: [1, 2])
    #expect(InventoryWatch.successor(of: own, told: mixed) == next)
    #expect(
      InventoryWatch.successor(of: own, told: told(third, by: [1, 2, 3])) == third)
  }

  @Test("who has lost its memory does not decide without those that are gone")
  func memory() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    try hosts.change(to: [1, 2, 3, 4])
    try hosts.change(to: [1, 2, 3])
    #expect(hosts[2].site.inventories.isRemembered)
    // The promises are gone and the inventory is not: another life.
    hosts.hosts["minio-2"]?.state.update { $0.records["rollout"] = nil }
    hosts.start(2)
    #expect(hosts[2].site.inventories.isRecorded && !hosts[2].site.inventories.isRemembered)
    hosts.stop(3)
    let refused = try hosts.change(to: [1, 2], without: [3])
    #expect(refused.ending.refusal?.code == .vote)
    hosts.start(3)
    hosts[2].inventoryWatch.look()
    #expect(hosts[2].site.inventories.isRemembered, "both others go by it")
    hosts.stop(3)
    #expect(try hosts.change(to: [1, 2], without: [3]).ending == .confirmed)
  }

  @Test("who joins can ask those that leave, and is asked where the nodes have agreed")
  func addresses() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    for number in 4...6 { hosts.start(number, file: [4, 5, 6]) }
    let present = hosts[1].site.inventories.agreed
    var wanted = MemberHosts.inventory(MemberHosts.names([3, 4, 5, 6]))
    wanted.nodes[0].address = "elsewhere"
    let change = InventoryChange(from: present, to: wanted, without: [])
    for number in [3, 4] { hosts[number].site.inventories.expect(change) }
    #expect(hosts[4].site.inventories.node(named: "minio-1")?.address == "minio-1")
    #expect(hosts[4].site.inventories.node(named: "minio-3")?.address == "elsewhere")
    #expect(hosts[3].site.inventories.node(named: "minio-3")?.address == "minio-3")
    #expect(hosts[3].site.inventories.node(named: "minio-6")?.address == "minio-6")
    hosts[4].site.inventories.expectNothing()
    #expect(hosts[4].site.inventories.node(named: "minio-1") == nil)
  }

  @Test("a file whose unit or environment file is another than what was agreed on lets nobody vote")
  func conflict() throws {
    hosts.start(all: [1, 2], file: [1, 2])
    hosts.start(3, file: [1, 2, 3])
    try hosts.change(to: [1, 2, 3])
    hosts.change(file: 1) { $0.environmentFile = "/etc/default/other" }
    hosts.start(1)
    #expect(hosts.rules(1) == ["inventory-file-conflict"])
    let plan = try hosts.plan([1, 2])
    guard case .refused(let refusal) = plan.verdict else {
      Issue.record("a node votes that was started with another environment file")
      return
    }
    #expect(refusal.code == .configuration)
  }

  @Test("a stranger ends only what it has a part in, and moves no epoch far")
  func strangers() throws {
    hosts.start(all: [1, 2], file: [1, 2])
    let stranger = Principal(cluster: "prod", role: .node, name: "minio-9")
    func promise(_ id: String, epoch: UInt64) throws -> Int {
      let ballot = Ballot(round: 1, proposer: "minio-9")
      return hosts[1].answer(
        HTTPRequest(
          "POST", "/v1/rollouts/\(id)/promise",
          body: JSON.encode(
            PromiseRequest(
              epoch: epoch, incarnation: hosts[1].incarnation, ballot: ballot))),
        from: stranger
      ).status
    }
    let own = hosts[1].rollouts.now.record.highestEpoch
    #expect(try promise("00000000000000aa", epoch: own + 1_000) == 403)
    #expect(hosts[1].rollouts.now.record.highestEpoch == own)
    #expect(try promise("00000000000000ab", epoch: own + 2) == 200)
    let rollout = try hosts.plan([1]).rollout(id: "00000000000000bb", createdBy: "alice")
    let vote = hosts[1].answer(
      HTTPRequest(
        "POST", "/v1/rollouts",
        body: JSON.encode(
          PrepareRequest(
            rollout: rollout, request: RolloutRequest(kind: .members), seals: []))), from: alice)
    #expect(vote.status == 200)
    #expect(try promise(rollout.id, epoch: rollout.epoch) == 403)
    let follow = HTTPRequest("GET", "/v1/rollouts/\(rollout.id)")
    #expect(hosts[1].answer(follow, from: stranger).status == 403)
    let seen = try JSON.decode(
      InventoryAnswer.self,
      from: hosts[1].answer(HTTPRequest("GET", "/v1/inventory"), from: stranger).body)
    #expect(seen.incarnation == nil && seen.active == nil)
  }

  @Test(
    "a host that was installed again under its name takes the others' inventory, from more than half"
  )
  func reinstalled() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    try hosts.change(to: [1, 2, 3, 4])
    hosts.wipe(3)
    hosts.start(3, file: [1, 2, 3])
    #expect(hosts.number(3) == 1)
    hosts[3].inventoryWatch.look()
    #expect(hosts.number(3) == 2 && hosts.members(3).count == 4)
    #expect(try hosts.recorded(3)?.number == 2)
  }

  @Test("a node that the others have not says that it is no member, until it is one")
  func stranger() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    hosts[4].inventoryWatch.look()
    #expect(hosts.rules(4) == ["node-not-a-member"])
    try hosts.change(to: [1, 2, 3, 4])
    #expect(hosts.rules(4).isEmpty)
  }

  /// A plan of which some nodes' agents say something else of themselves.
  private func plan(
    _ numbers: [Int], without: [Int] = [], _ versions: [Int: AgentVersion],
    speaking protocols: ProtocolRange = .own
  ) throws -> MembersPlan {
    let plan = try hosts.plan(numbers, without: without)
    let rows = plan.rows.map { row in
      NodeAnswer(
        name: row.name,
        result: row.result.map { answer in
          var answer = answer
          let version = versions.first { "minio-\($0.key)" == row.name }?.value
          answer.version = version ?? answer.version
          return answer
        })
    }
    return MembersPlan(
      plan.wanted, instead: plan.present, without: MemberHosts.names(without), rows: rows,
      protocols: protocols)
  }

  @Test(
    "who tells protocols that no program speaks votes on no change, is named, and can be left out")
  func impossibleProtocols() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    try hosts.change(to: [1, 2, 3, 4])
    let told = try JSON.decode(
      AgentVersion.self,
      from: Array(#"{"text":"0.9.9","protocols":{"oldest":5,"newest":4}}"#.utf8))
    for numbers in [[1, 2, 3], [1, 2, 3, 4, 5]] {
      guard case .refused(let refusal) = try plan(numbers, [4: told]).verdict else {
        Issue.record("\(numbers)")
        continue
      }
      let isLeaving = numbers == [1, 2, 3]
      #expect(refusal.code == (isLeaving ? .vote : .unreachable))
      if isLeaving {
        #expect(refusal.message.contains("minio-4: its agent (keyturnd 0.9.9) tells"))
        #expect(refusal.message.contains("--without minio-4 leaves it out"), "\(refusal.message)")
      }
    }
    let stays = try plan([1, 2, 4], without: [3], [4: told])
    #expect(throws: Refusal.self) {
      try stays.rollout(id: "00000000000000aa", createdBy: "alice")
    }
    // The others go on without it, although it answers.
    let without = try plan([1, 2, 3], without: [4], [4: told])
    #expect(without.verdict == .ready, "\(without.verdict)")
    let result = try MembersUndertaking(
      createdBy: "alice", members: hosts.links(without.change.participants)
    ).run(without, Interruption(), Silent()).result
    #expect(result.ending == .confirmed, "\(result)")
    #expect(hosts.members(1) == MemberHosts.names([1, 2, 3]))
    // One that is well is not left out while it answers.
    guard case .refused(let well) = try hosts.plan([1, 2], without: [3]).verdict else {
      Issue.record("minio-3 is left out")
      return
    }
    #expect(well.message.contains("minio-3 is named as gone, and answers"))
  }

  @Test("without a protocol in common there is no change, in the plan and past it")
  func noCommonProtocol() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    let ahead = AgentVersion("0.3.0", ProtocolRange(2, 3))
    for (versions, own) in [
      ([1: ahead], ProtocolRange.own), ([1: ahead, 2: ahead, 3: ahead], .own),
      ([1: ahead, 2: ahead], ProtocolRange(2, 3)),
    ] {
      let plan = try plan([1, 2], versions, speaking: own)
      guard case .refused(let refusal) = plan.verdict else {
        Issue.record("not refused")
        continue
      }
      #expect(refusal.code == .vote)
      #expect(refusal.message.contains("keyturnd 0.3.0, rollout protocols 2 to 3"))
      do throws(Refusal) {
        _ = try plan.rollout(id: "00000000000000aa", createdBy: "alice")
        Issue.record("a protocol was assumed")
      } catch {
        #expect(error.code == .vote && error.message.contains("no rollout protocol in common"))
      }
    }
    // What all speak is what it is carried out by.
    let both = AgentVersion("0.2.0", ProtocolRange(1, 2))
    let plan = try plan([1, 2], [1: both, 2: both, 3: ahead], speaking: ProtocolRange(1, 2))
    #expect(plan.verdict == .ready)
    #expect(
      try plan.rollout(id: "00000000000000aa", createdBy: "alice").protocol?.number == 2)
  }

  @Test("a change waits for a rollout, and a rollout for a change")
  func exclude() throws {
    hosts.start(all: [1, 2], file: [1, 2])
    let plan = try hosts.plan([1])
    let rollout = try plan.rollout(id: "00000000000000aa", createdBy: "alice")
    func vote(_ number: Int, _ rollout: Rollout) throws -> VoteAnswer {
      let request = PrepareRequest(
        rollout: rollout, request: RolloutRequest(kind: rollout.kind), seals: [])
      return try JSON.decode(
        VoteAnswer.self,
        from: hosts[number].answer(
          HTTPRequest("POST", "/v1/rollouts", body: JSON.encode(request)), from: alice
        ).body)
    }
    #expect(try vote(1, rollout).refusal == nil)
    let again = try hosts.plan([2])
    guard case .refused(let refusal) = again.verdict else {
      Issue.record("a second change goes beside the first")
      return
    }
    #expect(refusal.code == .busy)
    var other = try again.rollout(id: "00000000000000bb", createdBy: "alice")
    other.epoch = rollout.epoch + 1
    #expect(try vote(1, other).refusal?.code == .busy)
    #expect(try vote(2, other).refusal == nil)
  }

  @Test(
    "a change that does not follow from the member's own inventory gets a no, and leaves nothing")
  func votes() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    let plan = try hosts.plan([1, 2, 3, 4])
    var epoch: UInt64 = 10
    func refusal(_ number: Int, _ change: (inout Rollout) -> Void) throws -> Refusal? {
      var rollout = try plan.rollout(id: Rollout.newID(), createdBy: "alice")
      epoch += 1
      rollout.epoch = epoch
      change(&rollout)
      let request = PrepareRequest(
        rollout: rollout, request: RolloutRequest(kind: .members), seals: [])
      let answer = hosts[number].answer(
        HTTPRequest("POST", "/v1/rollouts", body: JSON.encode(request)), from: alice)
      return answer.status == 200
        ? try JSON.decode(VoteAnswer.self, from: answer.body).refusal : try answer.refusal()
    }
    let present = plan.present
    func changed(_ rollout: inout Rollout, _ change: InventoryChange) {
      rollout.change = change
      rollout.contents = change.participants.map { name in
        MemberContent(
          member: name,
          incarnation: rollout.content(of: name)?.incarnation ?? rollout.contents[0].incarnation,
          path: MemberContent.inventory, before: present.digest, after: change.next.digest)
      }
    }
    let other = AgreedInventory(first: MemberHosts.inventory(MemberHosts.names([1, 2, 3])))
      .next(MemberHosts.inventory(MemberHosts.names([1, 2])))
    #expect(
      try refusal(1) {
        changed(&$0, InventoryChange(from: other, to: plan.wanted, without: []))
      } != nil)
    #expect(
      try refusal(1) { rollout in
        var wanted = plan.wanted
        wanted.unit = "other.service"
        changed(&rollout, InventoryChange(from: present, to: wanted, without: []))
      }?.message.contains("unit is what minio-1 was started with") == true)
    #expect(
      try refusal(1) { $0.inventory = other.reference }?.message.contains("number 1") == true)
    #expect(try refusal(1) { $0.withoutRestart = nil } != nil)
    #expect(try refusal(1) { $0.change = nil } != nil)
    #expect(try refusal(1) { $0.kind = .restart } != nil)
    #expect(try refusal(1) { $0.contents[0].after = nil } != nil)
    #expect(
      try refusal(4) { rollout in
        rollout.seal = nil
        rollout.contents[3].incarnation = nil
      } != nil)
    for number in 1...4 {
      #expect(try hosts.recorded(number) == nil)
      #expect(hosts[number].isAtRest)
    }
    // A node may bring no change.
    let answer = hosts[1].answer(
      HTTPRequest(
        "POST", "/v1/rollouts",
        body: JSON.encode(
          PrepareRequest(
            rollout: try plan.rollout(id: Rollout.newID(), createdBy: "node/minio-2"),
            request: RolloutRequest(kind: .members), seals: []))),
      from: Principal(cluster: "prod", role: .node, name: "minio-2"))
    #expect(answer.status == 403)
  }

  @Test("a damaged record lets the node vote on nothing, and is not written over")
  func damaged() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    try hosts.change(to: [1, 2])
    hosts.hosts["minio-1"]?.state.update { $0.records["inventory"] = [] }
    hosts.start(1)
    #expect(hosts[1].status().findings.contains { $0.rule == "damaged-record" })
    let plan = try hosts.plan([1], asked: [1, 2])
    guard case .refused = plan.verdict else {
      Issue.record("a node without its record votes")
      return
    }
    hosts[1].inventoryWatch.look()
    #expect(hosts.hosts["minio-1"]?.state.withLock { $0.records["inventory"] } == [])
  }
}

@Suite struct MembersWithoutCoordinatorTests {
  private let hosts: MemberHosts

  init() {
    var times = RecoveryTimes()
    times.silenceMilliseconds = 100
    times.rankMilliseconds = 20
    times.firstPauseMilliseconds = 50
    times.longestPauseMilliseconds = 200
    times.jitterMilliseconds = 20
    hosts = MemberHosts(times: times)
  }

  @Test("the coordinator goes before it proposes: nobody has joined, and nobody is in doubt")
  func beforeProposal() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    try hosts.change(to: [1, 2, 3, 4]) { $0.hasSuffix("/accept") || $0.hasSuffix("/decision") }
    hosts.settle([1, 2, 3, 4])
    for number in 1...4 {
      #expect(hosts[number].isAtRest)
      #expect(hosts.number(number) == 1)
    }
    #expect(hosts.members(1).count == 3)
  }

  @Test("the coordinator goes after it has proposed: all come to the same, the node that joins too")
  func afterProposal() throws {
    hosts.start(all: [1, 2, 3], file: [1, 2, 3])
    hosts.start(4, file: [1, 2, 3, 4])
    try hosts.change(to: [1, 2, 3, 4]) { $0.hasSuffix("/decision") }
    hosts.settle([1, 2, 3, 4])
    let numbers = Set((1...4).map { hosts.number($0) })
    #expect(numbers == [2], "all had accepted")
  }
}
