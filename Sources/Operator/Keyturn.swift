// SPDX-License-Identifier: Apache-2.0
package import Coordination
internal import Model
internal import Rollout

/// The command line `keyturn`: arguments in, exit status out.
package struct Keyturn: Sendable {
  private let host: any CommandHost
  private let network: any AgentNetwork
  private let workshop: any CertificateWorkshop
  private let local: any LocalAgent
  private let interruption: Interruption
  private let version: String

  /// The command line on its ports.
  package init(
    host: any CommandHost, network: any AgentNetwork, workshop: any CertificateWorkshop,
    local: any LocalAgent, interruption: Interruption, version: String
  ) {
    self.local = local
    self.host = host
    self.network = network
    self.workshop = workshop
    self.interruption = interruption
    self.version = version
  }

  /// Runs the command that `arguments` (without the program's name) ask for, and returns what to
  /// exit with. Blocks until the command has ended.
  package func run(_ arguments: [String]) -> Int32 {
    let table = KeyturnCommands.table
    let help = HelpText(table, columns: host.terminal(.standardOutput)?.columns)
    do throws(UsageProblem) {
      switch try CommandParser(table: table).parse(arguments) {
      case .version: host.write("\(version)\n", to: .standardOutput)
      case .help(nil): host.write(help.program, to: .standardOutput)
      case .help(let command?): host.write(help.command(command), to: .standardOutput)
      case .group(let commands): host.write(help.group(commands), to: .standardOutput)
      case .run(let invocation): return run(invocation)
      }
      return ExitCode.done.rawValue
    } catch {
      if arguments.first == "check", arguments.contains("--nagios") {
        return CheckNagios.tellUnknown(error.message, host)
      }
      host.write("keyturn: \(Console.visible(error.message))\n", to: .standardError)
      return ExitCode.usage.rawValue
    }
  }

  private func run(_ invocation: Invocation) -> Int32 {
    let console = Console(
      host, json: invocation.has("json"), quiet: invocation.has("quiet"),
      noColor: invocation.has("no-color"))
    let context = CommandContext(
      invocation: invocation, console: console, host: host, network: network, workshop: workshop,
      interruption: interruption, local: local)
    if invocation.has("nagios") { return CheckCommand(context: context).nagios() }
    var result: CommandResult
    do throws(Refusal) {
      result = try carryOut(context)
    } catch {
      console.message(.error, error.message)
      result = CommandResult(ExitCode(error.code))
    }
    // `lint --json` prints one object, nothing else.
    if invocation.command.name != "lint", !result.isTold { console.event("result", result.fields) }
    return result.exitCode.rawValue
  }

  private func carryOut(_ context: CommandContext) throws(Refusal) -> CommandResult {
    switch context.invocation.command.name {
    case "plan": return try PlanCommand(context: context, kind: .apply).run()
    case "apply": return try RolloutCommand(context: context, kind: .apply).run()
    case "restart": return try RolloutCommand(context: context, kind: .restart).run()
    case "rollback": return try RolloutCommand(context: context, kind: .rollback).run()
    case "history": return try HistoryCommand(context: context).run()
    case "diff": return try DiffCommand(context: context).run()
    case "check": return try CheckCommand(context: context).run()
    case "watch": return try WatchCommand(context: context).run()
    case "propose": return try ProposeCommand(context: context).run()
    case "proposals": return try ProposalsCommand(context: context).run()
    case "resolve": return try ResolveCommand(context: context).run()
    case "status": return try StatusCommand(context: context).run()
    case "explain": return try ExplainCommand(context: context).run()
    case "show": return try ShowCommand(context: context).run()
    case "logs": return try LogsCommand(context: context).run()
    case "guard": return GuardCommand(context: context).run()
    case "seal show": return try SealCommand(context: context).show()
    case "seal recover": return try SealCommand(context: context).recover()
    case "lint": return try LintCommand(context: context).run()
    case "pki init": return try PKICommand(context: context).initialise()
    case "pki issue": return try PKICommand(context: context).issue()
    case "pki show": return try PKICommand(context: context).show()
    default: preconditionFailure("every command of the table has its use case")
    }
  }
}
