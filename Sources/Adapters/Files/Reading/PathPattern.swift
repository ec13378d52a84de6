// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Paths by pattern (glob(7)), expanded as systemd expands those of `EnvironmentFile=`.
package enum PathPattern {
  /// The paths that match, in the order of their bytes; a path without a pattern is its own match,
  /// also if it is a link that leads nowhere. Empty if there is none. May block on the disk.
  ///
  /// A directory that cannot be listed counts as empty, as in systemd. In another process' tree,
  /// links are followed only in the directories before the first pattern.
  package static func paths(
    matching pattern: String, in tree: FileTree = .own
  ) throws(FileFailure) -> [String] {
    let names = PathWalk.components(pattern)
    let fixed = tree == .own ? [] : names.prefix { !$0.contains(where: { "*?[\\".contains($0) }) }
    if fixed.count == names.count, tree != .own {
      let walk = try PathWalk(pattern, in: tree, trusting: nil)
      return walk.exists ? [pattern] : []
    }
    // Results keep the path as it was given.
    let asked = fixed.map { "/\($0)" }.joined()
    let real =
      fixed.isEmpty
      ? "" : try PathWalk(asked, in: tree, trusting: nil).real
    let place = tree == .own ? pattern : tree.place(real + pattern.dropFirst(asked.utf8.count))
    var found = glob_t()
    let (result, code) = (glob(place, 0, nil, &found), errno)
    defer { globfree(&found) }
    switch result {
    case 0: break
    case GLOB_NOMATCH: return []
    case GLOB_NOSPACE: throw FileFailure("expand", pattern, code: ENOMEM)
    default: throw FileFailure("expand", pattern, code: code == 0 ? EIO : code)
    }
    return (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv[index].map {
        tree == .own
          ? String(cString: $0)
          : asked + String(cString: $0).dropFirst(tree.place(real).count)
      }
    }
    // systemd's glob does not see these two, which `.*` would match.
    .filter { !$0.hasSuffix("/.") && !$0.hasSuffix("/..") }
  }
}
