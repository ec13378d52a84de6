// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Threads

extension LabTests {
  /// The vendor's procedure to its end, on four nodes, and other servers.
  @Suite(.serialized, .lab(nodes: 4, keyManagers: 2))
  struct BucketProcedureTests {
    let buckets: BucketLab
    private var lab: Lab { buckets.lab }

    init() throws { buckets = try BucketLab(#require(Lab.current)) }

    @Test("from zero to an encrypted object; before encryption is enabled it is refused")
    func procedure() throws {
      let command = ["encrypt", "data", "--key", "bucket-data", "--create-key", "--create-bucket"]
      let alias = ["--alias", "minio-1", "--mc-config-dir", buckets.configuration]
      func encrypt() throws -> Subprocess.Outcome {
        try lab.keyturn(["bucket"] + command + ["--json"] + alias)
      }
      // The server has no Key Manager: nothing is made.
      let early = try encrypt()
      #expect(early.status == 7, "\(early.stdout)\(early.stderr)")
      #expect((early.stdout + early.stderr).contains("keyturn apply"), "\(early.stdout)")
      #expect(try buckets.seen().isEmpty)

      try lab.encrypt()
      let first = try encrypt()
      #expect(first.status == 0, "\(first.stdout)\(first.stderr)")
      #expect(try first.events().last?.changed == true)
      let again = try encrypt()
      #expect(again.status == 0, "\(again.stdout)\(again.stderr)")
      #expect(try again.events().last?.changed == false)

      let wanted = BucketLab.Seen(encryption: ["aws:kms", "bucket-data"], objects: [])
      for node in lab.nodes { #expect(try buckets.seen(alias: node) == ["data": wanted]) }
      let written = try buckets.boto3("write", "data", "object", "text", alias: "minio-3")
      #expect(written == "[\"aws:kms\", \"arn:aws:kms:bucket-data\"]\n")
      #expect(try buckets.boto3("read", "data", "object", alias: "minio-4") == "\"text\"\n")

      try buckets.expect(0, ["data", "proven"], "check", "--all", "--prove", alias: "minio-2")
      try buckets.expect(0, ["bucket-data"], "key", "list", alias: "minio-3")
      try buckets.expect(0, ["bucket-data"], "key", "status", "bucket-data", alias: "minio-4")
      #expect(try buckets.seen()["data"]?.objects == ["object"])
      // On a node, as the root user that its server runs with.
      let local = try lab.exec("minio-4", "keyturn bucket check data --prove --local")
      #expect(local.contains("proven"), "\(local)")
    }

    @Test("no secret is in argument lists, output, JSON, errors or journals")
    func secrets() throws {
      try lab.encrypt()
      try buckets.behave("user \(BucketLab.user) \(BucketLab.secret)")
      defer { try? buckets.behave() }
      let secrets = [BucketLab.rootSecret, BucketLab.secret]
      // The root user's is every lab's, and stands in the arguments of an ObjectClient of another one.
      let list = try lab.file("the-secret", BucketLab.secret + "\n")
      let before = try lab.exec("minio-1", "date +%s")
      let sampler = try lab.start(
        """
        while :; do cat /proc/[0-9]*/cmdline 2>/dev/null; echo; done |
        grep --line-buffered -aF -f \(list)
        """)
      defer { sampler.signal(15) }
      var said = ""
      for alias in ["minio-1", "second", "wrong", "nobody"] {
        for arguments in [
          ["encrypt", "secrets", "--key", "secrets-key", "--create-key", "--create-bucket"],
          ["encrypt", "secrets", "--sse-s3"], ["check", "secrets", "--prove"],
          ["key", "list"], ["key", "status", "no-such-key"],
        ] {
          for form in [[], ["--json"]] {
            let outcome = try lab.keyturn(
              ["bucket"] + arguments + form
                + ["--alias", alias, "--mc-config-dir", buckets.configuration])
            said += outcome.stdout + outcome.stderr
          }
        }
      }
      #expect(said.contains("secrets-key"))
      #expect(sampler.lines.isEmpty, "\(sampler.lines.map(\.text))")
      for (node, journal) in try lab.onEachNode("journalctl -q -a -o export --since @\(before)") {
        for secret in secrets { #expect(!journal.contains(secret), "\(node)") }
      }
      for secret in secrets { #expect(!said.contains(secret)) }
      // It would have been seen.
      let leak = try lab.start("sleep 60; : \(BucketLab.secret)")
      #expect(sampler.wait(until: .inMilliseconds(20_000)) { !$0.isEmpty })
      leak.signal(9)
    }

    @Test("moto's S3 server, without an API for keys: set, proven, and so again by boto3")
    func moto() throws {
      let server = try lab.start("exec \(Python.path) -m moto.server -H 127.0.0.1 -p 5000")
      defer { server.signal(15) }
      try lab.run(
        "for try in $(seq 200); do curl -so /dev/null http://127.0.0.1:5000/ && exit; sleep 0.1; done; exit 1"
      )
      for bucket in ["data", "versions"] {
        try buckets.boto3("make", bucket, bucket == "data" ? "plain" : "versioned", alias: "moto")
      }
      // A key whose state nobody tells: set, with a warning.
      try buckets.expect(
        0, ["no KMS API", "proven"], "encrypt", "data", "versions", "new", "--key", "bucket-data",
        "--create-bucket", alias: "moto")
      let wanted = BucketLab.Seen(encryption: ["aws:kms", "bucket-data"], objects: [])
      #expect(
        try buckets.seen(alias: "moto") == ["data": wanted, "versions": wanted, "new": wanted])
      try buckets.expect(0, ["data"], "check", "--all", "--prove", alias: "moto")
      // Another default, asked for.
      try buckets.expect(5, ["--yes"], "encrypt", "data", "--sse-s3", alias: "moto")
      #expect(try buckets.seen(alias: "moto")["data"] == wanted)
      try buckets.expect(0, ["proven"], "encrypt", "data", "--sse-s3", "--yes", alias: "moto")
      #expect(try buckets.seen(alias: "moto")["data"]?.encryption == ["AES256", ""])
      #expect(try buckets.seen(alias: "moto")["data"]?.objects == [])
    }
  }
}
