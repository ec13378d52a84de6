// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A command: what its help says, its options, and its run.
protocol Command: SendableMetatype {
  associatedtype Options: OptionGroup
  static var rule: CommandRule { get }
  init(context: CommandContext, options: Options)
  /// Blocks until the command has ended.
  func run() throws(Refusal) -> CommandResult
}

extension Command {
  static var parameters: [OptionRule] { Options().declared.map(\.rule) }
}

/// What the help says of a command. 64 is among the exit codes of each.
struct CommandRule: Sendable {
  /// Its words, for example `pki init`.
  let name: String
  let summary: String
  /// An empty line separates paragraphs; other line ends are for the source only.
  var details = ""
  let examples: [(line: String, purpose: String)]
  let exitCodes: [ExitCode]

  /// ``details`` in paragraphs, each in one line.
  var paragraphs: [String] {
    details.split(separator: "\n\n").map { $0.split(separator: "\n").joined(separator: " ") }
  }

  var words: [String] { name.split(separator: " ").map(String.init) }
}

/// All commands, in the order of the help.
enum CommandTable {
  static let program = "keyturn"
  static let summary =
    "apply the same settings to all nodes of an AIStor cluster and restart them together"
  static let commands: [any Command.Type] = [
    PlanCommand.self, ApplyCommand.self, RestartCommand.self, RollbackCommand.self,
    RotateCommand.self, WatchCommand.self, ResolveCommand.self, ConfirmCommand.self,
    CheckCommand.self, StatusCommand.self,
    HistoryCommand.self, RolloutsCommand.self, ShowCommand.self, DiffCommand.self,
    ExplainCommand.self, LogsCommand.self, ProposeCommand.self, ApproveCommand.self,
    ProposalsCommand.self,
    BucketEncryptCommand.self, BucketCheckCommand.self, BucketKeyCreateCommand.self,
    BucketKeyListCommand.self, BucketKeyStatusCommand.self,
    SealShowCommand.self, SealRecoverCommand.self, ProofCommand.self,
    LintCommand.self, GuardCommand.self, InitCommand.self, PKIInitCommand.self,
    PKIIssueCommand.self, PKIRenewCommand.self, PKIRevokeCommand.self,
    PKIRotateCommand.self, PKIShowCommand.self, JoinCommand.self, InventoryShowCommand.self,
    InventoryDiffCommand.self,
    InventoryApplyCommand.self, CompletionCommand.self, ManualCommand.self,
  ]
}
