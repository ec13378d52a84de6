/// A value that must never be shown: API keys, passwords, licenses.
///
/// Its description, its mirror and string interpolation give `<redacted>`. It is not `Codable`:
/// whoever puts one on a wire or in a file says so with ``reveal()``, which is easy to search for.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  private let text: String

  /// Wraps `text`.
  public init(_ text: String) { self.text = text }

  /// The value itself. Every call is a place where a secret leaves its type.
  public func reveal() -> String { text }

  /// Always `<redacted>`.
  public var description: String { "<redacted>" }
  /// Always `<redacted>`.
  public var debugDescription: String { "<redacted>" }
  /// Shows no children, so that `dump` prints nothing either.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
