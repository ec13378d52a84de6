// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// Why a server would be started without the SSE key, or without any of its settings: the first
/// cause, which the key guard's own words would hide.
struct MissingKey {
  let node: String
  let request: RolloutRequest
  /// The number of the last generation; 0 without one.
  let generation: Int
  /// The file of the last generation; nil if there is none.
  let lastPath: String?
  /// Whether the node was ever in a rollout that was committed.
  let hasCommitted: Bool

  /// For the key guard.
  ///
  /// - Parameters:
  ///   - server: what the server would get.
  ///   - isThereNow: whether it would get a key without the request.
  func absence(
    from server: ServerEnvironment, file: String, isThereNow: Bool
  ) -> KeyGuard.Absence {
    if server.unset.contains(where: { $0.prefix { $0 != "=" } == "MINIO_KMS_SSE_KEY" }) {
      return .unset(unit: server.unit)
    }
    if request.kind == .rollback { return .generation(request.generation) }
    if isThereNow { return .removed }
    if lastPath == nil, !hasCommitted { return .isNew(node: node, file: file) }
    return .isGone(node: node, file: file, generation: generation > 0 ? generation : nil)
  }

  /// The no to a file that is not there, and was when the last generation was confirmed; nil if it
  /// was not, or the request brings it back.
  func lostFile(_ path: String) -> Refusal? {
    guard request.kind != .rollback, lastPath == path else { return nil }
    return Refusal(
      .file,
      "\(path) does not exist any more on \(node), and the server's settings were in it; put it back: keyturn rollback \(generation) installs the file of generation \(generation)"
    )
  }

  /// What of the unit leaves the server without any of its settings; nil if nothing does.
  static func causeOfNoEnvironment(_ findings: [Finding]) -> Refusal? {
    let rules = ["unit-unreadable", "unit-masked", "unit-not-loaded", "unit-environment-file"]
    return findings.first { rules.contains($0.rule) }.map { Refusal($0.refusal, $0.statement) }
  }
}
