// SPDX-License-Identifier: Apache-2.0

/// What a mistyped word was probably meant to be.
enum Suggestion {
  /// The word with the fewest typing errors between, if they are few for its length; the first of
  /// several.
  static func nearest(to word: String, among words: [String]) -> String? {
    let nearest = words.map { (word: $0, distance: distance(word, $0)) }
      .min { $0.distance < $1.distance }
    guard let nearest, nearest.distance <= max(1, min(3, word.count / 3)) else { return nil }
    return nearest.word
  }

  /// Insertions, deletions, replacements and swaps of neighbours from `a` to `b` (optimal string
  /// alignment).
  static func distance(_ a: String, _ b: String) -> Int {
    let a = Array(a.utf8)
    let b = Array(b.utf8)
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var current = [i + 1]
      for j in 0..<b.count {
        var best = min(last[j + 1] + 1, current[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          best = min(best, beforeLast[j - 1] + 1)
        }
        current.append(best)
      }
      beforeLast = last
      last = current
    }
    return last[b.count]
  }
}
