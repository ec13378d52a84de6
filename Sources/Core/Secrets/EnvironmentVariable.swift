// SPDX-License-Identifier: Apache-2.0

/// A variable of the environment that the server would be started with.
package struct EnvironmentVariable: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  package var name: String
  /// Its value after quotes are removed, as the server would get it. Any may be a secret.
  package var value: String
  /// Its 1-based line in the file it comes from, if it comes from one.
  package var line: Int?
  /// Its 1-based column there, if that is known.
  package var column: Int?

  package init(name: String, value: String, line: Int? = nil, column: Int? = nil) {
    self.name = name
    self.value = value
    self.line = line
    self.column = column
  }

  /// `NAME=<redacted>`.
  package var description: String { "\(name)=<redacted>" }
  /// Shows no children, so that `dump` prints no value.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// One change: a variable set to a value, or removed.
package struct SettingChange: Sendable, Hashable {
  package var name: String
  /// The new value; nil removes it.
  package var value: Secret?

  /// Every value is held as a secret, because any may be one.
  package init(name: String, value: Secret?) {
    self.name = name
    self.value = value
  }
}
