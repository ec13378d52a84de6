// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model
internal import Rollout

/// How a proposal's rollout ends.
extension Ending {
  /// A proposal's rollout that ended with the new files in place.
  static func held(
    _ result: RolloutResult, of members: [String], _ digest: Digest?
  ) -> Ending {
    Ending(
      headline: "rollout \(result.rollout): not every start was confirmed; the new files stay",
      inForce: ["the new file, on \(NodeNames.folded(members))"],
      why: ["not rolled back: \(clean(result.reason))"],
      next: each(result.rollout, digest))
  }

  /// A proposal's rollout that was taken back.
  static func rolledBack(
    _ result: RolloutResult, by back: RolloutResult, of members: [String], _ digest: Digest?
  ) -> Ending {
    let isHealthy = back.kind == .confirmed
    return Ending(
      headline: "rolled back: these settings are NOT in force"
        + (isHealthy ? "" : ", and not every server is confirmed with the previous files"),
      inForce: [
        "the files from before rollout \(result.rollout), on \(NodeNames.folded(members)), brought back by rollout \(back.rollout)"
      ],
      next: each(result.rollout, digest))
  }

  /// - Parameter digest: of what was proposed, which is not rolled out again by itself.
  private static func each(_ id: String, _ digest: Digest?) -> [Step] {
    [Step(command: "keyturn watch \(id)", purpose: "how it ended on each node"), logs(id)]
      + (digest.map {
        [
          Step(
            command: "keyturn proposals --retry \($0.hex.prefix(12))",
            purpose: "lets the same settings be proposed again, once the cause is fixed")
        ]
      } ?? [])
  }
}
