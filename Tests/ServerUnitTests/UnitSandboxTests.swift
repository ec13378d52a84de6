// SPDX-License-Identifier: Apache-2.0
import ServerUnit
import Testing

@Suite("The unit's sandbox") struct UnitSandboxTests {
  @Test("a unit without settings of its own shows the server what the host has")
  func none() {
    for path in ["/etc/minio/config.env", "/tmp/x", "/home/a", "/dev/shm/x"] {
      #expect(UnitSandbox().difference(at: path) == nil)
    }
  }

  @Test(
    "each setting differs where it counts, and nowhere else",
    arguments: [
      (UnitSandbox(privateTmp: true), "/var/tmp/x", "PrivateTmp="),
      (UnitSandbox(privateDevices: true), "/dev/shm/x", "PrivateDevices="),
      (UnitSandbox(protectHome: "yes"), "/home/minio/config.env", "ProtectHome="),
      (UnitSandbox(protectHome: "tmpfs"), "/root/config.env", "ProtectHome="),
      (UnitSandbox(root: "/srv/image"), "/etc/minio/config.env", "RootDirectory="),
      (UnitSandbox(mounts: ["/etc/minio"]), "/etc/minio/config.env", "BindPaths="),
      (UnitSandbox(mounts: ["/etc/minio/config.env"]), "/etc/minio/config.env", "BindPaths="),
      (UnitSandbox(mounts: ["-/etc/"]), "/etc/minio/config.env", "BindPaths="),
      (UnitSandbox(mounts: ["/"]), "/etc/minio/config.env", "BindPaths="),
      (UnitSandbox(inaccessible: ["-/etc/minio"]), "/etc/minio/config.env", "InaccessiblePaths="),
      (UnitSandbox(inaccessible: ["+/etc"]), "/etc/minio/config.env", "InaccessiblePaths="),
      (UnitSandbox(hasExtensions: true), "/usr/share/minio.env", "ExtensionImages="),
    ])
  func settings(sandbox: UnitSandbox, path: String, setting: String) {
    #expect(sandbox.difference(at: path)?.contains(setting) == true)
    if sandbox.root.isEmpty, sandbox.mounts != ["/"] {
      #expect(sandbox.difference(at: "/etcetera/minio/config.env") == nil)
    }
  }

  @Test("ProtectHome=read-only hides nothing")
  func readOnly() {
    #expect(UnitSandbox(protectHome: "read-only").difference(at: "/home/a") == nil)
  }

  @Test("a command with + is spared all but another root, mounts and extensions")
  func privileged() {
    let path = "/var/lib/keyturn"
    #expect(UnitSandbox(inaccessible: ["/var/lib"]).differenceForAll(at: path) == nil)
    #expect(UnitSandbox(privateTmp: true).differenceForAll(at: "/tmp/x") == nil)
    #expect(UnitSandbox(mounts: ["/var/lib"]).differenceForAll(at: path) != nil)
    #expect(UnitSandbox(root: "/srv/image").differenceForAll(at: path) != nil)
  }
}
