// SPDX-License-Identifier: Apache-2.0

/// Times for people and logs, by hand: the formatters of Foundation bring 44 MB of ICU.
package enum CalendarTime {
  /// `2026-01-31T12:34:56.789Z`: RFC 3339, UTC, milliseconds. A time outside the years 0000 to 9999
  /// becomes their first or last moment.
  package static func text(microseconds: Int64) -> String {
    let milliseconds = min(max(floorDivide(microseconds, 1000), first * 1000), last * 1000 + 999)
    let seconds = floorDivide(milliseconds, 1000)
    return "\(withoutZone(seconds)).\(digits(milliseconds - seconds * 1000, 3))Z"
  }

  /// `2026-01-31T12:34:56Z`: RFC 3339, UTC; as above.
  package static func text(seconds: Int64) -> String {
    "\(withoutZone(min(max(seconds, first), last)))Z"
  }

  /// 0000-01-01T00:00:00Z, seconds since 1970-01-01 UTC.
  private static let first: Int64 = -62_167_219_200
  private static let last = Limits.wallSeconds

  private static func withoutZone(_ seconds: Int64) -> String {
    let days = floorDivide(seconds, 86_400)
    let (year, month, day) = civil(days: days)
    let second = seconds - days * 86_400
    return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
      + "T\(digits(second / 3600, 2)):\(digits(second / 60 % 60, 2)):\(digits(second % 60, 2))"
  }

  /// Microseconds since 1970-01-01 UTC of `90s`, `15m`, `2h`, `1d` before `now`, of `2026-01-31`,
  /// or of `2026-01-31T12:00:00Z`; nil if it is none of them.
  package static func microseconds(_ text: String, now: Int64) -> Int64? {
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    if let unit = text.last, let factor = units[unit] {
      guard let count = number(text.dropLast()), count <= 36_500 * 86_400 / factor else {
        return nil
      }
      return now.subtractingClamped(count * factor * 1_000_000)
    }
    let parts = text.split(separator: "T", omittingEmptySubsequences: false)
    let date = parts[0].split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count <= 2, date.count == 3, let year = number(date[0]),
      (1970...9999).contains(year),
      let month = number(date[1]), (1...12).contains(month), let day = number(date[2]),
      (1...31).contains(day)
    else { return nil }
    var seconds = days(year, month, day) * 86_400
    if civil(days: days(year, month, day)) != (year, month, day) { return nil }
    if parts.count == 2 {
      guard parts[1].last == "Z" else { return nil }
      let time = parts[1].dropLast().split(separator: ":", omittingEmptySubsequences: false)
      guard time.count == 3, let hour = number(time[0]), hour < 24, let minute = number(time[1]),
        minute < 60, let second = number(time[2]), second < 61
      else { return nil }
      seconds += hour * 3600 + minute * 60 + second
    }
    return seconds * 1_000_000
  }

  private static func number(_ text: Substring) -> Int64? {
    text.isDigits && text.utf8.count <= 9 ? Int64(text) : nil
  }

  private static func digits(_ number: Int64, _ count: Int) -> String {
    String(number).zeroPadded(to: count)
  }

  private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
    let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
    return remainder < 0 ? quotient - 1 : quotient
  }

  /// The date `days` after 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
  /// algorithms").
  private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  /// The inverse of ``civil(days:)``.
  package static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = floorDivide(year, 400)
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
