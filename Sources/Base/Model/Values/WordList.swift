// SPDX-License-Identifier: Apache-2.0

/// Words that are known, and which of them a mistyped one was probably meant to be.
package struct WordList: Sendable {
  private struct Word {
    let text: String
    let capitals: [UInt8]
    let letters: UInt64
  }

  /// The words by the number of their bytes: a distance never exceeds the difference of these.
  private let byLength: [[Word]]

  package init(_ texts: [String]) {
    let words = texts.map { text in
      let capitals = text.utf8.map(\.capital)
      return Word(text: text, capitals: capitals, letters: Self.letters(of: capitals))
    }
    let longest = words.map(\.capitals.count).max() ?? 0
    byLength = (0...longest).map { count in words.filter { $0.capitals.count == count } }
  }

  /// Whether `word` is one of them, byte for byte.
  package func contains(_ word: ArraySlice<UInt8>) -> Bool {
    word.count < byLength.count
      && byLength[word.count].contains { word.elementsEqual($0.text.utf8) }
  }

  /// The word with the fewest typing errors between it and `word`, in any case of letters; the
  /// first of several. Nil if there are too many errors for each.
  ///
  /// - Parameter limit: how many are allowed for a known word of so many bytes.
  package func nearest(
    to word: some Collection<UInt8>, within limit: (_ length: Int) -> Int
  ) -> String? {
    lazy var capitals = word.map(\.capital)
    lazy var letters = Self.letters(of: word)
    var best: (text: String, distance: Int)?
    for (length, words) in byLength.enumerated() where !words.isEmpty {
      let limit = min(limit(length), (best?.distance ?? .max) - 1)
      if abs(length - word.count) > limit { continue }
      // A letter that is inserted or deleted changes one bit at most, one that is replaced two.
      for known in words where (letters ^ known.letters).nonzeroBitCount <= 2 * limit {
        let limit = min(limit, (best?.distance ?? .max) - 1)
        if let distance = Self.distance(capitals, known.capitals, atMost: limit) {
          best = (known.text, distance)
        }
      }
    }
    return best?.text
  }

  /// The word that a person probably meant: at most three typing errors away, fewer if it is short.
  package static func nearest(to word: String, among words: [String]) -> String? {
    let limit = max(1, min(3, word.count / 3))
    return WordList(words).nearest(to: word.utf8) { _ in limit }
  }

  /// One bit for each letter that the word has.
  private static func letters(of word: some Sequence<UInt8>) -> UInt64 {
    word.reduce(0) { $0 | 1 << UInt64($1.capital & 63) }
  }

  /// The number of letters to insert, delete, replace or swap with their neighbour (optimal string
  /// alignment); nil if more than `limit`.
  static func distance(_ a: [UInt8], _ b: [UInt8], atMost limit: Int) -> Int? {
    var previous: [Int] = []
    var row = Array(0...b.count)
    for i in a.indices {
      var next = [i + 1]
      next.reserveCapacity(row.count)
      for j in b.indices {
        var cost = min(row[j + 1] + 1, next[j] + 1, row[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          cost = min(cost, previous[j - 1] + 1)
        }
        next.append(cost)
      }
      if next.allSatisfy({ $0 > limit }) { return nil }
      (previous, row) = (row, next)
    }
    return row[b.count] <= limit ? row[b.count] : nil
  }
}
