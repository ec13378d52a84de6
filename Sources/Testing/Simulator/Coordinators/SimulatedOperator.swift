// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Rollout

/// One operator, who runs the program again and again: `apply`, `restart`, and `rollback` by hand.
struct SimulatedOperator: Hashable {
  let clock: Int64
  /// What is being done; -1 before the first.
  var undertaking = -1
  /// The rollout to undo by hand; -1 for none.
  var undo = -1
  var isBusy = false

  init(clock: Int64) { self.clock = clock }
}

extension World {
  /// An operator begins: asks every member for its plan.
  mutating func begin(_ o: Int) {
    guard !operators[o].isBusy, rolloutsLeft > 0 || operators[o].undo >= 0 else { return }
    if operators[o].undo < 0 { rolloutsLeft -= 1 }
    operators[o].isBusy = true
    let undo = operators[o].undo
    note("operator \(o) plans\(undo >= 0 ? " a rollback" : "")")
    undertake(Undertaking(host: members.count + o, goal: .command(undo: undo)), .command)
  }

  mutating func left(_ o: Int) {
    operators[o].isBusy = false
    if rolloutsLeft > 0 || operators[o].undo >= 0 {
      schedule(.begin(operator: o), after: milliseconds(10...4_000))
    }
  }

  /// A member has answered the plan; the last answer goes on.
  mutating func commandPlanned(_ u: Int, _ undo: Int) {
    let plans = undertakings[u].plans.compactMap(\.self)
    guard plans.count == members.count else { return }
    let o = undertakings[u].host - members.count
    operators[o].undo = -1
    var previous = plans[0].file
    let content: Int
    let kind: RolloutKind
    if undo >= 0 {
      content = histories[undo].previous
      kind = .rollback
      guard plans.allSatisfy({ $0.file == histories[undo].content }) else {
        note("operator \(o): the files are not what is to be undone")
        leave(u)
        return
      }
    } else if random.below(5) == 0 {
      content = previous
      kind = .restart
    } else {
      content = contents.count
      kind = .apply
      let old = previous < 0 ? 0 : contents[previous].key
      // Most keep the key, some bring the first one, some try another.
      let key = old == 0 ? random.below(3) : random.below(6) == 0 ? 2 : old
      contents.append(Content(key: key))
    }
    guard previous >= 0, contents.count < Self.digests.count else {
      leave(u)
      return
    }
    if undo >= 0 { previous = histories[undo].content }
    begin(u, kind, content: content, previous: previous)
  }
}
