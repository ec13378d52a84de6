// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import Model
@testable import Operator
import Rollout

extension PlanAnswer {
  /// What the node makes of taking it back.
  func undone(_ refusal: Refusal?) -> PlanAnswer {
    var plan = self
    (plan.before, plan.after, plan.refusal) = (after, before, refusal)
    (plan.key, plan.currentKey) = (currentKey, key)
    plan.active = nil
    plan.epoch += 1
    return plan
  }

  /// A node that would take part, unless said otherwise.
  ///
  /// - Parameter isKept: its server runs with what the file then says.
  static func sample(
    _ name: String, changes: Bool = true, isKept: Bool = false, refusal: Refusal? = nil,
    value: String = "a",
    difference: [String] = ["+MINIO_KMS_ENCLAVE=tenant-1"], seal: Seal? = nil,
    key: KeyIdentity? = nil, lifted: Digest? = nil, keyManager: String? = nil
  ) -> PlanAnswer {
    let environment = [
      NamedDigest(name: "MINIO_KMS_SERVER", digest: .ofFields([value])),
      NamedDigest(name: "MINIO_VOLUMES", digest: .ofFields(["v"])),
    ]
    let isOther = changes && !isKept
    let reason = isOther ? "the running server has other values of MINIO_KMS_ENCLAVE" : ""
    var answer = PlanAnswer(
      node: name, path: "/etc/default/minio", before: .ofFields(["old"]),
      after: .ofFields([changes ? "new" : "old"]),
      difference: changes ? difference : [], restartNeeded: isOther,
      restartReason: reason, findings: [], refusal: refusal,
      environment: environment, environmentDigest: .ofFields([value]), epoch: 3,
      activeRollout: nil, generation: 0, seal: seal, key: key, lifted: lifted,
      sealView: SealView(
        node: name, members: .ofFields(["members"]), seal: seal, lifted: lifted, isNew: true),
      keyManager: keyManager, incarnation: .sample)
    answer.whyRestart = reason
    return answer
  }
}

extension Incarnation {
  /// The state directory of every node.
  static let sample = Incarnation(random: 1, 2)
}

extension HistoryAnswer {
  /// A node with these generations, each with its content; the file is the last one's unless said
  /// otherwise.
  static func sample(
    _ name: String, _ contents: [(number: Int, text: String)] = [(0, "found"), (1, "a"), (2, "b")],
    file: String? = nil, rollout: String = "00000000000000a", problem: Int? = nil
  ) -> HistoryAnswer {
    HistoryAnswer(
      node: name,
      generations: contents.map { number, text in
        number == problem
          ? HistoryEntry(number: number, generation: nil, problem: "its checksum is wrong")
          : HistoryEntry(
            number: number,
            generation: Generation(
              number: number, path: "/etc/default/minio", digest: .ofFields([text]),
              rollout: "\(rollout)\(max(number, 1))", kind: number == 0 ? nil : .apply,
              createdBy: "alice",
              confirmedAtMicroseconds: 1_700_000_000_000_000 + Int64(number) * 60_000_000),
            problem: nil)
      },
      file: (file ?? contents.last?.text).map { .ofFields([$0]) }, fileProblem: nil)
  }
}

extension DiffAnswer {
  /// A node on which one variable differs, or nothing.
  static func sample(_ name: String, same: Bool = false) -> DiffAnswer {
    DiffAnswer(
      node: name, fromPath: "/etc/default/minio", toPath: "/etc/default/minio",
      from: .ofFields(["a"]), to: .ofFields([same ? "a" : "b"]),
      difference: same ? [] : ["-MINIO_BROWSER=on", "+MINIO_BROWSER=off"])
  }
}

extension ProbeAnswer {
  /// A probe that got as far as TLS.
  static func sample(_ verdict: ProbeVerdict) -> ProbeAnswer {
    ProbeAnswer(
      endpoint: "kms-1:7373",
      stages: [
        ProbeStageAnswer(
          stage: .known(.dns), verdict: .known(.fine), milliseconds: 1, detail: ""),
        ProbeStageAnswer(
          stage: .known(.tls), verdict: .known(verdict), milliseconds: 2,
          detail: "the certificate has expired"),
      ])
  }
}

extension NodeReport {
  /// A node whose server runs and is READY.
  static let well = NodeReport(unit: Unit())
}
