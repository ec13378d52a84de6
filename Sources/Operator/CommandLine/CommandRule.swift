// SPDX-License-Identifier: Apache-2.0
internal import Model

/// One command: what it takes and what its help says. The help text is made from it.
struct CommandRule: Sendable {
  /// A line of the examples: a command and what it is for.
  struct Example: Sendable {
    let line: String
    let purpose: String
  }

  /// Its words, for example `pki init`.
  let name: String
  let summary: String
  /// What the help says beyond that; may be empty. An empty line parts paragraphs; other line ends
  /// are for the source only.
  let details: String
  /// The placeholders of its operands; each must be given.
  let operands: [String]
  /// The placeholders of what may follow them.
  var optionalOperands: [String] = []
  /// Its options, without those that every command has.
  let options: [OptionRule]
  /// Shown first in the help.
  let examples: [Example]
  /// What it can exit with, beside 64.
  let exitCodes: [ExitCode]

  /// ``details`` in paragraphs, each in one line.
  var paragraphs: [String] {
    details.split(separator: "\n\n").map {
      $0.split(separator: "\n").joined(separator: " ")
    }
  }

  var words: [String] { name.split(separator: " ").map(String.init) }
}

/// All commands of a program.
struct CommandTable: Sendable {
  let program: String
  let summary: String
  /// The commands in the order of the help.
  let commands: [CommandRule]
  /// The options that every command has.
  let commonOptions: [OptionRule]
}
