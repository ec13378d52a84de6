// SPDX-License-Identifier: Apache-2.0

/// Words that are known, and which of them a mistyped one was probably meant to be.
package struct WordList: Sendable {
  private struct Word {
    let text: String
    let bytes: [UInt8]
    let capitals: [UInt8]
    let letters: UInt64
  }

  /// The words by the number of their bytes: a distance never exceeds the difference of these.
  private let byLength: [[Word]]

  package init(_ texts: [String]) {
    let words = texts.map { text in
      let bytes = Array(text.utf8)
      return Word(
        text: text, bytes: bytes, capitals: bytes.map(\.capital), letters: Self.letters(of: bytes))
    }
    let longest = words.map(\.capitals.count).max() ?? 0
    byLength = (0...longest).map { count in words.filter { $0.capitals.count == count } }
  }

  /// Whether `word` is one of them, byte for byte.
  package func contains(_ word: ArraySlice<UInt8>) -> Bool {
    word.count < byLength.count
      && byLength[word.count].contains { word.elementsEqual($0.bytes) }
  }

  /// The word with the fewest typing errors between it and `word`, in any case of letters; the
  /// first of several. Nil if there are too many errors for each.
  ///
  /// No closure and no generic parameter: neither is specialised across modules, and a lint asks this for each line.
  ///
  /// - Parameters:
  ///   - most: how many errors are allowed.
  ///   - length: in known words with fewer bytes one less is.
  package func nearest(to word: [UInt8], within most: Int, shortBelow length: Int = 0) -> String? {
    let first = max(0, word.count - most)
    let last = min(byLength.count - 1, word.count + most)
    if first > last { return nil }
    let letters = Self.letters(of: word)
    var capitals: [UInt8] = []
    var best: (text: String, distance: Int)?
    for count in first...last {
      var limit = min(count < length ? most - 1 : most, (best?.distance ?? .max) - 1)
      // A letter that is inserted or deleted changes one bit at most, one that is replaced two.
      for known in byLength[count]
      where abs(count - word.count) <= limit
        && (letters ^ known.letters).nonzeroBitCount <= 2 * limit
      {
        if capitals.isEmpty { capitals = word.map(\.capital) }
        if let distance = Self.distance(capitals, known.capitals, atMost: limit) {
          best = (known.text, distance)
          limit = distance - 1
        }
      }
    }
    return best?.text
  }

  /// The word that a person probably meant: at most three typing errors away, fewer if it is short.
  package static func nearest(to word: String, among words: [String]) -> String? {
    WordList(words).nearest(to: Array(word.utf8), within: max(1, min(3, word.count / 3)))
  }

  /// One bit for each letter that the word has.
  private static func letters(of word: [UInt8]) -> UInt64 {
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
