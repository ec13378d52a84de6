// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model
internal import Rollout

/// What configuration management may hand to the members: settings, which make one content of every file.
struct SimulatedWish: Hashable {
  var content: Int
  var digest: Digest
  /// When a member was handed it last, in true time.
  var handed: Int64 = -1
}

/// What is durable of a member's own wish.
struct SimulatedIntent: Hashable {
  var statement = IntentStatement(serial: 0, digest: nil)
  /// The wish's number; -1 for none.
  var wish = -1
}

/// What a member's root was told of its wish, for the invariants.
enum Handed: Hashable {
  /// It holds this one; -1 for none.
  case holds(Int)
  /// It was told that it could not be written, or nothing.
  case unknown
}

// What configuration management has handed to a member, as Sources/Agent/Proposals/IntentKeeper.swift has it.

extension World {
  private static let wishDigests = (0..<16).map { Digest.ofFields(["wish", String($0)]) }
  /// Nobody looks any longer than that after everything has healed.
  private static let patience: Int64 = 300_000_000_000

  mutating func makeWish(key: Int) -> Int {
    let wish = wishes.count
    if wish == Self.wishDigests.count { return wish - 1 }
    contents.append(Content(key: key))
    wishes.append(SimulatedWish(content: contents.count - 1, digest: Self.wishDigests[wish]))
    return wish
  }

  func wishIndex(_ digest: Digest?) -> Int? {
    digest.flatMap { digest in wishes.firstIndex { $0.digest == digest } }
  }

  // MARK: from the node

  /// `keyturn propose`.
  mutating func propose(_ m: Int, _ wish: Int) {
    guard members[m].isUp else { return }
    let view = planView(m, .wish(wish))
    if view.refusal == .guarded || view.refusal == .file {
      note("m\(m) refuses wish \(wish)")
      return
    }
    note("m\(m) is handed wish \(wish)")
    members[m].handed = .unknown
    if intend(m, .proposed(wishes[wish].digest, isInForce: view.isInForce), wish: wish) {
      members[m].handed = .holds(wish)
      wishes[wish].handed = now
    }
  }

  /// `keyturn propose --withdraw`.
  mutating func withdraw(_ m: Int) {
    guard members[m].isUp else { return }
    note("m\(m) is to wish nothing")
    members[m].handed = .unknown
    if bug == .withdrawalForgotten || intend(m, .proposed(nil, isInForce: false)) {
      members[m].handed = .holds(-1)
    }
  }

  // MARK: the machine

  /// `take`: one input, and its effects in their order.
  ///
  /// - Returns: whether what it promises is durable.
  @discardableResult
  mutating func intend(_ m: Int, _ input: IntentsInput, wish: Int? = nil) -> Bool {
    let before = members[m].intents
    let effects = members[m].intents.handle(input, at: members[m].clock(now))
    for effect in effects {
      if dies(m) { return false }
      switch effect {
      case .persist(let statement):
        var record = members[m].intent
        record.statement = statement
        if let wish { record.wish = wish }
        if statement.digest == nil { record.wish = -1 }
        let fails = diskFails(m)
        if !fails || (now >= members[m].diskIsFullUntil && random.below(2) == 0) {
          members[m].disk.intent = record
          said(m, statement)
        }
        if fails {
          note("m\(m) cannot write its wish")
          members[m].intents = before
          return false
        }
        members[m].intent = record
        note(
          "m\(m) wishes \(record.wish), serial \(statement.serial)\(statement.isInForce ? ", in force" : "")"
        )
      case .tell(let name, let statement):
        guard let to = Self.names.firstIndex(of: name) else { continue }
        call(
          Call(
            from: m, to: to, age: members[m].run, rollout: -1, request: .tell(statement)))
      case .wake(let instant):
        members[m].intentSerial += 1
        if !isFaulty, now > healedAt + Self.patience { continue }
        schedule(
          .intend(member: m, serial: members[m].intentSerial),
          after: Int(max(0, members[m].time(instant) - now)))
      case .begin(let digest):
        checkBegin(m, digest)
        schedule(
          .beginWish(member: m, run: members[m].run, wish: wishIndex(digest) ?? -1),
          after: 0)
      }
    }
    return true
  }

  /// Another member has said what it wishes.
  mutating func heard(_ m: Int, _ from: Int, _ statement: IntentStatement) {
    intend(m, .heard(member: Self.names[from], statement))
    guard bug == .begunBeforeAllHold, members[m].isUp, members[m].intents.isFirst else { return }
    // Who was not heard of will want the same.
    for other in members.indices where other != m && members[m].intents[Self.names[other]] == nil {
      intend(
        m,
        .heard(
          member: Self.names[other], IntentStatement(serial: 1, digest: statement.digest)))
      if !members[m].isUp { return }
    }
  }

  /// `intentSeen`: the first member has had this one plan its own wish.
  mutating func intentSeen(_ m: Int, _ wish: Int, _ view: PlanView) {
    guard view.isInForce else { return }
    intend(m, .found(wishes[wish].digest))
  }

  /// `intentEnded`: a committed rollout has ended here.
  ///
  /// - Returns: whether what follows for the wish is durable.
  mutating func intentEnded(_ m: Int, _ finished: FinishedRollout) -> Bool {
    let wish = finished.rollout.wish
    if finished.outcome.kind == .confirmed {
      return intend(m, .committed(wish))
    }
    if let wish, members[m].intents.own.digest == wish, bug != .failedWishStays {
      // Not again by itself.
      return intend(m, .proposed(nil, isInForce: false))
    }
    return true
  }

  /// A plan's checks have ended: the answer.
  mutating func planned(_ index: Int, _ attempt: Int, _ run: Int) {
    let call = calls[index]
    guard case .plan(let kind) = call.request, isAlive(call.to, run) else { return }
    let view = planView(call.to, kind)
    if case .wish(let wish) = kind {
      intentSeen(call.to, wish, view)
      if !isAlive(call.to, run) { return }
    }
    answer(index, attempt, .plan(view))
  }

  // MARK: the rollout

  /// `begin`: all members want this.
  mutating func beginWish(_ m: Int, _ wish: Int) {
    guard wish >= 0, members[m].intent.wish == wish else { return }
    note("m\(m): all wish \(wish)")
    undertake(Undertaking(host: m, goal: .wish(wish)), .wish(wish))
  }

  /// Every member has said what it makes of it.
  mutating func wishPlanned(_ u: Int, _ wish: Int) {
    if refusal(of: u) != nil { return wishCameToNothing(u, wish) }
    let plans = undertakings[u].plans.compactMap(\.self)
    if plans.allSatisfy({ $0.file == $0.after && !$0.isRestartNeeded }) { return leave(u) }
    begin(u, .apply, content: wishes[wish].content, previous: plans[0].file, wish: wish)
  }

  mutating func wishCameToNothing(_ u: Int, _ wish: Int) {
    let m = undertakings[u].host
    leave(u)
    note("what all have wished came to nothing")
    members[m].refused = wish
    intend(m, .refused(wishes[wish].digest))
  }

  // MARK: what a member may ask of another

  /// `permitCoordination`.
  func isPermitted(_ m: Int, from node: Int, _ rollout: Rollout) -> Bool {
    if node >= members.count { return true }
    switch rollout.kind {
    case .rollback: return mayUndo(m, rollout.undoes)
    case .apply: return rollout.wish != nil && members[m].intents.own.digest == rollout.wish
    case .restart: return false
    }
  }

  func isPermitted(_ m: Int, from node: Int, _ kind: PlanKind) -> Bool {
    if node >= members.count { return true }
    switch kind {
    case .command: return false
    case .wish(let wish): return members[m].intents.own.digest == wishes[wish].digest
    case .undo(let index): return mayUndo(m, histories[index].rollout.id)
    }
  }

  private func mayUndo(_ m: Int, _ id: String?) -> Bool {
    guard bug != .undoneTwice else { return true }
    let last = members[m].participant.record.lastCommitted?.rollout
    return last != nil && last?.id == id && last?.kind == .apply && last?.rollback == .whenSafe
  }

  /// `assess`, for a plan.
  func planView(_ m: Int, _ kind: PlanKind) -> PlanView {
    let record = members[m].participant.record
    let file = members[m].disk.file
    var view = PlanView(
      epoch: record.highestEpoch, file: file, after: file, life: members[m].life)
    switch kind {
    case .command: return view
    case .wish(let wish): view.after = wishes[wish].content
    case .undo(let index):
      guard bug == .undoneTwice || record.lastCommitted?.rollout.id == histories[index].rollout.id
      else {
        view.refusal = .vote
        return view
      }
      view.after = histories[index].previous
    }
    view.isRestartNeeded = !isRunning(m) || members[m].unit.content != view.after
    if file < 0 {
      view.refusal = .file
    } else if !isAllowed(m, view.after) {
      view.refusal = .guarded
    } else if contents[view.after].key != 0, isKeyManagerAway {
      view.refusal = .keyManager
    }
    view.isBusy = record.active != nil
    return view
  }
}
