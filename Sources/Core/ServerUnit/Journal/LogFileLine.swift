// SPDX-License-Identifier: Apache-2.0
internal import Model
extension JournalEntry {
  /// A line of a file in the server's `--log-dir`, which bears its own time as the `time` of a JSON
  /// object: RFC 3339, or milliseconds since 1970.
  ///
  /// - Parameter received: when the line was appended, microseconds since 1970, as far as it is
  ///   known for a line without a time; nil gives nil for such a line.
  package init?(fileLine line: String, received: Int64?) {
    guard let time = JSONLogLine(line)?.timeMicroseconds ?? received else { return nil }
    self.init(
      cursor: "", realtimeMicroseconds: time, monotonicMicroseconds: 0, bootID: "",
      invocationID: nil, pid: nil, priority: 6, identifier: nil, message: line)
  }
}

extension JSONLogLine {
  /// The line's own time, microseconds since 1970; nil if it has none that can be read.
  var timeMicroseconds: Int64? {
    guard let time else { return nil }
    if let milliseconds = Int64(time) {
      let (result, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000)
      return overflow ? nil : result
    }
    return Self.microseconds(ofRFC3339: time)
  }

  /// `2026-01-31T23:59:59.123456789+01:00`; nil if it is not of that form.
  static func microseconds(ofRFC3339 text: String) -> Int64? {
    let bytes = Array(text.utf8)
    let form = Array("dddd-dd-ddTdd:dd:dd".utf8)
    guard bytes.count > form.count,
      zip(bytes, form).allSatisfy({ byte, wanted in
        wanted == UInt8(ascii: "d") ? byte.isDigit : byte == wanted
      })
    else { return nil }
    func number(_ range: Range<Int>) -> Int64 {
      bytes[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }
    var position = form.count
    var fraction: Int64 = 0
    if bytes[position] == UInt8(ascii: ".") {
      position += 1
      var unit: Int64 = 100_000
      while position < bytes.count, bytes[position].isDigit {
        fraction += Int64(bytes[position] - 0x30) * unit
        unit /= 10
        position += 1
      }
    }
    guard let offset = offsetSeconds(bytes[position...]) else { return nil }
    let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
    guard (1...12).contains(month), (1...31).contains(day) else { return nil }
    let seconds =
      CalendarTime.days(year, month, day) * 86_400 + number(11..<13) * 3_600 + number(14..<16) * 60
      + number(17..<19) - offset
    return seconds * 1_000_000 + fraction
  }

  /// `Z` or `+01:00`.
  private static func offsetSeconds(_ zone: ArraySlice<UInt8>) -> Int64? {
    if zone.elementsEqual([UInt8(ascii: "Z")]) { return 0 }
    let bytes = Array(zone)
    guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"),
      bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"),
      [1, 2, 4, 5].allSatisfy({ bytes[$0].isDigit })
    else { return nil }
    func two(_ index: Int) -> Int64 {
      Int64(bytes[index] - 0x30) * 10 + Int64(bytes[index + 1] - 0x30)
    }
    let seconds = two(1) * 3_600 + two(4) * 60
    return bytes[0] == UInt8(ascii: "-") ? -seconds : seconds
  }
}
