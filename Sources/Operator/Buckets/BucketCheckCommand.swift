// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import S3

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
      bucket has a default encryption whose key the server can use; with --prove what is written is encrypted, also
      where the server does that by itself. Exit 1: one has not, or an object of a proof is left. Where buckets could not be looked at: the exit code of why, with
      what is known of the others. Exit 3: the server has more buckets than are looked at in one run.
      """,
    examples: [
      ("keyturn bucket check data logs --alias primary", "two buckets"),
      ("keyturn bucket check --all --prove --local", "on a node, as root, with proofs"),
    ],
    exitCodes: [
      .done, .failed, .unknown, .unreachable, .validationRefused, .keyManagerRefused, .voteRefused,
    ] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  private struct Row {
    var bucket: String
    var encryption: BucketEncryption?
    var key: KeyLook?
    var proof: ProofOutcome?
    /// Why it is not as it must be; nil if it is.
    var problem: String?
    /// Why it could not be looked at; then nothing is known of it.
    var obstacle: RefusalCode?
  }

  /// What came of it before it ended.
  private struct Findings {
    var rows: [Row] = []
    /// Buckets that are named, or that the server has listed.
    var count = 0
    /// Why not all of them were looked at.
    var ending: Refusal?
    /// Why not all that the server has are among them.
    var unlisted: String?
  }

  func run() throws(Refusal) -> CommandResult {
    let access = try S3Access.resolve(options.server, context)
    let unfinished = UnfinishedWork()
    let client = S3Client(access, isInterrupted: { unfinished.isInterrupted })
    // Where nothing is written a signal ends it at once.
    if !options.proves { return tell(try find(client, unfinished), client) }
    return try context.handled(unfinished) { () throws(Refusal) in
      tell(try find(client, unfinished), client)
    }
  }

  /// - Throws: why not even the first bucket could be looked at.
  private func find(
    _ client: S3Client, _ unfinished: UnfinishedWork
  ) throws(Refusal) -> Findings {
    var findings = Findings()
    let buckets = try names(client, &findings)
    findings.count = buckets.count
    var keys: [String: KeyLook] = [:]
    do throws(Refusal) {
      for bucket in buckets {
        findings.rows.append(try look(bucket, client, unfinished, &keys))
      }
    } catch {
      if findings.rows.isEmpty { throw error }
      findings.ending = error
    }
    return findings
  }

  /// Those that are named, or all, as the server lists them.
  private func names(
    _ client: S3Client, _ findings: inout Findings
  ) throws(Refusal) -> [String] {
    guard options.isAll else {
      var seen: Set<String> = []
      return options.buckets.filter { seen.insert($0).inserted }
    }
    var names: [String] = []
    var token: String?
    do throws(S3Failure) {
      repeat {
        let request = S3Request.listBuckets(after: token)
        let page = try S3Client.read(request, try client.ask(request), S3Documents.buckets)
        names += page.names
        // A page without a name would be followed by others like it.
        token = page.names.isEmpty ? nil : page.next
      } while token != nil && names.count <= Limits.buckets
    } catch {
      guard error.isTooLarge else { throw Self.refusal(error, client) }
      findings.unlisted = "the server has too many buckets to list them: name those to look at"
      return []
    }
    if names.count > Limits.buckets || token != nil {
      let others = token == nil ? "\(names.count - Limits.buckets)" : "some"
      findings.unlisted =
        "the server has more than \(Limits.buckets) buckets; \(others) were not looked at: name them"
    }
    return Array(names.prefix(Limits.buckets))
  }

  private static func refusal(_ failure: S3Failure, _ client: S3Client) -> Refusal {
    let refusal = failure.refusal
    return Refusal(refusal.code, "\(client.name): \(refusal.message)")
  }

  /// - Throws: what keeps it from every other bucket too.
  private func look(
    _ bucket: String, _ client: S3Client, _ unfinished: UnfinishedWork,
    _ keys: inout [String: KeyLook]
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
      case .none where options.proves:
        prove(&row, look, client, unfinished)
        return row
      case .none:
        row.problem =
          "it has no default encryption; whether the server encrypts by itself (MINIO_KMS_AUTO_ENCRYPTION) is not visible: --prove shows it, keyturn bucket encrypt \(bucket) --key NAME sets one"
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
      case .failing, .denied:
        row.problem = "the server cannot use its key: \(key.failure ?? "")"
      case .usable, .untold, .unserved: break
      }
      if options.proves, row.problem == nil { prove(&row, look, client, unfinished) }
    } catch {
      if Self.isOfAll(error) { throw Self.refusal(error, client) }
      let refusal = error.refusal
      row.problem = refusal.message
      row.obstacle = refusal.code
    }
    return row
  }

  /// Whether a failure says something of the server, or of who asks, and not of the one bucket.
  private static func isOfAll(_ failure: S3Failure) -> Bool {
    switch failure.reason {
    case .interrupted: true
    // A bucket in the server's name may be the only one whose name does not resolve.
    case .unanswered(let link): !(failure.isVirtual && link.kind == .unknownHost)
    // Who asks is known, and has not all rights: others may be seen. One that is busy was asked
    // several times already.
    case .refused(let answer):
      answer.status == 503
        || answer.status == 403 && answer.code != nil && answer.code != "AccessDenied"
        || answer.hasSkewedClock
    case .unreadable, .unproven, .unconfirmed: false
    }
  }

  private func prove(
    _ row: inout Row, _ look: BucketLook, _ client: S3Client, _ unfinished: UnfinishedWork
  ) {
    guard let storage = look.storage, let encryption = row.encryption else { return }
    if let retention = storage.retention {
      row.problem =
        "not proven: it keeps every object for \(retention.time) (object lock), so a proof could not be removed"
      return
    }
    let proof = EncryptionProof(
      client: client, bucket: row.bucket, expected: encryption == .none ? nil : encryption,
      storage: storage, unfinished: unfinished
    ).run()
    row.proof = proof
    let left = proof.left.isEmpty ? nil : proof.left.statement(because: proof.leftReason)
    let isPlain = encryption == .none && proof.seen == BucketEncryption.none
    let failure =
      isPlain
      ? "objects are stored as they are: keyturn bucket encrypt \(row.bucket) --key NAME sets a default encryption"
      : proof.problem?.message
    let problems = [failure, left].compactMap(\.self)
    row.problem = problems.isEmpty ? nil : problems.joined(separator: "; ")
  }

  // MARK: what came of it

  private func tell(_ findings: Findings, _ client: S3Client) -> CommandResult {
    let rows = findings.rows
    tell(rows)
    if let ending = findings.ending {
      context.console.message(
        .error,
        "\(ending.message); \(findings.count - rows.count) of \(findings.count) buckets were not looked at"
      )
    }
    if let unlisted = findings.unlisted { context.console.message(.error, unlisted) }
    let message = message(findings, client)
    context.console.result(message)
    return CommandResult(
      code(findings), isChanged: rows.contains { $0.proof?.left.isEmpty == false },
      message: findings.ending?.message ?? message)
  }

  private func code(_ findings: Findings) -> ExitCode {
    // What is known to be wrong comes before what is not known.
    if findings.rows.contains(where: { $0.problem != nil && $0.obstacle == nil }) { return .failed }
    if let ending = findings.ending { return ExitCode(ending.code) }
    if let obstacle = findings.rows.compactMap(\.obstacle).deciding { return ExitCode(obstacle) }
    return findings.unlisted == nil ? .done : .unknown
  }

  private func message(_ findings: Findings, _ client: S3Client) -> String {
    let rows = findings.rows
    let wrong = rows.count { $0.problem != nil && $0.obstacle == nil }
    let unseen = rows.count { $0.obstacle != nil }
    let proof = options.proves ? ", proven" : ""
    if wrong + unseen > 0 {
      let buckets = "of \(rows.count) bucket\(rows.count == 1 ? "" : "s")"
      if wrong == 0 { return "\(unseen) \(buckets) could not be looked at" }
      let also = unseen > 0 ? "; \(unseen) could not be looked at" : ""
      return "\(wrong) \(buckets) not as it must be\(also)"
    }
    if findings.ending != nil || findings.unlisted != nil {
      return
        "\(rows.count) bucket\(rows.count == 1 ? " encrypts" : "s encrypt") by default\(proof); others were not looked at"
    }
    if rows.isEmpty { return "\(client.name) has no bucket that this access key may list" }
    return rows.count == 1
      ? "the bucket encrypts by default\(proof)"
      : "all \(rows.count) buckets encrypt by default\(proof)"
  }

  private func tell(_ rows: [Row]) {
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
    if !rows.isEmpty {
      console.table(
        ["BUCKET", "DEFAULT ENCRYPTION", "KEY"] + (options.proves ? ["PROOF"] : []),
        rows.map { row in
          [row.bucket, row.encryption?.text ?? "-", row.key?.word ?? "-"]
            + (options.proves ? [row.proof.map { $0.isProven ? "proven" : "failed" } ?? "-"] : [])
        })
    }
    tellProblems(rows)
    for row in rows where row.encryption == BucketEncryption.none && row.proof?.isProven == true {
      console.message(
        .note,
        "\(row.bucket): the server encrypts by itself, with \(row.proof?.seen?.text ?? "a key of its own") (MINIO_KMS_AUTO_ENCRYPTION); the bucket has no default encryption"
      )
    }
    let untold = rows.compactMap { $0.key?.untoldReason }
    for reason in Set(untold).sorted() {
      console.message(.warning, "the state of keys is not known: \(reason)")
    }
  }

  /// A line for each problem; one for all buckets whose problems differ only in the bucket's name.
  private func tellProblems(_ rows: [Row]) {
    var groups: [String: [Row]] = [:]
    var order: [String] = []
    for row in rows {
      guard let problem = row.problem else { continue }
      let alike = problem.replacing(row.bucket, with: "BUCKET")
      if groups[alike] == nil { order.append(alike) }
      groups[alike, default: []].append(row)
    }
    for alike in order {
      let group = groups[alike] ?? []
      let shown = group.prefix(Self.namesShown).map(\.bucket).joined(separator: ", ")
      let more = group.count - Self.namesShown
      context.console.message(
        .error,
        "\(shown)\(more > 0 ? " and \(more) more" : ""): \(group.count == 1 ? group[0].problem ?? "" : alike)"
      )
    }
  }

  /// Buckets that are named with one problem; the table has all.
  private static let namesShown = 20
}
