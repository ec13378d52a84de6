// SPDX-License-Identifier: Apache-2.0

/// The rule for names of clusters, nodes and Key Manager hosts.
///
/// They stand in certificates, file names, URLs and tables, so the alphabet is small:
/// 1 to 64 of `a-z A-Z 0-9 . _ -`, the first a letter or digit.
package enum Name {
  /// What is wrong with `text` as a name, or nil if it is one.
  package static func problem(in text: String) -> String? {
    let bytes = Array(text.utf8)
    guard let first = bytes.first else { return "it is empty" }
    if bytes.count > Limits.nameCharacters {
      return "it has \(bytes.count) characters, \(Limits.nameCharacters) are allowed"
    }
    if !first.isLetterOrDigit { return "it must begin with a letter or a digit" }
    for byte in bytes where !byte.isLetterOrDigit && byte != 0x2E && byte != 0x5F && byte != 0x2D {
      return "only letters, digits, '.', '_' and '-' are allowed"
    }
    return nil
  }
}
