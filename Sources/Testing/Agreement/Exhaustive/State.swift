// SPDX-License-Identifier: Apache-2.0

/// One state of all: what each process is, what was sent, and how many agents may die yet.
struct State {
  /// Of each process its number among its own, the coordinator last.
  var locals = SIMD8<UInt32>()
  var sent = MessageSet()
  var deaths: UInt8

  /// The same for states that differ only by which of the members that are alike is which.
  func hash(_ steps: Steps) -> UInt64 {
    var least = hash
    for order in steps.orders.indices { least = min(least, image(order, steps).hash) }
    return least
  }

  private func image(_ order: Int, _ steps: Steps) -> State {
    var image = State(deaths: deaths)
    for process in 0...steps.members {
      image.locals[steps.orders[order][process]] = UInt32(
        steps.image(process, Int(locals[process]), order))
    }
    var rest = sent
    while let message = rest.popFirst() { image.sent.insert(steps.image(message, order)) }
    return image
  }

  private var hash: UInt64 {
    var hash = mix(UInt64(deaths))
    for pair in 0..<4 {
      hash = mix(hash ^ (UInt64(locals[2 * pair]) << 32 | UInt64(locals[2 * pair + 1])))
    }
    for word in 0..<8 { hash = mix(hash ^ sent.words[word]) }
    return hash
  }
}
