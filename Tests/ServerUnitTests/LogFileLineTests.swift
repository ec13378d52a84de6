// SPDX-License-Identifier: Apache-2.0
@testable import ServerUnit
import Testing

@Suite struct LogFileLineTests {
  @Test(
    "the time of a line is read as the server writes it",
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.000001Z", 1),
      ("2026-01-31T23:59:59.123456789Z", 1_769_903_999_123_456),
      ("2026-02-01T00:59:59.1+01:00", 1_769_903_999_100_000),
      ("2026-01-31T20:29:59-03:30", 1_769_903_999_000_000),
      ("2000-02-29T12:00:00Z", 951_825_600_000_000), ("", nil), ("2026-01-31", nil),
      ("2026-01-31 23:59:59Z", nil), ("2026-13-01T00:00:00Z", nil), ("2026-01-01T00:00:00", nil),
      ("2026-01-01T00:00:00.1", nil), ("2026-01-01T00:00:00+0100", nil),
    ] as [(String, Int64?)])
  func time(_ text: String, _ microseconds: Int64?) {
    #expect(JSONLogLine.microseconds(ofRFC3339: text) == microseconds)
  }

  @Test("a line without a time has that at which it came, if that is known")
  func received() {
    #expect(JournalEntry(fileLine: "plain", received: nil) == nil)
    #expect(JournalEntry(fileLine: "plain", received: 7)?.realtimeMicroseconds == 7)
    let line = #"{"level":"INFO","time":1769903999123,"message":"x"}"#
    let entry = JournalEntry(fileLine: line, received: 7)
    #expect(entry?.realtimeMicroseconds == 1_769_903_999_123_000 && entry?.message == line)
    let huge = #"{"level":"INFO","time":9223372036854775807,"message":"x"}"#
    #expect(JournalEntry(fileLine: huge, received: nil) == nil)
  }
}
