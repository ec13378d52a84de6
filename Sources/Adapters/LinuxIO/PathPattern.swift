internal import Glibc

/// Paths by pattern (glob(7)), expanded as systemd expands those of `EnvironmentFile=`.
public enum PathPattern {
  /// The paths that match, in the order of their bytes; a path without a pattern is its own match,
  /// also if it is a link that leads nowhere. Empty if there is none. May block on the disk.
  ///
  /// A directory that cannot be listed counts as empty, which is systemd's way too.
  public static func paths(matching pattern: String) throws(FileFailure) -> [String] {
    var found = glob_t()
    let (result, code) = (glob(pattern, 0, nil, &found), errno)
    defer { globfree(&found) }
    switch result {
    case 0: break
    case GLOB_NOMATCH: return []
    case GLOB_NOSPACE: throw FileFailure("expand", pattern, code: ENOMEM)
    default: throw FileFailure("expand", pattern, code: code == 0 ? EIO : code)
    }
    return (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv[index].map { String(cString: $0) }
    }
    // systemd's glob does not see these two, which `.*` would match.
    .filter { !$0.hasSuffix("/.") && !$0.hasSuffix("/..") }
  }
}
