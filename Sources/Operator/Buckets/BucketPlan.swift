// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import S3

/// What `keyturn bucket encrypt` would do, from what was seen; pure.
struct BucketPlan: Sendable {
  /// What happens to one bucket.
  struct Step: Sendable, Hashable {
    var bucket: String
    var makes: Bool
    var before: BucketEncryption
    var storage: BucketStorage?
    var sets: Bool
    /// Whether objects were encrypted in another way until now.
    var replaces: Bool { sets && before != .none }
    var changes: Bool { makes || sets }
  }

  /// What the command line allows.
  struct Permission: Sendable {
    var createsKey = false
    var createsBuckets = false
    var proves = true
    var keepsProof = false
  }

  let wanted: BucketEncryption
  /// Whether the key is to be created.
  let createsKey: Bool
  let steps: [Step]
  /// Why nothing may be done; empty if it may.
  let refusals: [Refusal]
  let warnings: [String]

  var replaced: [Step] { steps.filter(\.replaces) }
  var isChange: Bool { createsKey || steps.contains(where: \.changes) }

  /// - Parameter key: nil where no key was looked at.
  init(
    _ wanted: BucketEncryption, key: KeyLook?, looks: [(bucket: String, look: BucketLook)],
    _ permission: Permission
  ) {
    var refusals: [Refusal] = []
    var warnings: [String] = []
    let name = wanted.key ?? ""
    switch key {
    case .missing where !permission.createsKey:
      refusals.append(
        Refusal(
          .keyManager,
          "there is no key \(name) in the server's enclave; --create-key creates it, and keyturn bucket key list shows those there are"
        ))
    case .failing, .denied:
      refusals.append(
        Refusal(
          .keyManager,
          "the server cannot use \(name.isEmpty ? "its own key" : "the key \(name)"): \(key?.failure ?? "")"
        ))
    case .unserved where permission.createsKey:
      refusals.append(
        Refusal(
          .keyManager,
          "the server has no KMS API as MinIO has it, so the key \(name) cannot be created here; create it with the server's own tools, and leave --create-key out"
        ))
    case .untold, .unserved:
      warnings.append(
        "the key's state is not known: \(key?.untoldReason ?? "")"
          + (permission.proves ? "; the proof will show whether it is usable" : ""))
    case .missing, .usable, nil: break
    }
    createsKey =
      switch key {
      case .missing: permission.createsKey
      // To create one that exists changes nothing.
      case .untold: permission.createsKey
      default: false
      }
    var steps: [Step] = []
    for (bucket, look) in looks {
      if !look.exists, !permission.createsBuckets {
        refusals.append(
          Refusal(
            .validation,
            "there is no bucket \(bucket); --create-bucket makes it, or correct the name")
        )
      }
      if let retention = look.storage?.retention, permission.proves, !permission.keepsProof {
        refusals.append(
          Refusal(
            .validation,
            "the bucket \(bucket) keeps every object for \(retention.time) (object lock, \(retention.mode)), so the objects of a proof could not be removed; --keep-proof leaves them there, --no-proof proves nothing"
          ))
      }
      steps.append(
        Step(
          bucket: bucket, makes: !look.exists, before: look.encryption,
          storage: look.exists ? look.storage : .new, sets: look.encryption != wanted))
    }
    self.wanted = wanted
    self.steps = steps
    self.refusals = refusals
    self.warnings = warnings
  }

  /// A line for each thing that would be done, and for each that is so already.
  var lines: [StyledLine] {
    var lines: [StyledLine] = []
    func add(_ sign: String, _ text: String) { lines.append(Console.difference("\(sign) \(text)")) }
    for step in steps where step.makes { add("+", "bucket \(step.bucket): make it") }
    if createsKey { add("+", "key \(wanted.key ?? ""): create it") }
    for step in steps {
      if step.replaces { add("-", "bucket \(step.bucket): default encryption \(step.before.text)") }
      add(
        step.sets ? "+" : " ",
        "bucket \(step.bucket): default encryption \(wanted.text)"
          + (step.sets ? "" : ", as it is"))
    }
    return lines
  }
}
