// SPDX-License-Identifier: Apache-2.0
internal import Model

/// `keyturn rotate api-key`: another API key on all nodes, and what becomes of the old one.
struct RotateCommand: Command {
  struct Options: OptionGroup {
    @Option(
      "api-key-file", takes: "FILE",
      help: "the new value of MINIO_KMS_API_KEY; - is standard input", as: .text)
    var apiKeyFile: String?
    var rollout = RolloutOptions()

    var problem: String? {
      apiKeyFile == nil ? "the new API key comes from a file: give --api-key-file FILE" : nil
    }
  }

  static let rule = CommandRule(
    name: "rotate api-key",
    summary: "give all nodes another API key, with one restart, and say when the old one can go",
    details: """
      The new identity must be able to do what the present one does: every node asks every Key Manager with it for a
      data key, and has the key proofs decrypted, before anything is touched. The old identity stays as it is until
      every start is confirmed, and is needed if one fails. Then the command says how to remove it. Everything else is
      as with apply.
      """,
    examples: [
      ("keyturn rotate api-key --api-key-file new-key", "shows the plan and asks first"),
      ("keyturn rotate api-key --api-key-file - --yes <new-key", "from a pipeline"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.untouched + [
      .notConfirmed, .rolledBack, .rolledBackUnhealthy, .busy,
    ] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    try RolloutProcedure(
      context: context, options: options.rollout,
      goal: .apiKey(file: options.apiKeyFile ?? "")
    ).run()
  }
}
