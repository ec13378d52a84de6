// SPDX-License-Identifier: Apache-2.0

/// An environment file, parsed without loss: ``bytes`` gives back exactly what was parsed.
///
/// A file has two readers that do not agree: systemd (`EnvironmentFile=`) and MinIO itself
/// (`MINIO_CONFIG_ENV_FILE`). The document knows what each makes of it (docs/facts.md,
/// "EnvironmentFile= of systemd" and "MinIO's environment file"), changes single definitions,
/// leaves every other byte alone, and refuses what the two would not read alike. It guesses and
/// repairs nothing.
package struct EnvironmentDocument: Sendable {
  package let bytes: [UInt8]
  /// The same, and what the readers make of it.
  let text: DocumentText
  let current: SystemdScan
  /// systemd before v254; the same as `current` unless a comment ends in a backslash.
  let earlier: SystemdScan
  /// MinIO's own reader.
  let own: MinIOScan

  /// Parses any bytes in linear time. Never fails; a ``Reading`` may have a failure.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
    var text = DocumentText(bytes)
    current = SystemdScan(bytes, &text, .sinceVersion254)
    earlier =
      current.escapedComments.isEmpty ? current : SystemdScan(bytes, &text, .beforeVersion254)
    own = MinIOScan(bytes, &text, beside: current.definitions.all)
    self.text = text
  }

  /// What systemd's `EnvironmentFile=` makes of it, v254 and later.
  package var systemd: Reading { reading(current) }

  /// What systemd's `EnvironmentFile=` makes of it, by version: before v254 a comment ending in a
  /// backslash swallows the next line.
  package func systemd(comments: CommentGrammar) -> Reading {
    switch comments {
    case .sinceVersion254: reading(current)
    case .beforeVersion254: reading(earlier)
    }
  }

  /// What MinIO's own reader (`MINIO_CONFIG_ENV_FILE`) makes of it.
  package var minio: Reading {
    Reading(text: text, entries: own.definitions, failure: own.failure)
  }

  private func reading(_ scan: SystemdScan) -> Reading {
    Reading(text: text, entries: scan.definitions, failure: scan.failure)
  }
}

/// How systemd reads a comment whose last byte is a backslash.
package enum CommentGrammar: Sendable, Hashable, CaseIterable {
  /// The comment ends with its line.
  case sinceVersion254
  /// The comment goes on in the next line.
  case beforeVersion254
}

extension EnvironmentDocument {
  /// What one reader makes of a file. Each call makes the variables again: call once.
  package struct Reading: Sendable, Equatable {
    let text: DocumentText
    /// All definitions, dropped ones and those of a file that is refused included.
    let entries: Definitions
    /// Why this reader refuses the whole file, with the line; nil if it takes it.
    package let failure: String?

    /// Whether both have the same definitions, and the same failure if any.
    package static func == (a: Reading, b: Reading) -> Bool {
      a.failure == b.failure && a.definitions == b.definitions
    }

    /// The effective variables in the order of their first definitions, each as its last definition
    /// says; none if there is a ``failure``.
    package var variables: [Variable] { failure == nil ? effective : [] }

    /// Those of the effective variables that have one of the names.
    package func variables(where isWanted: (_ name: ArraySlice<UInt8>) -> Bool) -> [Variable] {
      if failure != nil { return [] }
      return entries.names.filter { isWanted(text[text.name(Int($0))]) }.compactMap {
        entries[$0].map(text.variable)
      }
    }

    /// Every definition in the order of the file, those overridden later and those dropped
    /// included, and also when there is a ``failure``.
    package var definitions: [Variable] { entries.all.map(text.variable) }

    /// The effective value of the variable `name`; nil if this reader has none.
    package subscript(name: String) -> String? { failure == nil ? wouldBe(name)?.value : nil }

    /// The definitions of `name`, dropped ones included.
    func definitions(of name: String) -> [Variable] {
      guard let number = text.number(of: name) else { return [] }
      return entries.all.filter { Int($0.name) == number }.map(text.variable)
    }

    /// The effective variables as they would be without the failure.
    var effective: [Variable] { entries.names.compactMap { entries[$0].map(text.variable) } }

    /// The effective variable `name` as it would be without the failure.
    func wouldBe(_ name: String) -> Variable? {
      text.number(of: name).flatMap { entries[UInt32($0)] }.map(text.variable)
    }
  }

  package struct Variable: Sendable, Hashable {
    package let name: String
    /// The value as the reader has it; bytes that are no UTF-8 stand as U+FFFD. It may be a secret.
    package let value: String
    /// 1-based line (as counted by line feeds) of the name's first byte.
    package let line: Int
    /// 1-based column in bytes of the name's first byte.
    package let column: Int
    /// Whether the reader ignores the entry: systemd an invalid name, MinIO an empty name or a NUL.
    package let isDropped: Bool
    /// The bytes of its line or lines, line ending included.
    let range: Range<Int>
    /// Whether systemd reads no other line into it.
    let isOneLine: Bool
  }

  /// Where a definition departs from the simple form, as offsets in the file, or nil.
  struct Form: Sendable, Hashable {
    typealias Offset = UInt32

    /// An offset or nil in four bytes: a large file can have one for every few of its bytes.
    @propertyWrapper struct Packed: Sendable, Hashable {
      private var offset = Offset.max

      var wrappedValue: Offset? {
        get { offset == .max ? nil : offset }
        set { offset = newValue ?? .max }
      }
    }

    static let simple = Form()
    var isOneLine: Bool { unterminated == nil && lineBreak == nil && continuation == nil }

    /// The quote that is never closed.
    @Packed var unterminated: Offset?
    /// The first backslash that systemd takes away before an ordinary character.
    @Packed var escape: Offset?
    /// The first backslash that joins two lines.
    @Packed var continuation: Offset?
    /// The first line ending within quotes.
    @Packed var lineBreak: Offset?
    /// The first byte of what stands after a closing quote.
    @Packed var afterQuote: Offset?
    /// The first `#` after a blank outside quotes.
    @Packed var hash: Offset?
    /// The first quote within a bare value, which no reader takes for one.
    @Packed var strayQuote: Offset?
  }
}

extension DocumentText {
  /// The definition as others see it.
  func variable(_ definition: Definition) -> EnvironmentDocument.Variable {
    let line = Int(definition.line)
    return EnvironmentDocument.Variable(
      name: string(name(Int(definition.name))), value: string(definition.value), line: line,
      column: Int(definition.start - lineStarts[line - 1]) + 1, isDropped: definition.isDropped,
      range: definition.range.range, isOneLine: definition.isOneLine)
  }
}
