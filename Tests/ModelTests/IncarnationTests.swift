// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite struct IncarnationTests {
  @Test("an incarnation is 32 lower-case hexadecimal digits, and nothing else")
  func form() {
    let digits = "0123456789abcdef0123456789abcdef"
    #expect(Incarnation(hex: digits)?.hex == digits)
    for wrong in [
      "", String(digits.dropLast()), digits + "0", digits.uppercased(),
      "g" + digits.dropFirst(), " " + digits.dropFirst(),
    ] { #expect(Incarnation(hex: wrong) == nil, "\(wrong)") }
  }

  @Test("leading zeros of the random bits are kept")
  func zeros() {
    #expect(
      Incarnation(random: 0, 0xAB).hex == "00000000000000000000000000000000".dropLast(2) + "ab")
    #expect(
      Incarnation(random: .max, 1).hex == "ffffffffffffffff0000000000000001")
  }
}
