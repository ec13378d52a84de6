// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import S3

/// Carries out a ``BucketPlan``: each step, then its proof. Stops at the first that fails.
struct BucketWork {
  let console: Console
  let client: S3Client
  let plan: BucketPlan
  let options: BucketEncryptCommand.Options

  func run() -> CommandResult {
    var isChanged = false
    var done: [String] = []
    var left: [LeftObject] = []
    var current = plan.steps.first?.bucket ?? ""
    do throws(S3Failure) {
      if plan.createsKey, let key = plan.wanted.key {
        if try client.createKey(key) {
          isChanged = true
          tell(&done, "key \(key): created")
        }
      }
      for step in plan.steps {
        current = step.bucket
        if step.makes, try make(step.bucket) {
          isChanged = true
          tell(&done, "bucket \(step.bucket): made")
        }
        if step.sets {
          try set(step.bucket)
          isChanged = true
          tell(&done, "bucket \(step.bucket): default encryption is \(plan.wanted.text) now")
        }
        let proof = options.hasNoProof ? nil : prove(step)
        left += proof?.left ?? []
        console.event("bucket", fields(step, proof))
        if let problem = proof?.problem {
          return failed(problem, step.bucket, done, left, proof?.leftReason, isChanged)
        }
        if proof?.leftReason != nil {
          let problem = Refusal(.failed, "it is proven, but not all of the proof could be removed")
          return failed(problem, step.bucket, done, left, proof?.leftReason, isChanged)
        }
        if proof != nil { tell(&done, Self.proven(step.bucket)) }
      }
    } catch {
      if error.mayHaveHappened { isChanged = true }
      return failed(error.refusal, current, done, left, nil, isChanged)
    }
    return finished(left, isChanged)
  }

  private static func proven(_ bucket: String) -> String {
    "bucket \(bucket): proven: an object of 1 MiB and an empty one were encrypted so and read back"
  }

  private func tell(_ done: inout [String], _ text: String) {
    done.append(text)
    console.progress(text)
  }

  // MARK: steps

  /// False if the bucket is there by now: an earlier try that was not answered may have made it.
  private func make(_ bucket: String) throws(S3Failure) -> Bool {
    do throws(S3Failure) {
      _ = try client.ask(.make(bucket: bucket, region: client.region))
      return true
    } catch {
      if error.code == "BucketAlreadyOwnedByYou" { return false }
      throw error
    }
  }

  /// Sets the default encryption and reads it back.
  private func set(_ bucket: String) throws(S3Failure) {
    guard let document = plan.wanted.document else { return }
    let request = S3Request.setEncryption(of: bucket, document: document)
    _ = try client.ask(request)
    let now = try client.encryption(of: bucket)
    guard now == plan.wanted else {
      throw .unproven("afterwards that it is \(now.text)", request)
    }
  }

  private func prove(_ step: BucketPlan.Step) -> ProofOutcome {
    EncryptionProof(
      client: client, bucket: step.bucket, expected: plan.wanted, storage: step.storage ?? .new,
      keeps: options.keepsProof
    ).run()
  }

  // MARK: ends

  private func fields(_ step: BucketPlan.Step, _ proof: ProofOutcome?) -> JSONObject {
    [
      "bucket": step.bucket, "changed": step.changes, "encryption": plan.wanted.fields,
      "proof": proof.map { $0.isProven ? "proven" : "failed" } ?? "none",
      "reason": proof?.problem?.message, "left": proof?.left ?? [],
    ]
  }

  private func failed(
    _ refusal: Refusal, _ bucket: String, _ done: [String], _ left: [LeftObject],
    _ leftReason: String?, _ isChanged: Bool
  ) -> CommandResult {
    console.message(.error, refusal.message)
    if !left.isEmpty {
      console.message(.error, left.statement(because: leftReason))
    }
    let rest = plan.steps.map(\.bucket).drop { $0 != bucket }.joined(separator: ", ")
    let state =
      if !isChanged {
        "nothing was changed"
      } else if done.isEmpty {
        "it may have been done all the same"
      } else {
        "done before that: \(done.joined(separator: "; "))"
      }
    console.result(
      "\(state); not finished: \(rest); once that is mended the same command again does the rest")
    // Only where nothing was changed, and nothing is left, may the exit code say so.
    let code = isChanged || !left.isEmpty ? .failed : ExitCode(refusal.code)
    return CommandResult(code, isChanged: isChanged, message: refusal.message)
  }

  private func finished(_ left: [LeftObject], _ isChanged: Bool) -> CommandResult {
    if !left.isEmpty { console.progress("kept: \(left.map(\.text).joined(separator: ", "))") }
    let names = plan.steps.map(\.bucket).joined(separator: ", ")
    let how = plan.wanted.key.map { "with the key \($0)" } ?? "with the server's own key"
    let proof = options.hasNoProof ? "not proven (--no-proof)" : "proven"
    let message = "objects written to \(names) are encrypted \(how): \(proof)"
    console.result(message)
    return CommandResult(
      .done, outcome: isChanged ? "done" : "unchanged", isChanged: isChanged, message: message)
  }
}
