// SPDX-License-Identifier: Apache-2.0
internal import Model

extension Redactor {
  /// A text as it is, or decoded, with the origin of each byte.
  ///
  /// Searching the decoded text finds a secret however much of it was encoded.
  struct View {
    var bytes: [UInt8] = []
    /// Where each byte of it begins in the original, and after the last where that ends; empty if
    /// they are the same.
    private var starts: [Int] = []

    /// The text itself, and its views that differ.
    static func all(of bytes: [UInt8]) -> [View] {
      var views = [View(bytes: bytes)]
      if bytes.contains(UInt8(ascii: "%")) {
        views.append(percentDecoded(bytes, plusIsBlank: false))
        if bytes.contains(UInt8(ascii: "+")) {
          views.append(percentDecoded(bytes, plusIsBlank: true))
        }
      }
      if bytes.contains(UInt8(ascii: "\\")) { views.append(unescaped(bytes)) }
      return views
    }

    /// The range of the original.
    func origin(of range: Range<Int>) -> Range<Int> {
      starts.isEmpty ? range : starts[range.lowerBound]..<starts[range.upperBound]
    }

    /// RFC 3986, section 2.1; in a form `+` is a blank.
    private static func percentDecoded(_ bytes: [UInt8], plusIsBlank: Bool) -> View {
      View(bytes) { position in
        if bytes[position] == UInt8(ascii: "%"), position + 2 < bytes.count,
          let high = bytes[position + 1].hexValue, let low = bytes[position + 2].hexValue
        {
          return ([high << 4 | low], 3)
        }
        let isBlank = plusIsBlank && bytes[position] == UInt8(ascii: "+")
        return ([isBlank ? 0x20 : bytes[position]], 1)
      }
    }

    /// RFC 8259, section 7; also what Go's %q and systemd's quoting make.
    private static func unescaped(_ bytes: [UInt8]) -> View {
      View(bytes) { position in
        if bytes[position] == UInt8(ascii: "\\"),
          let escape = BackslashEscape(bytes, at: position + 1)
        {
          return (escape.decoded, escape.length + 1)
        }
        return ([bytes[position]], 1)
      }
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private init(_ original: [UInt8], decode: (Int) -> (bytes: [UInt8], length: Int)) {
      bytes.reserveCapacity(original.count)
      starts.reserveCapacity(original.count + 1)
      var position = 0
      while position < original.count {
        let (decoded, length) = decode(position)
        bytes += decoded
        for _ in decoded { starts.append(position) }
        position += length
      }
      starts.append(original.count)
    }
  }

  /// Finds a sequence of bytes in another in linear time (Knuth, Morris and Pratt, 1977).
  struct ByteNeedle: Sendable {
    /// What it looks for; not empty.
    let bytes: [UInt8]
    /// For each prefix the length of its longest proper prefix that is also its suffix.
    private let borders: [Int]

    init(_ bytes: [UInt8]) {
      precondition(!bytes.isEmpty, "an empty needle is everywhere")
      self.bytes = bytes
      var borders = [0]
      var length = 0
      for byte in bytes.dropFirst() {
        while length > 0, bytes[length] != byte { length = borders[length - 1] }
        if bytes[length] == byte { length += 1 }
        borders.append(length)
      }
      self.borders = borders
    }

    /// Where it is in `text`: overlapping occurrences too, and the beginning of one at the end of
    /// `text` if that is long enough to tell: long lines are cut.
    func ranges(in text: [UInt8]) -> [Range<Int>] {
      var ranges: [Range<Int>] = []
      var length = 0
      for (position, byte) in text.enumerated() {
        while length > 0, bytes[length] != byte { length = borders[length - 1] }
        if bytes[length] == byte { length += 1 }
        if length == bytes.count {
          ranges.append((position + 1 - length)..<(position + 1))
          length = borders[length - 1]
        }
      }
      if length >= Redactor.minimumBytes { ranges.append((text.count - length)..<text.count) }
      return ranges
    }
  }
}
