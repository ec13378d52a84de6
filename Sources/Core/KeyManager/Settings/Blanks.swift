// SPDX-License-Identifier: Apache-2.0
extension String {
  /// Without the white space at both ends, as Go's strings.TrimSpace and with it the server's
  /// env.Get takes it.
  package var trimmed: String {
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }
}
