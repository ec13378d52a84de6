// SPDX-License-Identifier: Apache-2.0

/// What one move leads to.
struct Step {
  var local: Int
  var sent: MessageSet
  /// Its agent has died in it.
  var isDeath = false
  var violation: Violation?
}

/// One of the states that a process can be in, and what is known of what follows from it.
final class Entry {
  let local: Local
  let isFinal: Bool
  /// The messages that it was tried with.
  private(set) var tried = MessageSet()
  /// Those of them that change it, or kill it, with their steps.
  private(set) var moving = MessageSet()
  private var places = [Int16](repeating: -1, count: MessageSet.capacity)
  private var reactions: [[Step]] = []
  /// Those that it only answers, with the answers.
  private(set) var answered = MessageSet()
  private(set) var answers: [(message: Int, sent: MessageSet)] = []
  /// What it may do by itself; nil until it was asked.
  var own: [(Move, [Step])]?
  /// How it came about first; nil at the start.
  let origin: (entry: Int, move: Move, death: Int?)?
  /// What it is in each other order of the members, once that was asked.
  var images: [Int?]

  init(_ local: Local, _ origin: (entry: Int, move: Move, death: Int?)?, orders: Int) {
    self.local = local
    self.origin = origin
    images = Array(repeating: nil, count: orders)
    isFinal = local.isFinal
  }

  func note(_ message: Int, _ steps: [Step], number: Int) {
    tried.insert(message)
    if let answer = steps.first(where: { $0.local == number && $0.violation == nil }) {
      answered.insert(message)
      answers.append((message, answer.sent))
    } else if !steps.isEmpty {
      moving.insert(message)
      places[message] = Int16(reactions.count)
      reactions.append(steps)
    }
  }

  /// What follows from a message that moves it.
  func reaction(to message: Int) -> [Step] { reactions[Int(places[message])] }
}
