// SPDX-License-Identifier: Apache-2.0
import CBuild
import Glibc
import Linux
import Model
import Rollout
import StartGuarding

/// `keyturn-guard`: the start guard, as a program that starts about as fast as any other
/// (docs/decisions/0064-small-start-guard.md).
@main
enum Main {
  private static let usage = """
    usage: keyturn-guard [guard] [--state DIR]

    The start guard: blocks a server whose key is not the sealed one. systemd runs it before the
    server, in the same environment (the drop-in 10-keyturn.conf). It compares MINIO_KMS_SSE_KEY and
    MINIO_KMS_ENCLAVE with the seal of this host, and says nothing when it allows the start.

      --state DIR   the agent's records, which must be there; \(GuardedStart.state) if left out
      --help, --version

    exit status: 0 the start is allowed, 12 it is refused, 64 wrong arguments

    """

  static func main() {
    ProgramMemory.keepFromOthers()
    // Not exit(3): nothing is buffered, and no handler is to run.
    _exit(run(Array(CommandLine.arguments.dropFirst())))
  }

  private static func run(_ arguments: [String]) -> Int32 {
    var state: String?
    // The word of `keyturn guard`, whose drop-ins this program serves too.
    var rest = (arguments.first == "guard" ? arguments.dropFirst() : arguments[...])
    while let argument = rest.popFirst() {
      switch argument {
      case "--help":
        StartHost.write(usage, to: STDOUT_FILENO)
        return EXIT_SUCCESS
      case "--version":
        let line = Version.line(of: "keyturn-guard", commit: String(cString: kt_commit()))
        StartHost.write("\(line)\n", to: STDOUT_FILENO)
        return EXIT_SUCCESS
      case "--state" where rest.first.map { !$0.isEmpty } ?? false: state = rest.popFirst()
      case _ where argument.hasPrefix("--state=") && argument != "--state=":
        state = String(argument.dropFirst("--state=".count))
      default:
        StartHost.write(
          "keyturn-guard: \(HiddenCharacters.visible(argument)) is no argument of it, or lacks its value; see keyturn-guard --help\n",
          to: STDERR_FILENO)
        return EX_USAGE
      }
    }
    let start = GuardedStart(host: StartHost(), state: state)
    guard let refusal = start.refusal() else { return EXIT_SUCCESS }
    // A journal line is one line.
    StartHost.write(
      "\(start.priority)\(StartGuardLine.head)\(HiddenCharacters.visible(refusal))\n",
      to: STDERR_FILENO)
    if !start.isBySystemd {
      StartHost.write("keyturn-guard: note: \(GuardedStart.byHand)\n", to: STDERR_FILENO)
    }
    return StartGuard.refusalStatus
  }
}
