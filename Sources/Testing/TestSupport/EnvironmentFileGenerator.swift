// SPDX-License-Identifier: Apache-2.0

/// Environment files as people, tools and accidents write them: lines of systemd's grammar with all
/// that it treats specially, some damaged byte by byte. It knows nothing of how a reader takes
/// them.
package struct EnvironmentFileGenerator: Sendable {
  private var random: SeededGenerator

  /// The same seed gives the same files.
  package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  package mutating func next() -> [UInt8] {
    var file: [UInt8] = chance(1, 40) ? [0xEF, 0xBB, 0xBF] : []
    // Bytes that make systemd refuse the whole file are rare, or they would hide everything else.
    let isHostile = chance(1, 6)
    for _ in 0..<Int.random(in: 0...14, using: &random) {
      file += line(isHostile: isHostile)
      if !chance(1, 30) { file += lineEnding() }
    }
    if chance(1, 5) { damage(&file, isHostile: isHostile) }
    if chance(1, 400) { file += overlong() }
    return file
  }

  private mutating func chance(_ of: Int, _ all: Int) -> Bool {
    Int.random(in: 0..<all, using: &random) < of
  }

  private mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: 0..<elements.count, using: &random)]
  }

  private mutating func lineEnding() -> [UInt8] {
    switch Int.random(in: 0..<12, using: &random) {
    case 0: Array("\r\n".utf8)
    case 1: Array("\r".utf8)
    case 2: Array("\n\n".utf8)
    default: Array("\n".utf8)
    }
  }

  private mutating func blanks() -> [UInt8] {
    chance(3, 4) ? [] : Array(pick([" ", "\t", "  ", " \t "]).utf8)
  }

  private mutating func line(isHostile: Bool) -> [UInt8] {
    switch Int.random(in: 0..<16, using: &random) {
    case 0, 1: comment(isHostile: isHostile)
    case 2: blanks()
    case 3:
      Array(pick(["no definition", "=", "=v", " = v", "K", "\\", "\"", "'", "[Service]"]).utf8)
    default: definition(isHostile: isHostile)
    }
  }

  private mutating func comment(isHostile: Bool) -> [UInt8] {
    var line = blanks() + Array(pick(["#", ";", "# ", "##", ";;", "#\\"]).utf8)
    line += text(isHostile: isHostile)
    if chance(1, 3) { line += Array(pick(["\\", "\\\\", "\\ ", "\\\r", "\\\n"]).utf8) }
    return line
  }

  // MARK: definitions

  /// Few names, so that they meet; the second row is what systemd itself sets.
  private static let names = [
    "A", "B", "K1", "_x", "MINIO_OPTS", "MINIO_KMS_SSE_KEY", "lower", "A_1",
    "PATH", "LANG", "USER", "HOME", "SHELL", "LOGNAME", "INVOCATION_ID", "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID", "TERM", "EXIT_STATUS",
  ]
  private static let oddNames = [
    "1A", "A B", "A-B", "A.B", "export A", "export B", "exportA", "export\tK1", "Ä", "A\u{301}",
    "A#",
    "A;", "A\"", "'A'", "A\\", "A\\\nB", "$A", "-A", "A\u{1}", "A\u{7f}", "A\u{a0}", "\u{2028}A",
    "\u{feff}A", "😀",
  ]

  private mutating func definition(isHostile: Bool) -> [UInt8] {
    var line = blanks()
    var name = Array(pick(chance(1, 6) ? Self.oddNames : Self.names).utf8)
    if isHostile && chance(1, 8) { name += pick(Self.hostile) }
    line += name + blanks() + [UInt8(ascii: "=")] + blanks()
    for _ in 0..<pick([0, 1, 1, 1, 1, 1, 1, 2, 2, 3]) {
      switch Int.random(in: 0..<8, using: &random) {
      case 0, 1: line += quoted(UInt8(ascii: "'"), isHostile: isHostile)
      case 2, 3: line += quoted(UInt8(ascii: "\""), isHostile: isHostile)
      case 4: line += continuation()
      default: line += text(isHostile: isHostile)
      }
      line += blanks()
    }
    if chance(1, 12) {
      line += Array(pick([" # note", "# note", " ; note", ";", "\\", "\\\\"]).utf8)
    }
    return line
  }

  private mutating func quoted(_ quote: UInt8, isHostile: Bool) -> [UInt8] {
    var part = [quote] + text(isHostile: isHostile)
    while chance(1, 4) {
      part += Array(pick(["\n", "\r", "\r\n", "\\\n", "\\\r\n", "\\\r", "\\\"", "\\'"]).utf8)
      part += text(isHostile: isHostile)
    }
    return chance(1, 40) ? part : part + [quote]
  }

  private mutating func continuation() -> [UInt8] {
    text(isHostile: false)
      + Array(pick(["\\\n", "\\\r\n", "\\\r", "\\\n  ", "\\\n# ", "\\\n\\\n"]).utf8)
      + text(isHostile: false)
  }

  // MARK: text

  private static let pieces: [[UInt8]] =
    [
      "a", "value", "https://kms-1.example.net:7373", "k1:AbC-d_e", "{1...4}", " ", "  ", "\t", "=",
      "==",
      "#", " #", ";", " ;", "\"", "'", "\\", "\\\\", "\\n", "\\t", "\\x", "\\ ", "\\$", "\\`",
      "\\\"",
      "\\'", "\\#", "$", "$A", "${A}", "$(id)", "`id`", "%", "%n", "%%", "*", "?", "[a]", "~", "!",
      "&",
      "|", "<", ">", "(", ")", "\u{b}", "\u{c}", "\u{1}", "\u{1b}[0m", "\u{7f}", "\u{80}", "\u{85}",
      "\u{a0}", "é", "ą", "e\u{301}", "ß", "中", "\u{2028}", "\u{feff}", "\u{fffd}", "\u{e000}", "😀",
      "\u{10fffd}", "\u{ad}", "\u{202e}",
    ].map { Array($0.utf8) }

  /// NUL, noncharacters and invalid UTF-8: lone, cut, overlong, surrogates, beyond the last.
  private static let hostile: [[UInt8]] = [
    [0x00], [0xEF, 0xBF, 0xBE], [0xEF, 0xBF, 0xBF], [0xEF, 0xB7, 0x90], [0xEF, 0xB7, 0xAF],
    [0xF0, 0x9F, 0xBF, 0xBE], [0xF4, 0x8F, 0xBF, 0xBF], [0x80], [0xBF], [0xC3], [0xC3, 0x28],
    [0xC0, 0x80], [0xC1, 0xBF], [0xE2, 0x82], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
    [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
    [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
    [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80], [0xFE], [0xFF],
  ]

  private mutating func text(isHostile: Bool) -> [UInt8] {
    var text: [UInt8] = []
    for _ in 0..<Int.random(in: 0...5, using: &random) {
      text += isHostile && chance(1, 12) ? pick(Self.hostile) : pick(Self.pieces)
    }
    return text
  }

  // MARK: accidents

  private mutating func damage(_ file: inout [UInt8], isHostile: Bool) {
    for _ in 0..<Int.random(in: 1...3, using: &random) where !file.isEmpty {
      let place = Int.random(in: 0..<file.count, using: &random)
      let end = min(file.count, place + Int.random(in: 1...12, using: &random))
      switch Int.random(in: 0..<5, using: &random) {
      case 0: file.remove(at: place)
      case 1: file.insert(contentsOf: pick(Self.pieces), at: place)
      case 2: file.insert(contentsOf: file[place..<end], at: place)
      case 3: file.removeSubrange(place...)
      default:
        file[place] = UInt8.random(in: isHostile ? 0...255 : 1...127, using: &random)
      }
    }
  }

  /// Around the limit of one string in execve(2), 128 KiB, and of one block of a reader.
  private mutating func overlong() -> [UInt8] {
    let count = pick([
      4095, 4096, 65_535, 65_536, 131_060, 131_067, 131_068, 131_069, 131_072, 200_000,
    ])
    let filler = pick([Array("x".utf8), Array("é".utf8), Array("\\a".utf8), Array(" ".utf8)])
    var line = Array("\nLONG=".utf8) + (chance(1, 2) ? [UInt8(ascii: "\"")] : [])
    while line.count < count { line += filler }
    return line
  }
}
