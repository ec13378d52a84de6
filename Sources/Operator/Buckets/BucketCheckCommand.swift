// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import S3
internal import Threads

/// `keyturn bucket check`: whether buckets encrypt what is written into them.
struct BucketCheckCommand: Command {
  struct Options: OptionGroup {
    @Option(operands: "BUCKET", as: .bucket)
    var buckets: [String]
    @Option("all", help: "every bucket that the access key may list")
    var isAll: Bool
    @Option("prove", help: "prove each with objects, as bucket encrypt does")
    var proves: Bool
    var server = S3Options()

    var problem: String? {
      if buckets.isEmpty, !isAll { return "name buckets, or take them all with --all" }
      if !buckets.isEmpty, isAll { return "--all is every bucket: do not name some, too" }
      return server.problem
    }
  }

  static let rule = CommandRule(
    name: "bucket check",
    summary: "show the default encryption of buckets, and whether their keys are usable",
    details: """
      Reads only, but for --prove, which writes objects named keyturn-proof-... and removes them. Exit 0: each
      bucket has a default encryption whose key the server can use (and, with --prove, it is proven). Exit 1: one
      has not, or could not be looked at.
      """,
    examples: [
      ("keyturn bucket check data logs --alias primary", "two buckets"),
      ("keyturn bucket check --all --prove --local", "on a node, as root, with proofs"),
    ],
    exitCodes: [.done, .failed, .unreachable, .keyManagerRefused, .voteRefused]
      + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  private struct Row {
    var bucket: String
    var encryption: BucketEncryption?
    var key: KeyLook?
    var proof: ProofOutcome?
    /// Why it is not as it must be; nil if it is.
    var problem: String?
  }

  func run() throws(Refusal) -> CommandResult {
    let access = try S3Access.resolve(options.server, context)
    let flag = Lock(false)
    return try context.interruption.handled(by: { flag.update { $0 = true } }) {
      () throws(Refusal) in
      let client = S3Client(access, isInterrupted: { flag.withLock { $0 } })
      let buckets = try names(client)
      var keys: [String: KeyLook] = [:]
      var rows: [Row] = []
      for bucket in buckets { rows.append(try look(bucket, client, &keys)) }
      return tell(rows, client)
    }
  }

  /// Those that are named, or all, as the server lists them.
  private func names(_ client: S3Client) throws(Refusal) -> [String] {
    guard options.isAll else {
      var seen: Set<String> = []
      return options.buckets.filter { seen.insert($0).inserted }
    }
    do throws(S3Failure) {
      let request = S3Request.listBuckets()
      let names = try S3Client.read(request, try client.ask(request), S3Documents.buckets)
      if names.count > Limits.buckets {
        context.console.message(
          .warning,
          "the server has \(names.count) buckets; the first \(Limits.buckets) are looked at: name the others"
        )
      }
      return Array(names.prefix(Limits.buckets))
    } catch { throw Self.refusal(error, client) }
  }

  private static func refusal(_ failure: S3Failure, _ client: S3Client) -> Refusal {
    let refusal = failure.refusal
    return Refusal(refusal.code, "\(client.name): \(refusal.message)")
  }

  /// - Throws: what keeps it from every other bucket too.
  private func look(
    _ bucket: String, _ client: S3Client, _ keys: inout [String: KeyLook]
  ) throws(Refusal) -> Row {
    var row = Row(bucket: bucket)
    do throws(S3Failure) {
      let look = try client.look(at: bucket, withStorage: options.proves)
      guard look.exists else {
        row.problem = "there is no such bucket"
        return row
      }
      row.encryption = look.encryption
      switch look.encryption {
      case .none:
        row.problem =
          "objects are stored as they are: keyturn bucket encrypt \(bucket) --key NAME sets it"
        return row
      case .other: row.problem = "its default encryption is not known here"
      case .sseS3, .sseKMS: break
      }
      let name = look.encryption.key ?? ""
      let key = if let known = keys[name] { known } else { try client.look(atKey: name) }
      keys[name] = key
      row.key = key
      switch key {
      case .missing: row.problem = "the Key Manager has no key \(name)"
      case .failing(let words): row.problem = "the server cannot use its key: \(words)"
      case .usable, .untold, .unserved: break
      }
      if options.proves, row.problem == nil { prove(&row, look, client) }
    } catch {
      switch error {
      case .unanswered, .interrupted: throw Self.refusal(error, client)
      // Who asks is known, and has not all rights: others may be seen.
      case .refused(let answer, _)
      where answer.code != "AccessDenied" && answer.status == 403 && answer.code != nil:
        throw Self.refusal(error, client)
      default: row.problem = error.refusal.message
      }
    }
    return row
  }

  private func prove(_ row: inout Row, _ look: BucketLook, _ client: S3Client) {
    guard let storage = look.storage, let encryption = row.encryption else { return }
    if let retention = storage.retention {
      row.problem =
        "not proven: it keeps every object for \(retention.time) (object lock), so a proof could not be removed"
      return
    }
    let proof = EncryptionProof(
      client: client, bucket: row.bucket, expected: encryption, storage: storage
    ).run()
    row.proof = proof
    row.problem = proof.problem?.message
    if let reason = proof.leftReason {
      row.problem = proof.left.statement(because: reason)
    }
  }

  private func tell(_ rows: [Row], _ client: S3Client) -> CommandResult {
    let console = context.console
    for row in rows {
      console.event(
        "bucket",
        [
          "bucket": row.bucket, "encryption": row.encryption?.fields, "keyState": row.key?.word,
          "proof": row.proof.map { $0.isProven ? "proven" : "failed" } ?? "none",
          "problem": row.problem, "left": row.proof?.left ?? [],
        ])
    }
    console.table(
      ["BUCKET", "DEFAULT ENCRYPTION", "KEY"] + (options.proves ? ["PROOF"] : []),
      rows.map { row in
        [row.bucket, row.encryption?.text ?? "-", row.key?.word ?? "-"]
          + (options.proves ? [row.proof.map { $0.isProven ? "proven" : "failed" } ?? "-"] : [])
      })
    for row in rows {
      if let problem = row.problem { console.message(.error, "\(row.bucket): \(problem)") }
    }
    let untold = rows.compactMap { $0.key?.untoldReason }
    for reason in Set(untold).sorted() {
      console.message(.warning, "the state of keys is not known: \(reason)")
    }
    let wrong = rows.count { $0.problem != nil }
    let proof = options.proves ? ", proven" : ""
    let message =
      rows.isEmpty
      ? "\(client.name) has no bucket that this access key may list"
      : wrong == 0
        ? "\(rows.count == 1 ? "the bucket encrypts" : "all \(rows.count) buckets encrypt") by default\(proof)"
        : "\(wrong) of \(rows.count) bucket\(rows.count == 1 ? "" : "s") not as it must be"
    console.result(message)
    return CommandResult(wrong == 0 ? .done : .failed, message: message)
  }
}
