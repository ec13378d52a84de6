// SPDX-License-Identifier: Apache-2.0
@testable import Agent
import Model
import Rollout
import ServerUnit
import Testing
import Threads

@Suite("Agent: why there would be no key") struct MissingKeyTests {
  private func server(unset: [String] = []) throws -> ServerEnvironment {
    let host = FakeNodeHost(file: "MINIO_VOLUMES=/data\n")
    host.state.update { $0.unit.unsetEnvironment = unset }
    return try ServerEnvironment(
      unit: host.state.withLock { $0.unit }, fallback: "/etc/default/minio", ports: host.ports(),
      deadline: .inMilliseconds(5_000))
  }

  private func missing(
    _ kind: RolloutKind, generation: Int = 7, lastPath: String? = "/etc/default/minio",
    hasCommitted: Bool = true
  ) -> MissingKey {
    MissingKey(
      node: "minio-5", request: RolloutRequest(kind: kind, generation: kind == .rollback ? 3 : nil),
      generation: generation, lastPath: lastPath, hasCommitted: hasCommitted)
  }

  @Test("taken away, never there, gone since, of an old generation, or unset by the unit")
  func absence() throws {
    let (plain, file) = (try server(), "/etc/default/minio")
    let new = missing(.apply, generation: 0, lastPath: nil, hasCommitted: false)
    let cases: [(MissingKey, Bool, KeyGuard.Absence)] = [
      (missing(.apply), true, .removed), (new, true, .removed),
      (new, false, .isNew(node: "minio-5", file: file)),
      (missing(.restart), false, .isGone(node: "minio-5", file: file, generation: 7)),
      (
        missing(.apply, generation: 0, lastPath: nil), false,
        .isGone(node: "minio-5", file: file, generation: nil)
      ),
      (missing(.rollback), true, .generation(3)), (missing(.rollback), false, .generation(3)),
    ]
    for (missing, isThereNow, expected) in cases {
      #expect(missing.absence(from: plain, file: file, isThereNow: isThereNow) == expected)
    }
    let unset = try server(unset: ["A", "MINIO_KMS_SSE_KEY=x"])
    #expect(
      missing(.apply).absence(from: unset, file: file, isThereNow: true)
        == .unset(unit: unset.unit))
  }

  @Test("a file is lost that the last generation was in, and that the request does not bring back")
  func lost() {
    #expect(missing(.restart).lostFile("/etc/default/minio")?.code == .file)
    #expect(
      missing(.restart).lostFile("/etc/default/minio")?.message.contains("rollback 7") == true)
    #expect(missing(.restart).lostFile("/etc/minio/other") == nil)
    #expect(missing(.rollback).lostFile("/etc/default/minio") == nil)
    #expect(missing(.apply, lastPath: nil).lostFile("/etc/default/minio") == nil)
  }

  @Test("what of the unit leaves no settings is the cause; other findings are not")
  func unit() {
    func finding(_ rule: String) -> Finding {
      Finding(.error, rule: rule, refusal: .unit, message: rule, remedy: "mend")
    }
    for rule in ["unit-masked", "unit-not-loaded", "unit-unreadable", "unit-environment-file"] {
      #expect(
        MissingKey.causeOfNoEnvironment([finding("unit-type"), finding(rule)])?.message
          == finding(rule).statement)
    }
    #expect(MissingKey.causeOfNoEnvironment([finding("unit-type"), finding("unit-job")]) == nil)
  }
}
