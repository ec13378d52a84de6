// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Threads

/// How often this agent has refused since its start, by what was asked and why.
final class RefusalCounts: Sendable {
  enum Question: String, CaseIterable {
    /// A request that was not answered.
    case request
    /// A plan that could not come to a rollout here.
    case plan
    /// A vote that was a no.
    case vote
  }
  private struct Kind: Hashable {
    var question: Question
    var code: RefusalCode
  }

  private let counts = Lock<[Kind: Int]>([:])

  func note(_ question: Question, _ code: RefusalCode) {
    counts.update { $0[Kind(question: question, code: code), default: 0] += 1 }
  }

  /// For every question and code, in their order.
  var all: [(question: Question, code: RefusalCode, count: Int)] {
    let counts = counts.withLock { $0 }
    return Question.allCases.flatMap { question in
      RefusalCode.allCases.map { code in
        (question, code, counts[Kind(question: question, code: code)] ?? 0)
      }
    }
  }
}
