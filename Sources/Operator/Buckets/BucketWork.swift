// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import S3

/// Carries out a ``BucketPlan``: the buckets and the key that are missing, then each bucket's default
/// encryption and its proof. Stops at the first that fails. It is run once.
final class BucketWork {
  private let console: Console
  private let client: S3Client
  private let plan: BucketPlan
  private let options: BucketEncryptCommand.Options
  private let unfinished: UnfinishedWork
  private var isChanged = false
  private var done: [String] = []
  private var kept: [LeftObject] = []
  private var left: [LeftObject] = []
  private var leftReason: String?
  /// Buckets that are finished.
  private var finished = 0
  /// Buckets that were there all of a sudden: what decides about a proof there.
  private var storages: [String: BucketStorage] = [:]

  init(
    console: Console, client: S3Client, plan: BucketPlan, options: BucketEncryptCommand.Options,
    unfinished: UnfinishedWork
  ) {
    self.console = console
    self.client = client
    self.plan = plan
    self.options = options
    self.unfinished = unfinished
  }

  func run() -> CommandResult {
    do throws(S3Failure) {
      // A bucket can be removed again, a key cannot: it comes when the buckets are there.
      for step in plan.steps where step.makes { try make(step.bucket) }
      if plan.createsKey, let key = plan.wanted.key { try create(key) }
      for step in plan.steps {
        if step.sets { try set(step.bucket) }
        if let problem = prove(step) { return failed(problem) }
        finished += 1
      }
    } catch {
      if error.mayHaveHappened { isChanged = true }
      return failed(error.refusal, isOpen: error.isOpen)
    }
    return succeeded()
  }

  private func tell(_ text: String) {
    done.append(text)
    unfinished.finished(text)
    console.progress(text)
  }

  // MARK: steps

  private func make(_ bucket: String) throws(S3Failure) {
    do throws(S3Failure) {
      try unfinished.during("the bucket \(bucket) may have been made") { () throws(S3Failure) in
        _ = try client.ask(.make(bucket: bucket, region: client.region))
      }
      isChanged = true
      tell("bucket \(bucket): made")
    } catch {
      guard error.code == "BucketAlreadyOwnedByYou" else { throw error }
      // Somebody else has made it since the look, or an earlier sending of ours.
      if error.mayHaveHappened {
        isChanged = true
        tell(
          "bucket \(bucket): is there; whether this command has made it is not known, since an earlier sending was not answered"
        )
      }
      if !options.hasNoProof { storages[bucket] = try client.storage(of: bucket) }
    }
  }

  private func create(_ key: String) throws(S3Failure) {
    let creation = try unfinished.during("the key \(key) may have been created") {
      () throws(S3Failure) in try client.createKey(key)
    }
    if creation.isNew == false { return }
    isChanged = true
    tell(creation.text(key))
  }

  /// Sets the default encryption and reads it back.
  private func set(_ bucket: String) throws(S3Failure) {
    guard let document = plan.wanted.document else { return }
    let request = S3Request.setEncryption(of: bucket, document: document)
    try unfinished.during("the default encryption of \(bucket) may have been set") {
      () throws(S3Failure) in _ = try client.ask(request)
    }
    isChanged = true
    let now: BucketEncryption
    do throws(S3Failure) { now = try client.encryption(of: bucket) } catch {
      tell("bucket \(bucket): default encryption is set, not read back")
      throw .unconfirmed(
        "the default encryption of \(bucket) is set; reading it back failed: \(error.refusal.message)",
        request)
    }
    guard now == plan.wanted else {
      throw .unproven("200, and afterwards that it is \(now.text)", request)
    }
    tell("bucket \(bucket): default encryption is \(plan.wanted.text) now")
  }

  /// Why the bucket is not finished; nil if it is.
  private func prove(_ step: BucketPlan.Step) -> Refusal? {
    if options.hasNoProof {
      console.event("bucket", fields(step, nil))
      return nil
    }
    let proof = EncryptionProof(
      client: client, bucket: step.bucket, expected: plan.wanted,
      storage: storages[step.bucket] ?? step.storage ?? .new, keeps: options.keepsProof,
      unfinished: unfinished
    ).run()
    kept += proof.kept
    left += proof.left
    leftReason = leftReason ?? proof.leftReason
    // An object that is left is a change, too.
    if !left.isEmpty { isChanged = true }
    console.event("bucket", fields(step, proof))
    if let problem = proof.problem { return problem }
    if !proof.left.isEmpty {
      return Refusal(
        .failed, "\(step.bucket) is proven, but an object of the proof is left, or may be")
    }
    tell(
      "bucket \(step.bucket): proven: an object of 1 MiB and an empty one were encrypted so and read back"
    )
    return nil
  }

  // MARK: ends

  private func fields(_ step: BucketPlan.Step, _ proof: ProofOutcome?) -> JSONObject {
    [
      "bucket": step.bucket, "changed": step.changes, "encryption": plan.wanted.fields,
      "proof": proof.map { $0.isProven ? "proven" : "failed" } ?? "none",
      "reason": proof?.problem?.message, "left": proof.map { $0.kept + $0.left } ?? [],
    ]
  }

  private func failed(_ refusal: Refusal, isOpen: Bool = false) -> CommandResult {
    console.message(.error, refusal.message)
    if !left.isEmpty { console.message(.error, left.statement(because: leftReason)) }
    var state: [String] = []
    if !isChanged { state.append("nothing was changed") }
    if !done.isEmpty { state.append("done before that: \(done.joined(separator: "; "))") }
    if isOpen { state.append("what failed may have been done all the same") }
    let rest = plan.steps.dropFirst(finished).map(\.bucket).joined(separator: ", ")
    state.append("not finished: \(rest)")
    console.result(
      "\(state.joined(separator: "; ")); once that is mended the same command again does the rest")
    // Only where nothing was changed, and nothing is left, may the exit code say so.
    return CommandResult(
      isChanged ? .failed : ExitCode(refusal.code), isChanged: isChanged, message: refusal.message)
  }

  private func succeeded() -> CommandResult {
    if !kept.isEmpty { console.progress("kept: \(kept.map(\.text).joined(separator: ", "))") }
    let names = plan.steps.map(\.bucket).joined(separator: ", ")
    let how = plan.wanted.key.map { "with the key \($0)" } ?? "with the server's own key"
    let proof = options.hasNoProof ? "not proven (--no-proof)" : "proven"
    let message = "objects written to \(names) are encrypted \(how): \(proof)"
    console.result(message)
    return CommandResult(
      .done, outcome: isChanged ? "done" : "unchanged", isChanged: isChanged, message: message)
  }
}
