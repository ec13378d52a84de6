/// An environment file, parsed without loss: ``bytes`` gives back exactly what was parsed.
///
/// A file has two readers, and they do not agree: systemd (`EnvironmentFile=`) and MinIO itself
/// (`MINIO_CONFIG_ENV_FILE`). The document knows what each makes of it (facts, E.1 and E.2),
/// changes single definitions and leaves every other byte alone, and refuses what the two would not
/// read alike. It guesses nothing and repairs nothing.
public struct EnvironmentDocument: Sendable, Hashable {
  /// The file, byte for byte.
  public let bytes: [UInt8]
  /// systemd since v254.
  let current: SystemdScan
  /// systemd before v254; the same as `current` unless a comment ends in a backslash.
  let earlier: SystemdScan
  /// MinIO's own reader.
  let own: MinIOScan

  /// Parses any bytes, in time linear in their number; never fails, but a ``Reading`` may have.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    current = SystemdScan(bytes, .sinceVersion254)
    earlier =
      current.escapedComments.isEmpty ? current : SystemdScan(bytes, .beforeVersion254)
    own = MinIOScan(bytes)
  }

  /// What systemd's `EnvironmentFile=` makes of it, v254 and later.
  public var systemd: Reading { current.reading }

  /// What systemd's `EnvironmentFile=` makes of it, by version: before v254 a comment ending in a
  /// backslash swallows the next line.
  public func systemd(comments: CommentGrammar) -> Reading {
    switch comments {
    case .sinceVersion254: current.reading
    case .beforeVersion254: earlier.reading
    }
  }

  /// What MinIO's own reader (`MINIO_CONFIG_ENV_FILE`) makes of it.
  public var minio: Reading { own.reading }

  /// Whether the bytes are the same; all else follows from them.
  public static func == (a: EnvironmentDocument, b: EnvironmentDocument) -> Bool {
    a.bytes == b.bytes
  }
  /// Feeds the bytes.
  public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

/// How systemd reads a comment whose last byte is a backslash.
public enum CommentGrammar: Sendable, Hashable, CaseIterable {
  /// The comment ends with its line.
  case sinceVersion254
  /// The comment goes on in the next line.
  case beforeVersion254
}

extension EnvironmentDocument {
  /// What one reader makes of a file.
  public struct Reading: Sendable, Hashable {
    /// Why this reader refuses the whole file, with the line; nil if it takes it.
    public let failure: String?
    /// The effective variables in the order of their first definitions, each as its last definition
    /// says; none if there is a ``failure``.
    public var variables: [Variable] { failure == nil ? effective : [] }
    /// Every definition in the order of the file, those overridden later and those dropped
    /// included, and also when there is a ``failure``.
    public let definitions: [Variable]
    /// The effective variables as they would be without the failure.
    let effective: [Variable]
    private let places: [String: Int]

    /// The effective value of the variable `name`; nil if this reader has none.
    public subscript(name: String) -> String? { failure == nil ? wouldBe(name)?.value : nil }

    init(definitions: [Variable], failure: String?) {
      self.definitions = definitions
      self.failure = failure
      var effective: [Variable] = []
      var places: [String: Int] = [:]
      effective.reserveCapacity(definitions.count)
      places.reserveCapacity(definitions.count)
      for definition in definitions where !definition.isDropped {
        let key = Self.key(definition.name)
        if let place = places[key] {
          effective[place] = definition
        } else {
          places[key] = effective.count
          effective.append(definition)
        }
      }
      self.effective = effective
      self.places = places
    }

    /// The effective variable `name` as it would be without the failure.
    func wouldBe(_ name: String) -> Variable? { places[Self.key(name)].map { effective[$0] } }

    /// The same, found at once if it is the effective variable at `index`, as in most files it is.
    func wouldBe(_ name: String, at index: Int) -> Variable? {
      if index < effective.count, isSameText(effective[index].name, name) {
        return effective[index]
      }
      return wouldBe(name)
    }

    /// Names are bytes: two that String holds for equal must not fall together.
    private static func key(_ name: String) -> String {
      if name.utf8.allSatisfy({ $0 < 0x80 }) { return name }
      return name.utf8.reduce(into: "=") { $0 += String($1, radix: 16) + "," }
    }
  }

  /// One definition in a file.
  public struct Variable: Sendable, Hashable {
    /// The name as the reader has it.
    public let name: String
    /// The value as the reader has it; bytes that are no UTF-8 stand as U+FFFD. It may be a secret.
    public let value: String
    /// 1-based line (as counted by line feeds) of the name's first byte.
    public let line: Int
    /// 1-based column in bytes of the name's first byte.
    public let column: Int
    /// Whether the reader ignores the entry: systemd an invalid name, MinIO an empty name or a NUL.
    public let isDropped: Bool
    /// The bytes of its line or lines, line ending included.
    let range: Range<Int>
    /// Whether systemd reads no other line into it.
    let isOneLine: Bool
  }

  /// Where a definition departs from the simple form, as offsets in the file; nil where it does
  /// not.
  struct Form: Sendable, Hashable {
    static let simple = Form()
    var isOneLine: Bool { unterminated == nil && lineBreak == nil && continuation == nil }

    /// The quote that is never closed.
    var unterminated: Int?
    /// The first backslash that systemd takes away before an ordinary character.
    var escape: Int?
    /// The first backslash that joins two lines.
    var continuation: Int?
    /// The first line ending within quotes.
    var lineBreak: Int?
    /// The first byte of what stands after a closing quote.
    var afterQuote: Int?
    /// The first `#` after a blank outside quotes.
    var hash: Int?
    /// The first quote within a bare value, which no reader takes for one.
    var strayQuote: Int?
  }
}
