// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What to do next.
extension Ending {
  static func logs(
    _ id: String, _ purpose: String = "what the servers logged, and what to do"
  ) -> Step {
    Step(command: "keyturn logs --rollout \(id) --errors", purpose: purpose)
  }

  static func steps(
    after code: RefusalCode, _ rollout: String?, _ other: String?
  ) -> [Step] {
    func step(_ command: String, _ purpose: String) -> [Step] {
      [Step(command: command, purpose: purpose)]
    }
    switch code {
    case .unreachable: return step("keyturn status", "which nodes answer, and why others do not")
    case .guarded:
      return step("keyturn seal show", "which key is sealed, and where")
        + step("keyturn explain MINIO_KMS_SSE_KEY", "what sets it on each node")
        + step("keyturn proof --now", "whether every Key Manager has the very key")
    case .keyManager: return step("keyturn check", "each step from each node to each Key Manager")
    case .unit: return step("keyturn status", "what is wrong with the server's unit, and where")
    case .file, .validation:
      return step("keyturn plan", "with the same options, once that is fixed")
    case .vote: return step("keyturn plan", "with the same options: each node's answer now")
    case .clock:
      return step("keyturn status", "whether clocks and nodes are in order; then the same again")
    case .busy:
      guard let other else {
        return step("keyturn watch", "how the other rollout ends; then the same command again")
      }
      return step("keyturn watch \(other)", "how that one ends; then the same command again")
        + step(
          "keyturn resolve \(other)",
          "where its command is gone: has the nodes decide it now; if it is committed, the servers restart"
        )
    case .failed: return rollout.map { step("keyturn show \($0)", "how far it came") } ?? []
    case .notPermitted:
      return step("keyturn pki show /etc/keyturn/credentials/cert.pem", "whose certificate it is")
    case .configuration: return []
    }
  }
}
