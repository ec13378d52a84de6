// SPDX-License-Identifier: Apache-2.0

/// The rules of ``EnvironmentLint``; the raw values are the stable names in findings.
package enum LintRule: String, Sendable, Hashable, CaseIterable {
  case fileTooLarge = "file-too-large"
  case byteOrderMark = "byte-order-mark"
  /// A NUL byte: systemd refuses the file.
  case nulByte = "nul-byte"
  /// A control character other than a tab or a line ending.
  case controlCharacter = "control-character"
  case invalidUTF8 = "invalid-utf-8"
  /// A Unicode noncharacter, which systemd refuses like bad UTF-8.
  case noncharacter = "noncharacter"
  case carriageReturns = "crlf"
  /// A carriage return without a line feed: a line's end for systemd only.
  case loneCarriageReturn = "lone-cr"
  /// MinIO's own reader refuses the file for the length of a line.
  case lineTooLong = "line-too-long"
  case noEquals = "no-equals"
  case semicolonComment = "semicolon-comment"
  case commentBackslash = "comment-backslash"
  /// `export` before a name, or a name that begins with it.
  case export = "export"
  case blanksAroundEquals = "blanks-around-equals"
  /// A name that systemd drops.
  case invalidName = "invalid-name"
  case unknownVariable = "unknown-variable"
  case duplicateKey = "duplicate-key"
  /// A quote within a value, mostly one whose counterpart was lost.
  case strayQuote = "stray-quote"
  /// A character that looks like another: typographic quotes and dashes, blanks that are none.
  case lookAlike = "look-alike"
  case inlineComment = "inline-comment"
  case textAfterQuote = "text-after-quote"
  case unterminatedQuote = "unterminated-quote"
  case multiLineValue = "multi-line-value"
  /// A backslash that joins two lines.
  case continuation = "continuation"
  /// A backslash that only systemd takes away.
  case escape = "escape"
  /// `$NAME`, a backquote or `~`, which no reader expands and a shell does.
  case noExpansion = "no-expansion"
  case readersDiffer = "readers-differ"
  /// A shell that sources the file makes something else of it than the two readers.
  case shellDiffers = "shell-differs"
}
