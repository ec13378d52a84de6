// SPDX-License-Identifier: Apache-2.0
extension String {
  /// The text, whole characters of it and at most so many bytes of UTF-8; what was cut shows as "...".
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
}
