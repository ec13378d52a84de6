// SPDX-License-Identifier: Apache-2.0
internal import Agreement

extension World {
  // MARK: the network

  /// Makes a call; its end is `answered`.
  mutating func call(_ call: Call) {
    calls.append(call)
    send(calls.count - 1)
  }

  mutating func send(_ index: Int) {
    let call = calls[index]
    if call.isDone || !isCaller(call) { return }
    calls[index].attempt += 1
    calls[index].sentAt = now
    let attempt = calls[index].attempt
    // As in MemberLink and PeerPort: a call has a deadline of its own.
    schedule(.timeout(call: index, attempt: attempt), after: patience(call.request))
    if call.from == call.to {
      // What a member asks of itself goes over no link.
      schedule(.request(call: index, attempt: attempt), after: 0)
      return
    }
    if isLost(call.from, call.to) { return }
    schedule(.request(call: index, attempt: attempt), after: latency())
    if chance(options.duplicate) {
      schedule(.request(call: index, attempt: attempt), after: latency())
    }
  }

  private func patience(_ request: Request) -> Int {
    switch request {
    case .prepare: 6_000_000_000
    case .follow: 25_000_000_000
    case .clock, .measure, .tell: 2_000_000_000
    case .outcome: 1_000_000_000
    default: 5_000_000_000
    }
  }

  mutating func answer(_ index: Int, _ attempt: Int, _ answer: Answer) {
    let call = calls[index]
    if call.from == call.to {
      schedule(.answer(call: index, attempt: attempt, answer), after: 0)
      return
    }
    if isLost(call.to, call.from) { return }
    schedule(.answer(call: index, attempt: attempt, answer), after: latency())
  }

  private mutating func latency() -> Int {
    if chance(options.slow) { return random.pick(1...4_000) * 1_000_000 }
    return random.pick(50...options.latencyMicroseconds) * 1_000
  }

  private mutating func isLost(_ from: Int, _ to: Int) -> Bool {
    cuts[from * (members.count + operators.count) + to] > 0 || chance(options.drop)
  }

  /// Whether the caller still wants the answer.
  func isCaller(_ call: Call) -> Bool {
    call.undertaking < 0
      ? isAlive(call.from, call.age) : !undertakings[call.undertaking].isOver
  }

  mutating func answered(_ index: Int, _ attempt: Int, _ answer: Answer) {
    let call = calls[index]
    // An answer to an earlier attempt is ignored: its connection was given up.
    if call.isDone || call.attempt != attempt || !isCaller(call) { return }
    if call.undertaking < 0 {
      memberAnswered(index, answer)
    } else {
      undertakingAnswered(call.undertaking, index, answer)
    }
  }

  /// Sends a call again after a pause; false if its time is over.
  mutating func repeatCall(_ index: Int) -> Bool {
    let pause = min(50 << min(calls[index].attempt - 1, 10), 2_000) * 1_000_000
    if now + Int64(pause) >= calls[index].giveUpAt {
      calls[index].isDone = true
      return false
    }
    schedule(.send(call: index), after: pause)
    return true
  }
}
