// SPDX-License-Identifier: Apache-2.0
extension JSON {
  /// Whether a text holds more than `limit` values, which decoding costs beyond its length. Does
  /// not check that it is JSON.
  ///
  /// A list of a million numbers is 2 MB of text and more than 50 MB decoded, even if nobody wants
  /// the list; so this is asked first, and it allocates nothing.
  package static func hasMoreValues(than limit: Int, _ bytes: [UInt8]) -> Bool {
    var count = 0
    var isText = false
    var isEscaped = false
    for byte in bytes {
      if isText {
        if isEscaped {
          isEscaped = false
        } else if byte == 0x5C {
          isEscaped = true
        } else if byte == 0x22 {
          isText = false
        }
        continue
      }
      switch byte {
      case 0x22: isText = true
      // The comma, and the brackets that open.
      case 0x2C, 0x5B, 0x7B:
        count += 1
        if count > limit { return true }
      default: break
      }
    }
    return false
  }
}
