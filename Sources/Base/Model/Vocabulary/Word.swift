// SPDX-License-Identifier: Apache-2.0

/// A word of a vocabulary in a message: one that is known here, or one that a newer program has.
package enum Word<Known: RawRepresentable<String> & Hashable & Sendable>: Hashable, Sendable {
  case known(Known)
  case other(String)

  package init(_ text: String) { self = Known(rawValue: text).map(Word.known) ?? .other(text) }

  /// Nil for a word that is not known here.
  package var known: Known? { if case .known(let word) = self { word } else { nil } }

  package static func == (word: Self, known: Known) -> Bool { word == .known(known) }
  package static func != (word: Self, known: Known) -> Bool { word != .known(known) }

  package var text: String {
    switch self {
    case .known(let word): word.rawValue
    case .other(let text): text
    }
  }
}

extension Word: Codable {
  package init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
