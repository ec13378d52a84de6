// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Agreement

@Suite("Agreement")
struct AgreementTests {
  @Test("xoshiro256** gives the reference's numbers for this state")
  func random() {
    // SplitMix64 of 0: the first number of the published sequence is the first word of the state.
    var random = Random(seed: 0)
    let first = random.next()
    var again = Random(seed: 0)
    #expect(first == again.next())
    #expect(random.next() == again.next())
    // rotl(state1 * 5, 7) * 9 with SplitMix64's second number as state1.
    let word: UInt64 = 0x6E78_9E6A_A1B9_65F4
    let product = word &* 5
    #expect(first == ((product << 7) | (product >> 57)) &* 9)
  }

  @Test("nothing that must hold is broken in the first walks")
  func firstWalks() {
    var walks = Walks()
    for number: UInt64 in 1...1_500 {
      let violation = walks.walk(number)
      #expect(violation == nil, "walk \(number)")
    }
    for sight in Sight.allCases { #expect(walks.sights[sight] ?? 0 > 0, "\(sight)") }
  }

  @Test("the same walk has the same events, and a trace changes nothing")
  func determinism() {
    for number: UInt64 in 1...50 {
      #expect(Walks.trace(number) == Walks.trace(number))
      var bare = Walk(seed: number)
      bare.run()
      var traced = Walk(seed: number, isTraced: true)
      traced.run()
      #expect(bare.steps == traced.steps && bare.sights == traced.sights)
    }
  }

  @Test(
    "every order of a rollout comes to its end, with a death at any effect",
    arguments: [([1], 1), ([0, 0], 1), ([1, 0], 0), ([0, 0, 0], 0)])
  func everyOrder(ballots: [Int], deaths: Int) {
    var search = Exhaustive(ballots: ballots, deaths: deaths)
    let result = search.run(isOver: { false })
    #expect(result.violation == nil, "\(result.lines)")
    #expect(result.isComplete && result.committed > 0 && result.aborted > 0 && result.healed > 0)
  }

  @Test("who begins how many ballots counts once for each order of names that differs")
  func assignments() {
    #expect(Exhaustive.assignments(members: 3, ballots: 0) == [[0, 0, 0]])
    #expect(Exhaustive.assignments(members: 3, ballots: 2) == [[1, 1, 0], [2, 0, 0]])
    #expect(Exhaustive.assignments(members: 1, ballots: 2) == [[2]])
  }

  @Test("a state and its images have one hash, another state another one")
  func images() {
    let steps = Steps(ballots: [0, 0, 0])
    #expect(steps.orders.count == 5)
    let first = (0...3).map { steps.start($0, ballots: 0) }
    var states: [State] = []
    for member in 0..<3 {
      var state = State(deaths: 0)
      for (process, step) in first.enumerated() {
        state.locals[process] = UInt32(step.local)
        state.sent.formUnion(step.sent)
      }
      var asked = steps.inboxes[member].intersection(state.sent)
      let request = asked.popFirst() ?? 0
      let step = steps.entry(member, 0, state.sent).reaction(to: request)[0]
      let before = state.hash(steps)
      state.locals[member] = UInt32(step.local)
      #expect(state.hash(steps) != before)
      states.append(state)
    }
    #expect(Set(states.map { $0.hash(steps) }).count == 1)
  }

  @Test("a set of messages is taken out in the order of their numbers")
  func sets() {
    var set = MessageSet()
    for number in [511, 0, 64, 63, 130] { set.insert(number) }
    var all: [Int] = []
    while let number = set.popFirst() { all.append(number) }
    #expect(all == [0, 63, 64, 130, 511])
  }

  @Test("the table of hashes grows and forgets nothing")
  func table() {
    var table = HashTable()
    var new = 0
    for number in 0..<UInt64(900_000) where table.insert(mix(number) & ~1) { new += 1 }
    #expect(new == 900_000 && table.count == 900_000)
    for number in stride(from: 0, to: UInt64(900_000), by: 1_000) {
      let isNew = table.insert(mix(number) & ~1)
      #expect(!isNew)
    }
  }
}
