/// A variable of the environment that the server would be started with.
public struct EnvironmentVariable: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  /// Its name.
  public var name: String
  /// Its value after quotes are removed, as the server would get it. Any may be a secret.
  public var value: String
  /// Its 1-based line in the file it comes from, if it comes from one.
  public var line: Int?
  /// Its 1-based column there, if that is known.
  public var column: Int?

  /// A variable; see the properties.
  public init(name: String, value: String, line: Int? = nil, column: Int? = nil) {
    self.name = name
    self.value = value
    self.line = line
    self.column = column
  }

  /// `NAME=<redacted>`.
  public var description: String { "\(name)=<redacted>" }
  /// Shows no children, so that `dump` prints no value.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
