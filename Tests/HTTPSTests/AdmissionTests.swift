// SPDX-License-Identifier: Apache-2.0
import HTTPS
import Model
import Sockets
import Testing

/// The same dice in every run.
private struct Dice: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    // SplitMix64.
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

/// The values by reference, so that they can be changed within an expectation.
private final class Handshakes {
  private var admission: HandshakeAdmission
  private var dice: Dice
  init(_ seed: UInt64) { (admission, dice) = (HandshakeAdmission(), Dice(seed)) }

  var count: Int { admission.count }
  func arrive(_ id: UInt64, from number: Int) -> HandshakeAdmission.Verdict {
    admission.arrive(id, from: SourceNetwork(number: UInt32(number)), dice: &dice)
  }
  func heard(_ id: UInt64) { admission.heard(id) }
  func end(_ id: UInt64) { admission.end(id) }
}

private final class Connections {
  private var admission: ConnectionAdmission
  init(_ bounds: ConnectionAdmission.Bounds) { admission = ConnectionAdmission(bounds) }

  var count: Int { admission.count }
  func arrive(
    _ id: UInt64, holder: String, _ standing: Standing
  ) -> ConnectionAdmission.Verdict { admission.arrive(id, holder: holder, standing) }
  /// So many connections of a standing, each of a holder of its own.
  @discardableResult
  func fill(_ count: Int, _ standing: Standing, from id: UInt64) -> [ConnectionAdmission.Verdict] {
    (0..<UInt64(count)).map { arrive(id + $0, holder: "\(standing) \($0)", standing) }
  }
  func begin(_ id: UInt64) -> Bool { admission.begin(id) }
  func rest(_ id: UInt64) { admission.rest(id) }
  func end(_ id: UInt64) { admission.end(id) }
}

private final class Budget {
  private var budget: BodyBudget
  init(bytes: Int = Limits.bodyBudgetBytes) { budget = BodyBudget(bytes: bytes) }

  func take(_ length: Int, holder: String, _ standing: Standing) -> BodyBudget.Share? {
    budget.take(length, holder: holder, standing)
  }
  func giveBack(_ share: BodyBudget.Share) { budget.giveBack(share) }
}

@Suite struct HandshakeAdmissionTests {
  /// So many connections of each of the sources from 0 on, in turn.
  private func filled(_ seed: UInt64, sources: Int, each: Int) -> Handshakes {
    let admission = Handshakes(seed)
    for id in 0..<(sources * each) { _ = admission.arrive(UInt64(id), from: id % sources) }
    return admission
  }

  @Test("a source has its places, and one past them replaces one of its own")
  func perSource() {
    let admission = filled(7, sources: 1, each: Limits.handshakesOfSource)
    #expect(admission.count == Limits.handshakesOfSource)
    guard case .replaces(let id) = admission.arrive(1_000, from: 0) else {
      Issue.record("not replaced")
      return
    }
    #expect(id < UInt64(Limits.handshakesOfSource))
    #expect(admission.count == Limits.handshakesOfSource)
    #expect(admission.arrive(1_001, from: 1) == .admitted)
  }

  @Test("a thousand silent connections of eight sources leave a ninth its place", arguments: 1...20)
  func fair(_ seed: UInt64) {
    let admission = filled(seed, sources: 8, each: 125)
    #expect(admission.count <= Limits.handshakes)
    let verdict = admission.arrive(5_000, from: 99)
    #expect(verdict != .refused)
    // And it keeps it, whatever the eight go on trying.
    for id: UInt64 in 5_001..<6_000 {
      #expect(
        admission.arrive(id, from: Int(id) % 8) != .replaces(5_000))
    }
  }

  @Test("under pressure a source that has a place is refused more and more often, a new one never")
  func early() {
    func refusals(taken: Int) -> Int {
      var count = 0
      for seed: UInt64 in 0..<1_000 {
        // Each of them has one; so none is heavy.
        let admission = Handshakes(seed)
        for id in 0..<taken { _ = admission.arrive(UInt64(id), from: id) }
        if admission.arrive(9_000, from: 0) == .refused { count += 1 }
        #expect(admission.arrive(9_001, from: 9_001) != .refused)
      }
      return count
    }
    #expect(refusals(taken: Limits.handshakesUnderPressure - 1) == 0)
    let begin = refusals(taken: Limits.handshakesUnderPressure)
    #expect((240...360).contains(begin))
    let middle = refusals(taken: (Limits.handshakesUnderPressure + Limits.handshakes) / 2)
    #expect((580...720).contains(middle))
    #expect(refusals(taken: Limits.handshakes) == 1_000)
  }

  @Test("a connection that has said nothing goes before one that has")
  func silent() {
    let admission = filled(4, sources: 1, each: Limits.handshakesOfSource)
    for id in 0..<(Limits.handshakesOfSource - 1) { admission.heard(UInt64(id)) }
    let last = UInt64(Limits.handshakesOfSource - 1)
    #expect(admission.arrive(100, from: 0) == .replaces(last))
  }

  @Test("places come back with the end of a connection, once")
  func ends() {
    let admission = Handshakes(5)
    #expect(admission.arrive(1, from: 0) == .admitted)
    admission.end(1)
    admission.end(1)
    #expect(admission.count == 0)
    #expect(admission.arrive(2, from: 0) == .admitted)
  }
}

@Suite struct ConnectionAdmissionTests {
  private let bounds = ConnectionAdmission.Bounds(
    places: 10, perHolder: 6, kept: [.operator: 3, .member: 2, .observer: 1])

  @Test("whoever comes in masses leaves the others what is kept for them")
  func kept() {
    for standing in Standing.allCases {
      let admission = Connections(bounds)
      admission.fill(200, standing, from: 0)
      for other in Standing.allCases where other != standing {
        let verdicts = admission.fill(
          bounds.kept[other] ?? 0, other, from: 1_000 * UInt64(other.rawValue + 1))
        #expect(verdicts.allSatisfy { $0 == .admitted }, "\(other) beside \(standing)")
      }
      #expect(admission.count == bounds.places)
    }
  }

  @Test("when places are short the least privileged goes first, and of these who rested longest")
  func order() {
    let admission = Connections(bounds)
    admission.fill(3, .observer, from: 0)
    admission.fill(4, .member, from: 10)
    admission.fill(3, .operator, from: 20)
    #expect(admission.count == 10)
    admission.rest(0)
    #expect(admission.arrive(30, holder: "a", .operator) == .replaces(1))
    #expect(admission.arrive(31, holder: "b", .operator) == .replaces(2))
    // One place is kept for observers; so a member goes.
    #expect(admission.arrive(32, holder: "c", .operator) == .replaces(10))
    #expect(admission.arrive(33, holder: "d", .observer) == .replaces(0))
  }

  @Test("what is being answered stays; then there is no place, and nobody gives way to a lower one")
  func answered() {
    let admission = Connections(bounds)
    admission.fill(5, .observer, from: 0)
    admission.fill(2, .member, from: 10)
    admission.fill(3, .operator, from: 20)
    for id: UInt64 in 0..<5 { #expect(admission.begin(id)) }
    #expect(admission.arrive(30, holder: "e", .observer) == .refused)
    admission.rest(3)
    #expect(admission.arrive(31, holder: "f", .observer) == .replaces(3))
    #expect(!admission.begin(3))
  }

  @Test("one holder has so many places, and replaces its own past them")
  func holder() {
    let admission = Connections(
      .init(places: Limits.agentConnections, perHolder: Limits.connectionsOfHolder))
    for id in 0..<Limits.connectionsOfHolder {
      #expect(admission.arrive(UInt64(id), holder: "x", .operator) == .admitted)
    }
    #expect(admission.arrive(99, holder: "x", .operator) == .replaces(0))
    #expect(admission.arrive(100, holder: "y", .operator) == .admitted)
  }

  @Test("without places kept, the last place is taken and one past it is not")
  func limit() {
    let admission = Connections(.init(places: 64, perHolder: 64))
    for id in 0..<64 { #expect(admission.arrive(UInt64(id), holder: "", .operator) == .admitted) }
    for id in 0..<64 { #expect(admission.begin(UInt64(id))) }
    #expect(admission.arrive(64, holder: "", .operator) == .refused)
    admission.end(7)
    #expect(admission.arrive(65, holder: "", .operator) == .admitted)
  }
}

@Suite struct BodyBudgetTests {
  @Test("what is taken and given back leaves what there was")
  func balance() throws {
    let budget = Budget(bytes: 100 * Limits.bodyCostFactor)
    let share = try #require(budget.take(60, holder: "a", .operator))
    #expect(budget.take(41, holder: "a", .operator) == nil)
    let rest = try #require(budget.take(40, holder: "a", .observer))
    budget.giveBack(share)
    budget.giveBack(rest)
    #expect(budget.take(100, holder: "b", .operator) != nil)
  }

  @Test("a holder has one large body, all members have half, and an operator's still gets through")
  func large() throws {
    let budget = Budget()
    let share = try #require(budget.take(Limits.httpBodyBytes, holder: "minio-1", .member))
    #expect(budget.take(Limits.smallBodyBytes + 1, holder: "minio-1", .member) == nil)
    #expect(budget.take(Limits.httpBodyBytes, holder: "minio-2", .member) == nil)
    #expect(budget.take(Limits.smallBodyBytes, holder: "minio-1", .member) != nil)
    #expect(budget.take(3 << 20, holder: "ann", .operator) != nil)
    budget.giveBack(share)
    #expect(budget.take(Limits.httpBodyBytes, holder: "minio-2", .member) != nil)
  }

  @Test("many small bodies of members leave a quarter to operators, and come back")
  func others() throws {
    let budget = Budget()
    var shares: [BodyBudget.Share] = []
    while let share = budget.take(
      Limits.smallBodyBytes, holder: "minio-\(shares.count)", .member)
    { shares.append(share) }
    #expect(shares.count == Limits.bodyBudgetBytes / 4 * 3 / Limits.smallBodyBytes / 8)
    let own = try #require(budget.take(2 << 20, holder: "ann", .operator))
    #expect(budget.take(1, holder: "bob", .operator) == nil)
    budget.giveBack(own)
    for share in shares { budget.giveBack(share) }
    #expect(budget.take(Limits.bodyBudgetBytes / 8, holder: "ann", .operator) != nil)
  }

  @Test("a body that costs more than all of it waits for nobody else's end but gets through")
  func huge() throws {
    let budget = Budget(bytes: 1_000)
    let share = try #require(budget.take(5_000, holder: "a", .operator))
    #expect(budget.take(1, holder: "b", .operator) == nil)
    budget.giveBack(share)
    #expect(budget.take(1, holder: "b", .operator) != nil)
  }
}
