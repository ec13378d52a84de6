// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import S3

/// `keyturn bucket encrypt`: the last step of enabling encryption, proven.
struct BucketEncryptCommand: Command {
  struct Options: OptionGroup {
    @Option(operands: "BUCKET", isRequired: true, as: .bucket)
    var buckets: [String]
    @Option("key", takes: "NAME", help: "SSE-KMS with this key", as: .keyName)
    var key: String?
    @Option("sse-s3", help: "SSE-S3 instead: with the server's own key, MINIO_KMS_SSE_KEY")
    var isSSES3: Bool
    @Option("create-key", help: "create the key if there is none")
    var createsKey: Bool
    @Option("create-bucket", help: "make the buckets that are missing")
    var createsBuckets: Bool
    @Option("no-proof", help: "write no object to prove it")
    var hasNoProof: Bool
    @Option("keep-proof", help: "leave the objects of the proof in the bucket")
    var keepsProof: Bool
    @Option("dry-run", help: "show what would be done, and do nothing")
    var isDry: Bool
    @Option("yes", short: "y", help: "do not ask before another default encryption is replaced")
    var isUnasked: Bool
    var server = S3Options()

    var problem: String? {
      if key == nil, !isSSES3 {
        return "name the key with --key NAME, or take the server's own with --sse-s3"
      }
      if key != nil, isSSES3 {
        return "--key is for SSE-KMS, and --sse-s3 takes the server's own key; give one of them"
      }
      if isSSES3, createsKey {
        return "--create-key is for --key NAME: the server's own key is created at its first start"
      }
      if hasNoProof, keepsProof { return "--no-proof leaves no proof that --keep-proof could keep" }
      return server.problem
    }
  }

  static let rule = CommandRule(
    name: "bucket encrypt",
    summary: "set the default encryption of buckets, and prove it with an object",
    details: """
      Speaks with the S3 server, not with the agents. What is so already is not done again. Makes a key or a
      bucket only with --create-key and --create-bucket. Asks before the default encryption of a bucket is
      replaced by another; objects that are there stay as they were written. Without the yes, and in a dry run without
      --yes, it ends with 5.

      The proof: objects of 1 MiB and of 0 bytes are written without a word about encryption. The server must
      say that they are encrypted, with that very key, and give back the same bytes. They are named
      keyturn-proof-... and removed, all versions of them.

      Before the first change all is looked at: exit 4 to 8, 77 and 78 mean that nothing was changed. Exit 1
      names what was done; the same command again does the rest.
      """,
    examples: [
      (
        "keyturn bucket encrypt data --key bucket-data --create-key --create-bucket --alias primary",
        "the documentation's last steps, with mc's alias"
      ),
      ("keyturn bucket encrypt data logs --key bucket-data --local", "on a node, as root"),
      (
        "keyturn bucket encrypt data --sse-s3 --endpoint https://minio.example.net --dry-run",
        "shows what would be done, with AWS's variables"
      ),
    ],
    exitCodes: [
      .done, .failed, .unreachable, .validationRefused, .keyManagerRefused, .voteRefused,
    ] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let access = try S3Access.resolve(options.server, context)
    let wanted: BucketEncryption = options.key.map { .sseKMS(key: $0) } ?? .sseS3
    let unfinished = UnfinishedWork()
    let client = S3Client(access, isInterrupted: { unfinished.isInterrupted })
    // Until something is changed an interruption ends the process at once, also at the question.
    let plan = try look(client, wanted)
    if let result = show(plan, on: client) { return result }
    return context.handled(unfinished) {
      BucketWork(
        console: context.console, client: client, plan: plan, options: options,
        unfinished: unfinished
      ).run()
    }
  }

  // MARK: before the first change

  private func look(_ client: S3Client, _ wanted: BucketEncryption) throws(Refusal) -> BucketPlan {
    do throws(S3Failure) {
      let key = try client.look(atKey: wanted.key ?? "")
      var looks: [(bucket: String, look: BucketLook)] = []
      for bucket in options.uniqueBuckets {
        looks.append(
          (bucket, try client.look(at: bucket, withStorage: !options.hasNoProof)))
      }
      return BucketPlan(
        wanted, key: key, looks: looks,
        BucketPlan.Permission(
          createsKey: options.createsKey, createsBuckets: options.createsBuckets,
          proves: !options.hasNoProof, keepsProof: options.keepsProof))
    } catch {
      let refusal = error.refusal
      throw Refusal(refusal.code, "\(client.name): \(refusal.message); nothing was changed")
    }
  }

  /// Tells the plan; the result if it is not carried out.
  private func show(_ plan: BucketPlan, on client: S3Client) -> CommandResult? {
    let console = context.console
    for step in plan.steps { console.event("plan", plan.fields(step)) }
    for warning in plan.warnings { console.message(.warning, warning) }
    if !plan.refusals.isEmpty {
      for refusal in plan.refusals { console.message(.error, refusal.message) }
      let code = plan.refusals.map(\.code).deciding ?? .failed
      console.line("nothing was changed")
      return CommandResult(ExitCode(code), message: plan.refusals[0].message)
    }
    console.progress("on \(client.name):")
    for line in plan.lines { console.progress(line) }
    if options.isDry, !plan.replaced.isEmpty, !options.isUnasked {
      return refused(
        "nothing was changed (--dry-run): the default encryption of \(plan.replacedNames) would be replaced by another, which takes --yes or the answer to a question"
      )
    }
    if options.isDry {
      let message = plan.isChange ? "nothing was changed (--dry-run)" : "nothing to change"
      console.line(message)
      return CommandResult(.done, outcome: "planned", message: message)
    }
    return ask(plan)
  }

  /// Asks where something that encrypts now would do it in another way.
  private func ask(_ plan: BucketPlan) -> CommandResult? {
    if plan.replaced.isEmpty || options.isUnasked { return nil }
    let names = plan.replacedNames
    let question =
      "This replaces the default encryption of \(names); objects that are there stay as they were written. Type yes to go on: "
    let answer = context.host.ask(question)
    if answer == "yes" { return nil }
    return refused(
      answer == nil
        ? "nothing was changed: the default encryption of \(names) would be replaced, and there is no terminal to ask on; give --yes to go on unasked"
        : "nothing was changed: the answer was not \"yes\"")
  }

  private func refused(_ message: String) -> CommandResult {
    context.console.message(.error, message)
    return CommandResult(.validationRefused, message: message)
  }
}

extension BucketEncryptCommand.Options {
  /// In their order, each once.
  var uniqueBuckets: [String] {
    var seen: Set<String> = []
    return buckets.filter { seen.insert($0).inserted }
  }
}

extension BucketPlan {
  /// The buckets whose objects were encrypted in another way until now.
  fileprivate var replacedNames: String { replaced.map(\.bucket).joined(separator: ", ") }

  func fields(_ step: Step) -> JSONObject {
    [
      "bucket": step.bucket, "makes": step.makes, "sets": step.sets, "replaces": step.replaces,
      "before": step.before.fields, "wanted": wanted.fields, "createsKey": createsKey,
    ]
  }
}

extension BucketEncryption {
  /// For programs.
  var fields: JSONObject { ["algorithm": algorithm, "key": key] }
}
