// SPDX-License-Identifier: Apache-2.0
import ServerUnit
import Testing

@Suite struct ServiceAccountTests {
  @Test(
    "root has the capabilities of the bounding set, another user the ambient ones within it",
    arguments: [
      ("", UInt64.max, 0, true), ("root", .max, 0, true), ("0", 0, .max, false),
      ("minio-user", .max, 0, false), ("minio-user", .max, 1 << 1, true),
      ("minio-user", .max, 1 << 2, true), ("minio-user", 0, 1 << 1, false),
      ("minio-user", .max, 1 << 10 | 1 << 21, false),
    ])
  func capabilities(user: String, bounding: UInt64, ambient: UInt64, overrides: Bool) {
    var unit = UnitState(id: "minio.service", activeState: "active", subState: "running")
    unit.user = user
    unit.group = "g"
    unit.supplementaryGroups = ["h"]
    unit.ambientCapabilities = ambient
    unit.capabilityBoundingSet = bounding
    #expect(
      unit.account
        == ServiceAccount(
          user: ["", "0"].contains(user) ? "root" : user, group: "g", supplementaryGroups: ["h"],
          overridesPermissions: overrides))
  }

  @Test("systemd's version is the number that it begins with")
  func version() {
    let versions = ["252.39-1~deb12u2", "v257", "254~rc1", "", "x"]
    #expect(
      versions.map { ManagerState(version: $0).majorVersion } == [252, 257, 254, nil, nil])
  }
}
