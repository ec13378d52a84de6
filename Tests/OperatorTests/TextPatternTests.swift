// SPDX-License-Identifier: Apache-2.0
import Operator
import Testing

struct TextPatternTests {
  @Test("an extended regular expression matches anywhere in a text")
  func matches() throws {
    let pattern = try TextPattern("KMS|^IAM [0-9]+$")
    #expect(pattern.matches("no KMS here") && pattern.matches("IAM 12"))
    #expect(!pattern.matches("kms") && !pattern.matches("x IAM 12") && !pattern.matches(""))
    #expect(try TextPattern("").matches(""))
  }

  @Test(
    "what is none is refused with the reason, and leaves nothing behind",
    arguments: ["(", "[a", "a{2,1}"])
  func malformed(_ text: String) {
    for _ in 0..<100 {
      let error = #expect(throws: TextPattern.Malformed.self) { try TextPattern(text) }
      #expect(error?.reason.isEmpty == false)
    }
  }
}
