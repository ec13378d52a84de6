// SPDX-License-Identifier: Apache-2.0
import Model
import Operator
import Rollout
import Testing

@Suite("Exit codes")
struct ExitCodeTests {
  @Test("every refusal and every ending of a rollout has its exit code")
  func codes() {
    let refusals: [RefusalCode: Int32] = [
      .validation: 5, .guarded: 6, .keyManager: 7, .vote: 8, .clock: 8, .unit: 5, .file: 5,
      .busy: 75, .unreachable: 4, .notPermitted: 77, .configuration: 78, .failed: 1,
    ]
    for code in RefusalCode.allCases {
      #expect(refusals[code] == ExitCode(code).rawValue)
      #expect(refusals[code] == ExitCode(.aborted(Refusal(code, ""))).rawValue)
    }
    let endings: [RolloutEnding: Int32] = [
      .confirmed: 0, .notConfirmed: 9, .outcomesUnknown: 3, .undecided: 3,
    ]
    for (ending, status) in endings { #expect(ExitCode(ending).rawValue == status) }
  }

  @Test("the numbers are those that are documented, each with a meaning of its own")
  func numbers() {
    #expect(
      ExitCode.allCases.map(\.rawValue) == [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 64, 75, 77, 78,
      ])
    #expect(Set(ExitCode.allCases.map(\.meaning)).count == ExitCode.allCases.count)
    #expect(ExitCode.startRefused.rawValue == StartGuard.refusalStatus)
  }
}
