// SPDX-License-Identifier: Apache-2.0
package import Model

/// That a Key Manager was seen to have another key than the one that was proven, until that is over. Pure.
///
/// Behind a load balancer each look meets one of several Key Managers: that this one has the right key says nothing
/// about the one before. So it is over when that host itself opens the proofs, or when it was not met for some looks.
package struct KeyProofAlarm: Sendable, Hashable {
  /// What was seen last of another key.
  package private(set) var finding: Finding
  /// Who had it, by their names for themselves. None where no host says its name: then a look that is right ends it.
  private var hosts: [String]
  /// How many looks since have met right ones only.
  private var rightLooks = 0

  /// - Parameters:
  ///   - reports: what the look saw that found it.
  ///   - before: what stood before that look.
  package init(_ finding: Finding, _ reports: [EndpointReport], before: KeyProofAlarm?) {
    self.finding = finding
    let right = reports.hosts { $0.verdict == .fine }
    hosts = (before?.hosts ?? []).filter { !right.contains($0) }
    let wrong = reports.hosts { $0.reason?.isOfOtherKey ?? false }
    for host in wrong where !hosts.contains(host) && hosts.count < Limits.keyProofAlarmHosts {
      hosts.append(host)
    }
  }

  /// What is left of it after a look in which nothing was wrong; nil if it is over.
  package func after(_ reports: [EndpointReport]) -> KeyProofAlarm? {
    // Where nobody opens anything nothing new is known.
    guard reports.contains(where: { $0[.proof]?.verdict == .fine }) else { return self }
    var left = self
    let right = reports.hosts { $0.verdict == .fine }
    left.hosts.removeAll { right.contains($0) }
    left.rightLooks += 1
    return left.hosts.isEmpty || left.rightLooks >= Limits.keyProofAlarmLooks ? nil : left
  }
}

extension [EndpointReport] {
  /// The hosts behind addresses whose look at the key proofs ended so.
  fileprivate func hosts(_ isWanted: (StageResult) -> Bool) -> [String] {
    flatMap(\.addresses).filter { $0[.proof].map(isWanted) ?? false }
      .compactMap(\.sight.host)
  }
}
