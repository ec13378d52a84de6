// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite("Words of a vocabulary")
struct WordTests {
  @Test("a known word is its case, and one that a newer program has is kept as it is")
  func words() {
    #expect(Word<RolloutPhase>("confirmed") == .known(.confirmed))
    #expect(Word<RolloutPhase>("hibernating") == .other("hibernating"))
    for text in ["confirmed", "hibernating", ""] { #expect(Word<RolloutPhase>(text).text == text) }
  }
}
