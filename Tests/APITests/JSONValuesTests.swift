// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Model
import Testing

@Suite struct JSONValuesTests {
  private func has(_ text: String, more limit: Int) -> Bool {
    JSON.hasMoreValues(than: limit, Array(text.utf8))
  }

  @Test("values are counted outside of texts only, at the limit and one past it")
  func counts() {
    #expect(!has("[1,2,3]", more: 3))
    #expect(has("[1,2,3]", more: 2))
    #expect(!has(#"{"a,[{":"\",[\\"}"#, more: 1))
    #expect(has(#"{"a":"\\",b"#, more: 1))
    #expect(!has("", more: 0))
    let list = "[" + String(repeating: "1,", count: Limits.jsonValues - 1)
    #expect(!has(list + "1]", more: Limits.jsonValues))
    #expect(has(list + "1,1]", more: Limits.jsonValues))
  }
}
