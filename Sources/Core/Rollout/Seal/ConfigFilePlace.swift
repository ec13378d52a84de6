// SPDX-License-Identifier: Apache-2.0

/// Where the file of MINIO_CONFIG_ENV_FILE is, and who could put another one there.
///
/// The server reads it by itself at its start, and what it says overrides everything. So on a node whose key is sealed
/// it must be a file that is there, that only root and the server's own user can write or replace, in a place that is
/// the same for the server, for systemd and for whoever judges it. Pure.
package struct ConfigFilePlace: Sendable, Hashable {
  /// The path as the server takes it.
  package var path: String
  /// Every place on the way to it, links resolved, the file last.
  package var steps: [String]
  /// Whether there is such a file.
  package var exists: Bool
  /// Who else may write it, or a directory on the way, for people; nil if nobody else may.
  package var foreign: String?

  package init(path: String, steps: [String] = [], exists: Bool = true, foreign: String? = nil) {
    self.path = path
    self.steps = steps
    self.exists = exists
    self.foreign = foreign
  }

  /// Places that are another file for each process, or that have no file at all.
  private static let unreadable = ["/proc", "/sys", "/dev"]
  /// Places that every user can make files in, or that many services have for themselves.
  private static let shared = ["/tmp", "/var/tmp", "/dev/shm", "/run/user"]

  /// Whether a value of MINIO_CONFIG_ENV_FILE is a path to look at. One with a line break or a `=` is not: a quote that
  /// was lost has made the lines behind it part of it, and they may hold secrets.
  package static func isPath(_ value: String) -> Bool {
    value.hasPrefix("/") && !value.unicodeScalars.contains { $0 == "=" || $0.value < 0x20 }
  }

  /// Why nothing that is found there says what the server will read; nil if it may be read.
  package static func obstacle(to path: String) -> String? {
    if !isPath(path) { return "\(KeyIdentity.shown(path)) is no absolute path" }
    return unreadable.first { covers($0, path) }.map {
      "\(path) lies in \($0), where no two processes find the same"
    }
  }

  /// The same of this place, links resolved.
  package var obstacle: String? { ([path] + steps).compactMap { Self.obstacle(to: $0) }.first }

  /// Why the file cannot be relied on where a key is sealed, or is to be; nil if it can.
  package var problem: String? {
    if let obstacle { return obstacle }
    for place in [path] + steps {
      if let shared = Self.shared.first(where: { Self.covers($0, place) }) {
        return
          "\(place == path ? path : "\(path), which leads to \(place),") lies in \(shared), where other users can make files and many services have files of their own"
      }
    }
    if let foreign { return "\(path) could be another file at the next start: \(foreign)" }
    if !exists { return "\(path) is not there, and who makes it chooses the key" }
    return nil
  }

  /// What to do about a problem.
  package static let remedy =
    "name a file that is there and that only root or the server's user can write, in a directory like /etc/minio, or remove MINIO_CONFIG_ENV_FILE"

  private static func covers(_ place: String, _ path: String) -> Bool {
    // Not by its text alone: `/tmp//x` and `/etc/../tmp/x` are in /tmp too.
    var names: [Substring] = []
    for name in path.split(separator: "/") where name != "." {
      if name == ".." { _ = names.popLast() } else { names.append(name) }
    }
    return names.starts(with: place.split(separator: "/"))
  }
}
