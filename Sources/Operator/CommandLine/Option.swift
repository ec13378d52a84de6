// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// One option or operand of a command, as the parser checks it and the help shows it.
struct OptionRule: Sendable {
  /// The long form without its dashes; empty for an operand.
  var name = ""
  /// The short form without its dash.
  var short: Character?
  /// Stands for the value in the help; empty for a flag.
  var placeholder = ""
  var isRequired = false
  var isRepeated = false
  /// Whether it takes all arguments up to the next option.
  var isList = false
  let help: String

  var isFlag: Bool { placeholder.isEmpty }
  var isOperand: Bool { name.isEmpty }

  /// `--since TIME`, as in the help.
  var usage: String {
    if isOperand {
      let text = isRequired ? placeholder : "[\(placeholder)]"
      return isList ? text + "..." : text
    }
    return isFlag ? "--\(name)" : "--\(name) \(placeholder)" + (isList ? "..." : "")
  }
}

/// An option as the parser knows it, whatever the type of its value.
protocol AnyOption: AnyObject {
  var rule: OptionRule { get }
  /// Takes a value that was given; an empty one for a flag.
  func take(_ text: String) throws(UsageProblem)
}

/// Declares an option where its value is read; without a name it is an operand. The type of the
/// property says how often it may be given: `Bool` is a flag, an optional may be left out, an array
/// may be repeated, anything else is required.
@propertyWrapper
final class Option<Value>: AnyOption {
  let rule: OptionRule
  /// Nil while something that is required was not given.
  private var value: Value?
  private let accept: (String, OptionRule, inout Value?) throws(UsageProblem) -> Void

  var wrappedValue: Value {
    guard let value else { preconditionFailure("the parser refuses a line without \(rule.usage)") }
    return value
  }

  func take(_ text: String) throws(UsageProblem) { try accept(text, rule, &value) }

  private init(
    _ rule: OptionRule, _ value: Value?,
    _ accept: @escaping (String, OptionRule, inout Value?) throws(UsageProblem) -> Void
  ) {
    self.rule = rule
    self.value = value
    self.accept = accept
  }

  init(_ name: String, short: Character? = nil, help: String) where Value == Bool {
    rule = OptionRule(name: name, short: short, help: help)
    value = false
    accept = { _, _, value in value = true }
  }

  init(
    _ name: String = "", takes placeholder: String, help: String = "", as type: ArgumentType<Value>
  ) {
    rule = OptionRule(name: name, placeholder: placeholder, isRequired: true, help: help)
    accept = { (text, rule, value) throws(UsageProblem) in value = try type.parse(text, rule) }
  }

  init<Element>(
    _ name: String = "", short: Character? = nil, takes placeholder: String, help: String = "",
    as type: ArgumentType<Element>
  ) where Value == Element? {
    rule = OptionRule(name: name, short: short, placeholder: placeholder, help: help)
    value = .some(nil)
    accept = { (text, rule, value) throws(UsageProblem) in value = try type.parse(text, rule) }
  }

  init<Element>(
    _ name: String, takes placeholder: String, isList: Bool = false, help: String,
    as type: ArgumentType<Element>
  ) where Value == [Element] {
    rule = OptionRule(
      name: name, placeholder: placeholder, isRepeated: true, isList: isList, help: help)
    value = []
    accept = { (text, rule, value) throws(UsageProblem) in
      value = try (value ?? []) + [type.parse(text, rule)]
    }
  }
}

extension Option {
  /// Operands: all that are given.
  convenience init<Element>(
    operands placeholder: String, isRequired: Bool = false, as type: ArgumentType<Element>
  ) where Value == [Element] {
    self.init(
      OptionRule(
        placeholder: placeholder, isRequired: isRequired, isRepeated: true, isList: true, help: ""),
      []
    ) { (text, rule, value) throws(UsageProblem) in
      value = try (value ?? []) + [type.parse(text, rule)]
    }
  }
}

/// Options that belong together: those of a command, or a part that several commands have.
protocol OptionGroup {
  init()
  /// What is wrong with the options together; nil if nothing is.
  var problem: String? { get }
}

extension OptionGroup {
  var problem: String? { nil }

  /// Its options in the order of their declaration, those of the groups in it included.
  var declared: [any AnyOption] {
    Mirror(reflecting: self).children.flatMap { child in
      (child.value as? any AnyOption).map { [$0] }
        ?? (child.value as? any OptionGroup)?.declared ?? []
    }
  }
}

/// How an argument becomes a value.
struct ArgumentType<Value> {
  let parse: (_ text: String, _ rule: OptionRule) throws(UsageProblem) -> Value
}

extension ArgumentType {
  /// Of a text that `parse` does not take, `problem` says what it is not.
  init(_ problem: @autoclosure @escaping () -> String, _ parse: @escaping (String) -> Value?) {
    self.init { (text, rule) throws(UsageProblem) in
      if let value = parse(text) { return value }
      let place = rule.isOperand ? "\"\(text)\"" : "--\(rule.name) \(text)"
      throw UsageProblem(message: "\(place) \(problem())")
    }
  }
}

extension ArgumentType<String> {
  /// As it is.
  static var text: Self { Self { text, _ in text } }

  /// What a rollout is for.
  static var note: Self {
    Self { (text, rule) throws(UsageProblem) in
      guard let problem = RolloutOccasion.problem(ofNote: text) else { return text }
      throw UsageProblem(message: "the text of --\(rule.name) \(problem)")
    }
  }

  /// The name of a cluster, a node or a person.
  static var name: Self {
    Self { (text, rule) throws(UsageProblem) in
      guard let problem = Name.problem(in: text) else { return text }
      let what = rule.name.isEmpty ? "" : "--\(rule.name) "
      throw UsageProblem(message: "\(what)\(text): \(problem)")
    }
  }
}

extension ArgumentType<Int> {
  static func number(of unit: String, in range: ClosedRange<Int>) -> Self {
    Self("is not a number of \(unit) from \(range.lowerBound) to \(range.upperBound)") { text in
      text.isDigits ? Int(text).flatMap { range.contains($0) ? $0 : nil } : nil
    }
  }

  static var generation: Self {
    Self("is not a generation, which is a whole number from 0 on; keyturn history shows them") {
      $0.isDigits ? Int($0).flatMap { $0 <= Limits.generationNumber ? $0 : nil } : nil
    }
  }
}

extension ArgumentType where Value: CaseIterable & RawRepresentable<String> {
  /// One of a few words.
  static var word: Self {
    Self("is none of \(Value.allCases.map(\.rawValue).joined(separator: ", "))") {
      Value(rawValue: $0)
    }
  }
}
