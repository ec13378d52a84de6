// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout
internal import StartGuarding

/// `keyturn guard`: the start guard, for drop-ins from the time when there was no program for it.
struct GuardCommand: Command {
  struct Options: OptionGroup {
    @Option(
      "state", takes: "DIR",
      help: "the agent's records, which must be there; /var/lib/keyturn if left out", as: .text)
    var state: String?
  }

  static let rule = CommandRule(
    name: "guard",
    summary: "the start guard: block a server whose key is not the sealed one",
    details: """
      systemd runs it before the server (systemd/minio.service.d/10-keyturn.conf). It compares
      MINIO_KMS_SSE_KEY and MINIO_KMS_ENCLAVE of its own environment, and of the file that
      MINIO_CONFIG_ENV_FILE names, with the seal of this host. It needs no agent and no network, says
      nothing when it allows the start, and allows everything where nothing was sealed, or the seal
      was lifted, and no rollback is under way that takes the key away. A seal that was removed or
      damaged refuses. Run by hand it judges the shell's environment: whether the next start would be
      refused is in keyturn status.
      """,
    examples: [("ExecStartPre=+/usr/local/bin/keyturn guard", "in the server's unit")],
    exitCodes: [.done, .startRefused])

  let context: CommandContext
  let options: Options

  func run() -> CommandResult {
    let start = GuardedStart(host: Start(host: context.host), state: options.state)
    guard let refusal = start.refusal() else { return CommandResult(.done) }
    guard context.console.format == .text else {
      context.console.message(.error, "the start guard: this start is refused: \(refusal)")
      return CommandResult(.startRefused)
    }
    // A journal line is one line.
    context.host.write(
      "\(start.priority)\(StartGuardLine.head)\(Console.visible(refusal))\n", to: .standardError)
    if !start.isBySystemd { context.console.message(.note, GuardedStart.byHand) }
    return CommandResult(.startRefused)
  }
}

private struct Start: GuardedHost {
  let host: any CommandHost

  func content(of path: String, limitBytes: Int) throws(Refusal) -> [UInt8]? {
    try host.read(path, limitBytes: limitBytes)?.bytes
  }
  func record(_ path: String) throws(Refusal) -> [UInt8]? { try host.record(path) }
  func isDirectory(_ path: String) throws(Refusal) -> Bool { try host.isDirectory(path) }
  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace {
    try host.place(of: path, user: user)
  }
  func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    try host.leaveEvidence(path, bytes)
  }
  func variable(_ name: String) -> String? { host.variable(name) }
}
