// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// What can be wrong on the way to a bucket that encrypts: each is told, leaves nothing, and once it
  /// is mended the same command ends the job.
  @Suite(.serialized, .lab(nodes: 4, keyManagers: 2))
  struct BucketTests {
    let buckets: BucketLab
    private var lab: Lab { buckets.lab }

    init() throws {
      buckets = try BucketLab(#require(Lab.current))
      try lab.encrypt()
      try buckets.behave()
      _ = try buckets.keyturn("key", "create", "good-key")
    }

    /// The default encryption is this key's, and no object is there but these.
    private func expectEncrypted(
      _ bucket: String, _ key: String = "good-key", objects: [String] = [],
      at location: SourceLocation = #_sourceLocation
    ) throws {
      #expect(
        try buckets.seen()[bucket] == .init(encryption: ["aws:kms", key], objects: objects),
        sourceLocation: location)
    }

    @Test("a key that is missing is created only with --create-key")
    func keyMissing() throws {
      try buckets.expect(
        7, ["new-key", "--create-key"], "encrypt", "key-missing", "--key", "new-key",
        "--create-bucket")
      #expect(try buckets.seen()["key-missing"] == nil)
      try buckets.expect(
        0, ["proven"], "encrypt", "key-missing", "--key", "new-key", "--create-bucket",
        "--create-key")
      try expectEncrypted("key-missing", "new-key")
    }

    @Test("a bucket that is missing is made only with --create-bucket")
    func bucketMissing() throws {
      try buckets.expect(
        5, ["--create-bucket"], "encrypt", "bucket-missing", "--key", "good-key")
      #expect(try buckets.seen()["bucket-missing"] == nil)
      try buckets.expect(
        0, ["proven"], "encrypt", "bucket-missing", "--key", "good-key", "--create-bucket")
      try expectEncrypted("bucket-missing")
    }

    @Test("an unknown access key and a wrong secret key are named", arguments: ["nobody", "wrong"])
    func credentials(_ alias: String) throws {
      let code = alias == "nobody" ? "InvalidAccessKeyId" : "SignatureDoesNotMatch"
      try buckets.expect(
        77, [code, "nothing was changed"], "encrypt", "credentials-\(alias)", "--key", "good-key",
        "--create-bucket", alias: alias)
      #expect(try buckets.seen()["credentials-\(alias)"] == nil)
      try buckets.expect(
        0, ["proven"], "encrypt", "credentials-\(alias)", "--key", "good-key", "--create-bucket")
      try expectEncrypted("credentials-\(alias)")
    }

    @Test(
      "a right that is denied is named, and what is done already stays",
      arguments: [
        ("s3:PutEncryptionConfiguration", 77), ("s3:GetEncryptionConfiguration", 77),
        ("s3:GetBucketVersioning", 77), ("s3:PutObject", 1), ("s3:GetObject", 1),
      ] as [(String, Int32)])
    func denied(_ action: String, _ status: Int32) throws {
      let bucket = "denied-\(action.dropFirst(3).lowercased())"
      let user = "user \(BucketLab.user) \(BucketLab.secret)"
      try buckets.boto3("make", bucket)
      try buckets.behave(user, "deny \(action)")
      try buckets.expect(
        status, [action], "encrypt", bucket, "--key", "good-key", alias: "second")
      #expect(try buckets.seen()[bucket]?.objects == [])
      try buckets.behave(user)
      try buckets.expect(0, ["proven"], "encrypt", bucket, "--key", "good-key", alias: "second")
      try expectEncrypted(bucket)
    }

    @Test("proof objects that may not be removed are named, all of them")
    func deletionDenied() throws {
      let user = "user \(BucketLab.user) \(BucketLab.secret)"
      try buckets.boto3("make", "stays")
      try buckets.behave(user, "deny s3:DeleteObject")
      let said = try buckets.expect(
        1, ["s3:DeleteObject", "still there"], "encrypt", "stays", "--key", "good-key",
        alias: "second")
      let left = try #require(try buckets.seen()["stays"]).objects
      #expect(!left.isEmpty)
      for object in left { #expect(said.contains("stays/\(object)"), "\(object): \(said)") }
    }

    @Test("a bucket of another owner is refused, and nothing is written into it")
    func foreign() throws {
      try buckets.behave("foreign-bucket theirs")
      let outcome = try buckets.keyturn(
        "encrypt", "theirs", "--key", "good-key", "--create-bucket")
      let said = outcome.stdout + outcome.stderr
      #expect([5, 77].contains(outcome.status), "\(said)")
      #expect(said.contains("theirs") && said.contains("nothing was changed"), "\(said)")
      try buckets.behave()
      #expect(try buckets.seen()["theirs"] == nil)
      try buckets.expect(
        0, ["proven"], "encrypt", "theirs", "--key", "good-key", "--create-bucket")
      try expectEncrypted("theirs")
    }

    @Test("of a proof in a bucket with versions no version is left, nor a delete marker")
    func versioned() throws {
      try buckets.boto3("make", "versioned", "versioned")
      try buckets.expect(0, ["proven"], "encrypt", "versioned", "--key", "good-key")
      try expectEncrypted("versioned")
    }

    @Test("a bucket that keeps every object is refused before a change; --keep-proof names them")
    func locked() throws {
      try buckets.boto3("make", "retained", "retained")
      try buckets.expect(
        5, ["object lock", "--keep-proof", "nothing was changed"], "encrypt", "retained", "--key",
        "good-key")
      #expect(try buckets.seen()["retained"] == .init(encryption: nil, objects: []))
      let said = try buckets.expect(
        0, ["proven"], "encrypt", "retained", "--key", "good-key", "--keep-proof")
      let kept = try #require(try buckets.seen()["retained"])
      #expect(kept.encryption == ["aws:kms", "good-key"] && kept.objects.count == 2)
      for object in kept.objects { #expect(said.contains(object), "\(said)") }
      // A lock that keeps nothing by default keeps no proof either.
      try buckets.boto3("make", "locked", "locked")
      try buckets.expect(0, ["proven"], "encrypt", "locked", "--key", "good-key")
      try expectEncrypted("locked")
    }

    @Test("another default encryption is replaced only with --yes, and old objects stay readable")
    func another() throws {
      try buckets.boto3("make", "another")
      try buckets.boto3("sse-s3", "another")
      #expect(
        try buckets.boto3("write", "another", "old", "kept").hasPrefix("[\"AES256\""))
      try buckets.expect(5, ["SSE-S3", "--yes"], "encrypt", "another", "--key", "good-key")
      #expect(try buckets.seen()["another"]?.encryption == ["AES256", ""])
      try buckets.expect(0, ["proven"], "encrypt", "another", "--key", "good-key", "--yes")
      try expectEncrypted("another", objects: ["old"])
      #expect(try buckets.boto3("read", "another", "old") == "\"kept\"\n")
    }

    @Test("without a Key Manager nothing is changed, and a check says which key fails")
    func keyManagerDown() throws {
      try buckets.boto3("make", "away")
      try buckets.expect(0, ["proven"], "encrypt", "away", "--key", "good-key")
      for host in lab.keyManagers { try lab.exec(host, "systemctl stop minkms") }
      defer { for host in lab.keyManagers { _ = try? lab.exec(host, "systemctl start minkms") } }
      try buckets.expect(
        7, ["good-key", "nothing was changed"], "encrypt", "not-away", "--key", "good-key",
        "--create-bucket")
      #expect(try buckets.seen()["not-away"] == nil)
      let check = try buckets.keyturn("check", "away", "--prove")
      #expect([1, 7].contains(check.status), "\(check.stdout)\(check.stderr)")
      #expect(try buckets.seen()["away"]?.objects == [])
      for host in lab.keyManagers { try lab.exec(host, "systemctl start minkms") }
      // The server asks a host again that did not answer after 30 s.
      let end = Instant.inMilliseconds(60_000)
      var outcome = check
      while Clock.now() < end, outcome.status != 0 {
        outcome = try buckets.keyturn(
          "encrypt", "not-away", "--key", "good-key", "--create-bucket")
      }
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      try expectEncrypted("not-away")
    }

    @Test("a server that is busy for two requests is asked again")
    func slowDown() throws {
      try buckets.behave("slow-down 2")
      try buckets.expect(
        0, ["proven"], "encrypt", "slow", "--key", "good-key", "--create-bucket")
      try buckets.behave()
      try expectEncrypted("slow")
    }

    @Test(
      "a server that dies at any of its requests: told, nothing left unnamed, the second run ends it"
    )
    func serverDies() throws {
      var (count, died) = (0, true)
      while died {
        let bucket = "dies-\(count)"
        try buckets.behave("once s3-exit-after \(count)")
        let process = try lab.exec("minio-1", "systemctl show minio -P MainPID")
        let outcome = try buckets.keyturn(
          "encrypt", bucket, "--key", "\(bucket)-key", "--create-key", "--create-bucket")
        let said = outcome.stdout + outcome.stderr
        died = outcome.status != 0
        if died {
          #expect([1, 4].contains(outcome.status), "request \(count): \(said)")
          #expect(said.contains("minio-1"), "request \(count): \(said)")
          if outcome.status == 4 { #expect(said.contains("nothing was changed"), "\(said)") }
          try lab.exec(
            "minio-1",
            """
            for try in $(seq 300); do
              systemctl reset-failed minio 2>/dev/null
              [ "$(systemctl show minio -P MainPID)" != \(process.trimmingLine) ] &&
              curl -sf -o /dev/null http://minio-1:9000/minio/health/cluster && exit
              systemctl start --no-block minio; sleep 0.1
            done; exit 1
            """)
        }
        try buckets.behave()
        let left = try buckets.seen()[bucket]?.objects ?? []
        for object in left { #expect(said.contains(object), "request \(count): \(said)") }
        try buckets.expect(
          0, ["proven"], "encrypt", bucket, "--key", "\(bucket)-key", "--create-key",
          "--create-bucket")
        try expectEncrypted(bucket, "\(bucket)-key", objects: left)
        count += 1
        try #require(count < 40)
      }
      // From the first look to the last deletion.
      #expect(count > 12, "it died at \(count) requests only")
      print("the server died at each of \(count - 1) requests")
    }
  }
}

extension String {
  fileprivate var trimmingLine: String { String(prefix { $0 != "\n" }) }
}
