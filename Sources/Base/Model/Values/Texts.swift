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

  /// The text cut to whole characters and at most `limit` bytes of UTF-8, with "..." for the rest.
  package func cut(toBytes limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var end = startIndex
    var bytes = 0
    for index in indices {
      bytes += self[index].utf8.count
      if bytes > limit - 3 { break }
      end = self.index(after: index)
    }
    return self[..<end] + "..."
  }

  package func zeroPadded(to width: Int) -> String {
    String(repeating: "0", count: Swift.max(0, width - utf8.count)) + self
  }
}
