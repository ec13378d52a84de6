// SPDX-License-Identifier: Apache-2.0

/// What differs between two environment files, variable by variable.
package enum EnvironmentDiff {
  /// One `-NAME=value` and one `+NAME=value` line for each variable that differs, in the order of
  /// the old file, then of the new one. `describe(name, value)` must redact secrets.
  ///
  /// Where systemd and MinIO's own reader have different values, there are lines for each, ending
  /// in its name. MinIO's are left out if it cannot load one of the files: most files only systemd
  /// reads.
  package static func lines(
    from old: EnvironmentDocument, to new: EnvironmentDocument,
    describe: (_ name: String, _ value: String) -> String
  ) -> [String] {
    var names: [String] = []
    var seen: Set<String> = []
    for reading in [old.systemd, old.minio, new.systemd, new.minio] {
      for variable in reading.variables where seen.insert(variable.name).inserted {
        names.append(variable.name)
      }
    }
    return names.flatMap { name -> [String] in
      let (a, b) = (old.systemd[name], new.systemd[name])
      let (c, d) = (old.minio[name], new.minio[name])
      let isReadByBoth = old.minio.failure == nil && new.minio.failure == nil
      if !isReadByBoth || (isSameText(a, c) && isSameText(b, d)) {
        return lines(name, from: a, to: b, reader: "", describe)
      }
      return lines(name, from: a, to: b, reader: " (systemd)", describe)
        + lines(name, from: c, to: d, reader: " (MinIO)", describe)
    }
  }

  private static func lines(
    _ name: String, from old: String?, to new: String?, reader: String,
    _ describe: (String, String) -> String
  ) -> [String] {
    if isSameText(old, new) { return [] }
    return [("-", old), ("+", new)].compactMap { sign, value in
      value.map { "\(sign)\(printable(name))=\(printable(describe(name, $0)))\(reader)" }
    }
  }

  /// `text` with its control characters written as `\u{...}`, so that a file cannot move a
  /// terminal's cursor.
  static func printable(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
  }
}
