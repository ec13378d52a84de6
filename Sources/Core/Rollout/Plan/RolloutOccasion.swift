// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Secrets

/// What a rollout was for, for lists and journals. No member acts on it.
package struct RolloutOccasion: Sendable, Codable, Hashable {
  /// The author's words: a ticket, a sentence.
  package var note: String?
  /// Whether it is an apply of another API key and nothing else; nil for no.
  package var isRotation: Bool?

  package init(note: String? = nil, isRotation: Bool = false) {
    self.note = note
    self.isRotation = isRotation ? true : nil
  }

  /// Nil where there is nothing to say.
  package var ifAny: RolloutOccasion? { self == RolloutOccasion() ? nil : self }

  /// Why a text can be no note; nil if it can. It stands in journals and lists of every node.
  package static func problem(ofNote text: String) -> String? {
    if text.utf8.count > Limits.noteBytes {
      return "has \(text.utf8.count) bytes, \(Limits.noteBytes) are allowed"
    }
    if text.trimmed.isEmpty { return "is empty" }
    if !HiddenCharacters.areAbsent(from: text) {
      return "has a line break or another character that is not seen"
    }
    if Redactor().redact(text) != text { return "looks as if a secret were in it" }
    return nil
  }

  /// Why it cannot be the one of such a rollout; nil if it can.
  package func problem(in kind: RolloutKind) -> String? {
    if isRotation == true, kind != .apply {
      return "the rollout is a \(kind.rawValue), and says that it rotates the API key"
    }
    return note.flatMap { Self.problem(ofNote: $0) }.map { "the rollout's note \($0)" }
  }
}
