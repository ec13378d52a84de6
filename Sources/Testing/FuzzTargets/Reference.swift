// SPDX-License-Identifier: Apache-2.0

/// The two grammars again, as plainly as possible: systemd's like `parse_env_file_internal` of
/// src/basic/env-file.c, state by state, MinIO's like `parsEnvEntry` of cmd/common-main.go.
///
/// Slow and without places: what EnvironmentFile reads must be the same.
enum Reference {
  /// As bytes: String holds names for equal that only Unicode does.
  struct Entry: Equatable {
    var name: [UInt8]
    var value: [UInt8]
  }

  // MARK: - systemd

  private enum State {
    case preKey, key, preValue, value, valueEscape, singleQuoteValue, doubleQuoteValue
    case doubleQuoteValueEscape, comment, commentEscape
  }

  private static let whitespace = Array(" \t\n\r".utf8)
  private static let newline = Array("\n\r".utf8)
  private static let needEscape = Array("\"\\`$".utf8)

  /// What is pushed, in order, valid or not.
  static func systemd(_ bytes: [UInt8], beforeVersion254: Bool) -> [Entry] {
    var pushed: [Entry] = []
    var (key, value): ([UInt8], [UInt8]) = ([], [])
    var (lastKeyWhitespace, lastValueWhitespace): (Int?, Int?) = (nil, nil)
    var state = State.preKey

    func push(chomp: Bool) {
      pushed.append(
        Entry(
          name: Array(key.prefix(lastKeyWhitespace ?? key.count)),
          value: Array(value.prefix(chomp ? lastValueWhitespace ?? value.count : value.count))))
      key = []
      value = []
    }

    for c in bytes {
      switch state {
      case .preKey:
        if c == UInt8(ascii: "#") || c == UInt8(ascii: ";") {
          state = .comment
        } else if !whitespace.contains(c) {
          state = .key
          lastKeyWhitespace = nil
          key.append(c)
        }
      case .key:
        if newline.contains(c) {
          state = .preKey
          key = []
        } else if c == UInt8(ascii: "=") {
          state = .preValue
          lastValueWhitespace = nil
        } else {
          if !whitespace.contains(c) {
            lastKeyWhitespace = nil
          } else if lastKeyWhitespace == nil {
            lastKeyWhitespace = key.count
          }
          key.append(c)
        }
      case .preValue:
        if newline.contains(c) {
          state = .preKey
          push(chomp: false)
        } else if c == UInt8(ascii: "'") {
          state = .singleQuoteValue
        } else if c == UInt8(ascii: "\"") {
          state = .doubleQuoteValue
        } else if c == UInt8(ascii: "\\") {
          state = .valueEscape
        } else if !whitespace.contains(c) {
          state = .value
          value.append(c)
        }
      case .value:
        if newline.contains(c) {
          state = .preKey
          push(chomp: true)
        } else if c == UInt8(ascii: "\\") {
          state = .valueEscape
          lastValueWhitespace = nil
        } else {
          if !whitespace.contains(c) {
            lastValueWhitespace = nil
          } else if lastValueWhitespace == nil {
            lastValueWhitespace = value.count
          }
          value.append(c)
        }
      case .valueEscape:
        state = .value
        if !newline.contains(c) { value.append(c) }
      case .singleQuoteValue:
        if c == UInt8(ascii: "'") { state = .preValue } else { value.append(c) }
      case .doubleQuoteValue:
        if c == UInt8(ascii: "\"") {
          state = .preValue
        } else if c == UInt8(ascii: "\\") {
          state = .doubleQuoteValueEscape
        } else {
          value.append(c)
        }
      case .doubleQuoteValueEscape:
        state = .doubleQuoteValue
        if needEscape.contains(c) {
          value.append(c)
        } else if c != UInt8(ascii: "\n") {
          value += [UInt8(ascii: "\\"), c]
        }
      case .comment:
        if c == UInt8(ascii: "\\") {
          state = .commentEscape
        } else if newline.contains(c) {
          state = .preKey
        }
      case .commentEscape:
        state = !beforeVersion254 && newline.contains(c) ? .preKey : .comment
      }
    }
    switch state {
    case .value: push(chomp: true)
    case .preValue, .valueEscape, .singleQuoteValue, .doubleQuoteValue, .doubleQuoteValueEscape:
      push(chomp: false)
    case .preKey, .key, .comment, .commentEscape: break
    }
    return pushed
  }

  /// `utf8_is_valid`: well formed, and no noncharacter.
  static func isValidText(_ bytes: [UInt8]) -> Bool {
    guard let text = String(validating: bytes, as: UTF8.self) else { return false }
    return text.unicodeScalars.allSatisfy {
      !(0xFDD0...0xFDEF).contains($0.value) && $0.value & 0xFFFE != 0xFFFE
    }
  }

  // MARK: - MinIO

  /// What is given to os.Setenv, in order; nil if the server refuses the file.
  static func minio(_ bytes: [UInt8]) -> [Entry]? {
    var entries: [Entry] = []
    var lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    for line in lines {
      // A line, with its line feed if any, must leave room in the scanner's buffer.
      if line.count >= 64 << 10 { return nil }
      var entry = trimSpace(line)
      if entry.isEmpty || entry.first == UInt8(ascii: "#") { continue }
      if entry.starts(with: "export".utf8) { entry = entry.dropFirst(6) }
      entry = trimSpace(entry)
      guard let separator = entry.firstIndex(of: UInt8(ascii: "=")) else { return nil }
      var value = entry[(separator + 1)...]
      if value.count >= 2, let quote = value.first, value.last == quote,
        quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'")
      {
        value = value.dropFirst().dropLast()
      }
      entries.append(Entry(name: Array(entry[..<separator]), value: Array(value)))
    }
    return entries
  }

  private static let spaces: [[UInt8]] =
    ([
      0x09...0x0D, 0x20...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A,
      0x2028...0x2029, 0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
    ] as [ClosedRange<UInt32>])
    .joined().compactMap { Unicode.Scalar($0).map { Array(String($0).utf8) } }

  private static func trimSpace(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = bytes
    while let space = spaces.first(where: { rest.starts(with: $0) }) {
      rest = rest.dropFirst(space.count)
    }
    while let space = spaces.first(where: { rest.reversed().starts(with: $0.reversed()) }) {
      rest = rest.dropLast(space.count)
    }
    return rest
  }
}
