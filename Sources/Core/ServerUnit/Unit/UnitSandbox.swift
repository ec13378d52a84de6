// SPDX-License-Identifier: Apache-2.0

/// What a unit's settings make of the host's file tree for its processes, and of their environment
/// past the files: where the server would not see what the host has.
package struct UnitSandbox: Sendable, Hashable, Codable {
  package var privateTmp: Bool
  package var privateDevices: Bool
  /// `ProtectHome=`: `no`, `yes`, `read-only`, `tmpfs`.
  package var protectHome: String
  /// `RootDirectory=` or `RootImage=`; empty without them.
  package var root: String
  /// What is mounted for the unit alone: the places of BindPaths=, BindReadOnlyPaths=, MountImages=
  /// and TemporaryFileSystem=.
  package var mounts: [String]
  package var inaccessible: [String]
  /// Whether there are ExtensionImages= or ExtensionDirectories=, which lie over /usr and /opt.
  package var hasExtensions: Bool
  /// `PAMName=`: a session whose modules may set variables; empty without one.
  package var pamName: String

  package init(
    privateTmp: Bool = false, privateDevices: Bool = false, protectHome: String = "no",
    root: String = "", mounts: [String] = [], inaccessible: [String] = [],
    hasExtensions: Bool = false, pamName: String = ""
  ) {
    self.privateTmp = privateTmp
    self.privateDevices = privateDevices
    self.protectHome = protectHome
    self.root = root
    self.mounts = mounts
    self.inaccessible = inaccessible
    self.hasExtensions = hasExtensions
    self.pamName = pamName
  }

  /// The setting by which the server sees something else at an absolute path than the host; nil if
  /// it sees the same.
  package func difference(at path: String) -> String? {
    if let setting = differenceForAll(at: path) { return setting }
    if privateTmp, ["/tmp", "/var/tmp"].contains(where: { Self.covers($0, path) }) {
      return "PrivateTmp="
    }
    if privateDevices, Self.covers("/dev", path) { return "PrivateDevices=" }
    if !["no", "read-only", ""].contains(protectHome),
      ["/home", "/root", "/run/user"].contains(where: { Self.covers($0, path) })
    {
      return "ProtectHome="
    }
    if inaccessible.contains(where: { Self.covers($0, path) }) { return "InaccessiblePaths=" }
    return nil
  }

  /// The same for a command with the prefix +, which systemd exempts from most of the sandbox
  /// (`apply_mount_namespace` of systemd 252).
  package func differenceForAll(at path: String) -> String? {
    if !root.isEmpty { return "RootDirectory= or RootImage=" }
    if mounts.contains(where: { Self.covers($0, path) }) {
      return "BindPaths=, MountImages= or TemporaryFileSystem="
    }
    if hasExtensions, ["/usr", "/opt"].contains(where: { Self.covers($0, path) }) {
      return "ExtensionImages= or ExtensionDirectories="
    }
    return nil
  }

  /// Whether `path` is `place` or lies in it.
  private static func covers(_ place: String, _ path: String) -> Bool {
    // Written with - or + in front where it may be missing, or is below the unit's own root.
    var place = place.drop { $0 == "-" || $0 == "+" }
    while place.count > 1, place.hasSuffix("/") { place = place.dropLast() }
    return place == "/" || path == place || path.hasPrefix("\(place)/")
  }
}
