// SPDX-License-Identifier: Apache-2.0

/// One option of a command, as the parser checks it and the help text shows it.
struct OptionRule: Sendable, Hashable {
  /// What follows an option.
  enum Value: Sendable, Hashable {
    /// Nothing: it is given or not.
    case none
    /// One value, once.
    case one(String)
    /// One value each time; the option may be repeated.
    case repeated(String)
    /// All arguments up to the next option; the option may be repeated.
    case list(String)
  }

  /// The long form without its dashes.
  let name: String
  /// The short form without its dash; not every option has one.
  let short: Character?
  /// What follows it; the text is the placeholder in the help.
  let value: Value
  /// Whether the command cannot run without it.
  let isRequired: Bool
  let help: String

  init(
    _ name: String, short: Character? = nil, takes value: Value = .none, required: Bool = false,
    help: String
  ) {
    self.name = name
    self.short = short
    self.value = value
    isRequired = required
    self.help = help
  }

  /// `--since TIME`, as in the help.
  var usage: String {
    switch value {
    case .none: "--\(name)"
    case .one(let placeholder), .repeated(let placeholder): "--\(name) \(placeholder)"
    case .list(let placeholder): "--\(name) \(placeholder)..."
    }
  }
}
