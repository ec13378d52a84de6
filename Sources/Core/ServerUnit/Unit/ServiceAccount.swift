// SPDX-License-Identifier: Apache-2.0

/// Who a service runs as, as far as reading files goes.
package struct ServiceAccount: Sendable, Hashable {
  /// Name or number of the user.
  package var user: String
  /// Name or number of the group; empty for the user's own.
  package var group: String
  /// Names or numbers of further groups, beside those of the user.
  package var supplementaryGroups: [String]
  /// Whether it reads what permissions forbid (CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH).
  package var overridesPermissions: Bool

  package init(
    user: String, group: String = "", supplementaryGroups: [String] = [],
    overridesPermissions: Bool = false
  ) {
    self.user = user
    self.group = group
    self.supplementaryGroups = supplementaryGroups
    self.overridesPermissions = overridesPermissions
  }
}

extension UnitState {
  /// Who its processes run as: root has the capabilities of the bounding set, others the ambient
  /// ones.
  package var account: ServiceAccount {
    let isRoot = ["", "root", "0"].contains(user)
    let capabilities = capabilityBoundingSet & (isRoot ? .max : ambientCapabilities)
    // linux/capability.h: CAP_DAC_OVERRIDE 1, CAP_DAC_READ_SEARCH 2.
    return ServiceAccount(
      user: isRoot ? "root" : user, group: group, supplementaryGroups: supplementaryGroups,
      overridesPermissions: capabilities & (1 << 1 | 1 << 2) != 0)
  }
}
