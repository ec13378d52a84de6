// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Threads

/// One look at the Key Managers for all who ask at the same time: a look opens connections and
/// threads, and however many ask, one is enough.
final class SharedCheck: Sendable {
  private struct Look {
    var began: Instant
    /// How long it was allowed to take.
    var milliseconds: Int
    var answer: CheckAnswer
  }
  private struct State {
    var isLooking = false
    var last: Look?
  }
  private enum Turn {
    case had(CheckAnswer)
    case look
  }
  private let state = Lock(State())

  /// An answer by a look that began at most so long before `asked` and was allowed at least as much
  /// time. Blocks while another one looks, then looks itself if that was not good enough.
  func answer(
    asked: Instant = Clock.now(), maximumAgeMilliseconds: Int, within milliseconds: Int,
    _ look: () -> CheckAnswer
  ) -> CheckAnswer {
    let oldest = asked.advanced(byMilliseconds: -maximumAgeMilliseconds)
    let turn = state.wait(until: nil) { state -> Turn? in
      if let last = state.last, last.began >= oldest, last.milliseconds >= milliseconds {
        return .had(last.answer)
      }
      if state.isLooking { return nil }
      state.isLooking = true
      return .look
    }
    if case .had(let answer)? = turn { return answer }
    let began = Clock.now()
    let answer = look()
    state.update {
      $0 = State(last: Look(began: began, milliseconds: milliseconds, answer: answer))
    }
    return answer
  }
}

extension Agent {
  /// The answer to `POST /v1/check`. An observer is content with a look of a moment ago, and cannot
  /// have a longer one than usual: it must not be able to occupy the node or the Key Managers.
  func check(for role: Role, milliseconds: Int?) -> CheckAnswer {
    let usual = inventory.timeouts.probeSeconds * 1_000
    let wanted = min(milliseconds ?? usual, Limits.checkMilliseconds)
    let allowed = role == .operator ? wanted : min(wanted, usual)
    return sharedCheck.answer(
      maximumAgeMilliseconds: role == .operator ? 0 : Limits.observersCheckAgeMilliseconds,
      within: allowed
    ) { check(milliseconds: allowed) }
  }
}
