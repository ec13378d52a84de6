// SPDX-License-Identifier: Apache-2.0

/// What a rollout that the nodes begin by themselves has to wait for, after all of them propose the same.
package struct ProposalRules: Sendable, Codable, Hashable {
  /// Who must say yes to each of them.
  package enum Approval: String, Sendable, Codable, Hashable, CaseIterable {
    case none
    /// The holder of an operator's certificate, by the settings' digest.
    case `operator`
  }

  package var approval: Approval
  /// From one such rollout to the next, seconds.
  package var minimumIntervalSeconds: Int

  package init(approval: Approval = .none, minimumIntervalSeconds: Int = 0) {
    self.approval = approval
    self.minimumIntervalSeconds = minimumIntervalSeconds
  }

  /// Every field may be left out.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    try fields.decodeWord(into: &approval, forKey: .approval)
    try fields.decode(into: &minimumIntervalSeconds, forKey: .minimumIntervalSeconds)
  }

  var problem: String? {
    let range = 0...Limits.proposalIntervalSeconds
    return range.contains(minimumIntervalSeconds)
      ? nil
      : "proposals.minimumIntervalSeconds: \(minimumIntervalSeconds) is not in 0...\(range.upperBound)"
  }
}
