// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import S3

/// `keyturn bucket key create`: a data key's master key, through the server.
struct BucketKeyCreateCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "NAME", as: .keyName) var name: String
    var server = S3Options()

    var problem: String? { server.problem }
  }

  static let rule = CommandRule(
    name: "bucket key create",
    summary: "create a key in the Key Manager, through the server",
    details: "In the server's enclave, by its API key. A key that exists already is left as it is.",
    examples: [("keyturn bucket key create bucket-data --alias primary", "with mc's alias")],
    exitCodes: [.done, .failed, .unreachable, .keyManagerRefused, .voteRefused]
      + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    try context.withServer(options.server) { (client) throws(S3Failure) in
      let key = options.name
      let doubt =
        "the key \(key) may have been created: keyturn bucket key status \(key) shows whether it is there"
      do throws(S3Failure) {
        // No handler: the first signal ends it.
        let creation = try context.interruption.handled(
          by: nil, lastWords: { "interrupted: \(doubt)" }
        ) { () throws(S3Failure) in try client.createKey(key) }
        let isChanged = creation.isNew != false
        let message = creation.text(key)
        context.console.line(message)
        if case .untold(let reason)? = creation.state {
          context.console.message(.warning, "the key's state is not known: \(reason)")
        }
        context.console.event("key", ["key": key, "changed": isChanged])
        let isUsable = creation.state?.failure == nil
        return CommandResult(
          isUsable ? .done : .failed,
          outcome: isUsable ? (isChanged ? "done" : "unchanged") : nil,
          isChanged: isChanged, message: message)
      } catch {
        guard error.mayHaveHappened else { throw error }
        let message = "\(client.name): \(error.refusal.message); \(doubt)"
        context.console.message(.error, message)
        return CommandResult(.failed, isChanged: true, message: message)
      }
    }
  }
}

/// `keyturn bucket key list`.
struct BucketKeyListCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "PREFIX", as: .text) var prefix: String?
    var server = S3Options()

    var problem: String? { server.problem }
  }

  static let rule = CommandRule(
    name: "bucket key list",
    summary: "list the keys in the server's enclave",
    examples: [
      ("keyturn bucket key list --local", "on a node, as root"),
      ("keyturn bucket key list bucket- --alias primary", "those whose names begin so"),
    ],
    exitCodes: [.done, .failed, .unreachable, .keyManagerRefused, .voteRefused]
      + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    try context.withServer(options.server) { (client) throws(S3Failure) in
      let request = S3Request.listKeys(prefix: options.prefix ?? "")
      let keys = try S3Client.read(request, try client.ask(request), KMSAnswers.keys)
        .sorted { $0.name < $1.name }
      for key in keys {
        context.console.event(
          "key", ["key": key.name, "createdAt": key.createdAt, "createdBy": key.createdBy])
      }
      context.console.table(
        ["KEY", "CREATED", "BY"], keys.map { [$0.name, $0.createdAt ?? "-", $0.createdBy ?? "-"] })
      let message = "\(keys.count) key\(keys.count == 1 ? "" : "s")"
      context.console.progress(message)
      return CommandResult(.done, message: message)
    }
  }
}

/// `keyturn bucket key status`: whether the server can use a key.
struct BucketKeyStatusCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "NAME", as: .keyName) var name: String?
    var server = S3Options()

    var problem: String? { server.problem }
  }

  static let rule = CommandRule(
    name: "bucket key status",
    summary: "ask the server whether it can encrypt and decrypt with a key",
    details:
      "Without a name: the server's own key, MINIO_KMS_SSE_KEY. Exit 1: it cannot, or may not tell.",
    examples: [("keyturn bucket key status bucket-data --alias primary", "with mc's alias")],
    exitCodes: [.done, .failed, .unreachable, .keyManagerRefused, .voteRefused]
      + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    try context.withServer(options.server) { (client) throws(S3Failure) in
      let state = try client.look(atKey: options.name ?? "")
      let message = "\(options.name.map { "key \($0)" } ?? "the server's own key"): \(state.text)"
      context.console.event("key", ["key": options.name, "state": state.word])
      context.console.line(message)
      return CommandResult(state == .usable ? .done : .failed, message: message)
    }
  }
}

extension CommandContext {
  /// Runs `body` with a client of the server; its failure is the command's.
  fileprivate func withServer(
    _ options: S3Options, _ body: (S3Client) throws(S3Failure) -> CommandResult
  ) throws(Refusal) -> CommandResult {
    let client = S3Client(try S3Access.resolve(options, self))
    do throws(S3Failure) { return try body(client) } catch {
      let refusal = error.refusal
      throw Refusal(refusal.code, "\(client.name): \(refusal.message)")
    }
  }
}
