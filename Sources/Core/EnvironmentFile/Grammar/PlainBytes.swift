// SPDX-License-Identifier: Apache-2.0

/// For each byte, the states in which it means nothing but itself.
enum PlainBytes {
  static func mask(_ state: SystemdScan.State) -> UInt8? {
    switch state {
    case .name: 1
    case .bare: 2
    case .singleQuoted: 4
    case .doubleQuoted: 8
    case .comment: 16
    case .beforeName, .beforeValue, .bareEscape, .doubleQuotedEscape, .commentEscape: nil
    }
  }

  static let table: [UInt8] = (0...UInt8.max).map { byte in
    if Byte.isNewline(byte) { return 0 }
    var states: UInt8 = 0
    let isBlank = Byte.isBlank(byte)
    if !isBlank && byte != Byte.equals { states |= 1 }
    let isQuote = byte == Byte.singleQuote || byte == Byte.doubleQuote
    let isBareSpecial = byte == Byte.backslash || byte == Byte.hash || isQuote
    if !isBlank && !isBareSpecial { states |= 2 }
    if byte != Byte.singleQuote { states |= 4 }
    if byte != Byte.doubleQuote && byte != Byte.backslash { states |= 8 }
    if byte != Byte.backslash { states |= 16 }
    return states
  }
}
