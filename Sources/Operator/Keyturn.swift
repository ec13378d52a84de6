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
  private let stores: any S3Network
  private let newcomer: any JoiningHost
  private let interruption: Interruption
  private let version: String

  /// The command line on its ports.
  package init(
    host: any CommandHost, network: any AgentNetwork, workshop: any CertificateWorkshop,
    local: any LocalAgent, stores: any S3Network, newcomer: any JoiningHost,
    interruption: Interruption, version: String
  ) {
    self.newcomer = newcomer
    self.local = local
    self.stores = stores
    self.host = host
    self.network = network
    self.workshop = workshop
    self.interruption = interruption
    self.version = version
  }

  /// Runs the command that `arguments` (without the program's name) ask for, and returns what to
  /// exit with. Blocks until the command has ended.
  package func run(_ arguments: [String]) -> Int32 {
    let status = perform(arguments)
    guard let failure = host.outputFailure else { return status }
    // Whoever relies on what should have been printed must not take it for all.
    host.write("keyturn: error: standard output: \(failure)\n", to: .standardError)
    return status == ExitCode.done.rawValue ? ExitCode.failed.rawValue : status
  }

  private func perform(_ arguments: [String]) -> Int32 {
    let help = HelpText(columns: host.terminal(.standardOutput)?.columns)
    if arguments.isEmpty {
      host.write(help.short, to: .standardError)
      return ExitCode.usage.rawValue
    }
    let isNagios = arguments.first == "check" && arguments.contains("--nagios")
    do throws(UsageProblem) {
      switch try CommandParser.parse(arguments) {
      case .version: host.write("\(version)\n", to: .standardOutput)
      case .help(nil): host.write(help.program, to: .standardOutput)
      case .help(let command?): host.write(help.command(command), to: .standardOutput)
      case .group(let commands): host.write(help.group(commands), to: .standardOutput)
      case .run(let invocation):
        if isNagios, let problem = invocation.problem { throw UsageProblem(message: problem) }
        return run(invocation)
      }
      return ExitCode.done.rawValue
    } catch {
      if isNagios { return CheckNagios.tellUnknown(error.message, host) }
      host.write("keyturn: \(Console.visible(error.message))\n", to: .standardError)
      return ExitCode.usage.rawValue
    }
  }

  private func run(_ invocation: Invocation) -> Int32 {
    let common = invocation.common
    let console = Console(
      host, json: common.isJSON, quiet: common.isQuiet, noColor: common.hasNoColor)
    let context = CommandContext(
      console: console, host: host, network: network, workshop: workshop,
      interruption: interruption, local: local, stores: stores,
      newcomer: newcomer)
    var result = CommandResult(.usage)
    do throws(Refusal) {
      if let problem = invocation.problem {
        console.message(.error, problem)
        result.message = problem
      } else {
        result = try invocation.run(context)
      }
    } catch {
      console.message(.error, error.message)
      result = CommandResult(ExitCode(error.code), message: error.message)
    }
    // `lint --json` prints one object, nothing else.
    if invocation.command != LintCommand.self, !result.isTold {
      console.event("result", result.fields)
    }
    return result.exitStatus
  }
}
