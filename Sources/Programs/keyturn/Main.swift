// SPDX-License-Identifier: Apache-2.0
import CBuild
import Coordination
import Glibc
import Linux
import Model
import Operator
import Threads

/// `keyturn`: wires the adapters to the command line's use cases, and exits with their code.
@main
enum Main {
  static func main() {
    Signals.prepare()
    ProgramMemory.keepFromOthers()
    let interruption = Interruption()
    listen(interruption)
    let keyturn = Keyturn(
      host: ProcessHost(), network: HTTPSNetwork(), workshop: FileWorkshop(),
      local: LocalSocket(), stores: S3Servers(), newcomer: ThisHost(), interruption: interruption,
      version: Version.line(of: "keyturn", commit: String(cString: kt_commit())))
    // Not exit(3): threads may still be in a call to an agent, and its handlers would take OpenSSL
    // away from under them. Nothing is buffered.
    _exit(keyturn.run(Array(CommandLine.arguments.dropFirst())))
  }

  /// The first signal tells the command, if it listens; any other ends the process as the shell
  /// expects it.
  private static func listen(_ interruption: Interruption) {
    do throws(Errno) {
      try Thread.start("signals") {
        while true {
          guard Signals.wait(until: nil) == .stop else { continue }
          if interruption.interrupt() { continue }
          Terminal.restore()
          if let words = interruption.lastWords {
            ProcessHost().write("keyturn: \(words)\n", to: .standardError)
          } else if let words = Terminal.lastWords {
            ProcessHost().write(words, to: .standardError)
          }
          _exit(130)
        }
      }
    } catch {
      ProcessHost().write("keyturn: \(error)\n", to: .standardError)
      exit(EXIT_FAILURE)
    }
  }
}
