// SPDX-License-Identifier: Apache-2.0

/// The rules of ``EnvironmentLint``; the raw values are the stable names in findings.
package enum LintRule: String, Sendable, Hashable, CaseIterable {
  /// The file is larger than Keyturn and sense allow.
  case fileTooLarge = "file-too-large"
  /// A byte order mark stands before the first name.
  case byteOrderMark = "byte-order-mark"
  /// A NUL byte: systemd refuses the file.
  case nulByte = "nul-byte"
  /// A control character other than a tab or a line ending.
  case controlCharacter = "control-character"
  /// Bytes that are no UTF-8.
  case invalidUTF8 = "invalid-utf-8"
  /// A Unicode noncharacter, which systemd refuses like bad UTF-8.
  case noncharacter = "noncharacter"
  /// Lines end in CR LF.
  case carriageReturns = "crlf"
  /// A carriage return without a line feed: a line's end for systemd only.
  case loneCarriageReturn = "lone-cr"
  /// MinIO's own reader refuses the file for the length of a line.
  case lineTooLong = "line-too-long"
  /// A line without `=`.
  case noEquals = "no-equals"
  /// A comment that begins with `;`.
  case semicolonComment = "semicolon-comment"
  /// A comment ending in a backslash.
  case commentBackslash = "comment-backslash"
  /// `export` before a name, or a name that begins with it.
  case export = "export"
  /// Blanks before or after `=`.
  case blanksAroundEquals = "blanks-around-equals"
  /// A name that systemd drops.
  case invalidName = "invalid-name"
  /// A name that is not known and probably mistyped.
  case unknownVariable = "unknown-variable"
  /// The same name twice.
  case duplicateKey = "duplicate-key"
  /// A quote within a value, mostly one whose counterpart was lost.
  case strayQuote = "stray-quote"
  /// A character that looks like another: typographic quotes and dashes, blanks that are none.
  case lookAlike = "look-alike"
  /// `# ...` behind a value.
  case inlineComment = "inline-comment"
  /// Text behind a closing quote.
  case textAfterQuote = "text-after-quote"
  /// A quote that is never closed.
  case unterminatedQuote = "unterminated-quote"
  /// A value over several lines.
  case multiLineValue = "multi-line-value"
  /// A backslash that joins two lines.
  case continuation = "continuation"
  /// A backslash that only systemd takes away.
  case escape = "escape"
  /// `$NAME`, a backquote or `~`, which no reader expands and a shell does.
  case noExpansion = "no-expansion"
  /// A variable that the two readers do not have alike.
  case readersDiffer = "readers-differ"
  /// A shell that sources the file makes something else of it than the two readers.
  case shellDiffers = "shell-differs"
}
