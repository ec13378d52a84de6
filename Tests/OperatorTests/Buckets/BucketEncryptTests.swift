// SPDX-License-Identifier: Apache-2.0
import Coordination
import HTTP
import Model
import S3
import Secrets
import Testing
import Threads

@testable import Operator

@Suite struct BucketEncryptTests {
  static let variables = ["MC_HOST_primary": "https://ann:s3cr3t-word@minio-1.example.net:9000"]

  static func run(
    _ arguments: String, on server: FakeS3Server, answer: String? = nil,
    interruption: Interruption = Interruption()
  ) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      "bucket \(arguments) --alias primary", [], answer: answer, variables: variables,
      interruption: interruption, stores: FakeStores(server: server))
  }

  private func run(
    _ arguments: String, on server: FakeS3Server, answer: String? = nil
  ) -> (code: ExitCode, host: FakeCommandHost) { Self.run(arguments, on: server, answer: answer) }

  @Test(
    "the documentation's last steps: key, bucket, default encryption, and a proof without a trace")
  func whole() {
    let server = FakeS3Server()
    let (code, host) = run(
      "encrypt data --key bucket-key --create-key --create-bucket", on: server)
    #expect(code == .done)
    #expect(server.bucket("data")?.encryption == .sseKMS(key: "bucket-key"))
    #expect(server.bucket("data")?.objects.isEmpty == true)
    #expect(
      host.lines.last == "objects written to data are encrypted with the key bucket-key: proven")
    let sizes = server.changes.map { $0.split(separator: "-")[0] }
    #expect(
      sizes == [
        "PUT /data", "POST /minio/kms/v1/key/create?key", "PUT /data?encryption",
        "PUT /data/keyturn", "DELETE /data/keyturn", "PUT /data/keyturn", "DELETE /data/keyturn",
      ])
    #expect(Set(server.state.withLock { $0.hosts }) == ["minio-1.example.net:9000"])
  }

  @Test("a second run changes nothing, and proves it again")
  func idempotent() {
    let server = FakeS3Server()
    let line = "encrypt data --key bucket-key --create-key --create-bucket --json"
    #expect(run(line, on: server).code == .done)
    let before = server.changes.count
    let (code, host) = run(line, on: server)
    #expect(code == .done)
    #expect(server.changes.dropFirst(before).allSatisfy { $0.contains("/data/keyturn-proof-") })
    #expect(host.lines.last?.contains("\"changed\":false") == true)
    #expect(host.lines.last?.contains("\"outcome\":\"unchanged\"") == true)
    #expect(host.output.contains("\"proof\":\"proven\""))
  }

  @Test(
    "what the flags do not allow is refused before anything is changed",
    arguments: [
      ("encrypt data --key bucket-key --create-bucket", ExitCode.keyManagerRefused, "--create-key"),
      ("encrypt data --key primary-key", .validationRefused, "--create-bucket"),
      ("encrypt data --key bucket-key", .validationRefused, "--create-bucket"),
    ])
  func missing(line: String, expected: ExitCode, words: String) {
    let server = FakeS3Server()
    let (code, host) = run(line, on: server)
    #expect(code == expected)
    #expect(host.errors.contains(words))
    #expect(host.output.contains("nothing was changed"))
    #expect(server.changes.isEmpty)
  }

  @Test("another default encryption is replaced only where somebody says so")
  func replaced() {
    func server() -> FakeS3Server {
      FakeS3Server {
        $0.buckets["data"] = FakeS3Server.Bucket(encryption: .sseS3)
        $0.buckets["logs"] = FakeS3Server.Bucket()
      }
    }
    let line = "encrypt data logs --key primary-key"
    let silent = server()
    let (noTerminal, host) = run(line, on: silent)
    #expect(noTerminal == .validationRefused)
    #expect(host.errors.contains("default encryption of data would be replaced"))
    #expect(silent.changes.isEmpty)
    let refused = server()
    #expect(run(line, on: refused, answer: "no").code == .validationRefused)
    // Nobody is asked in a dry run, which ends as this command would without a terminal.
    for (more, expected) in [
      (" --dry-run", ExitCode.validationRefused), (" --dry-run --yes", .done),
    ] {
      let dry = server()
      let (code, host) = run(line + more + " --json", on: dry, answer: "yes")
      #expect(code == expected && dry.changes.isEmpty, "\(more)")
      let plans = host.lines.filter { $0.contains(#""event":"plan""#) }
      #expect(plans.map { $0.contains(#""replaces":true"#) } == [true, false], "\(host.output)")
    }
    #expect(refused.changes.isEmpty)
    for (answer, line) in [("yes", line), (nil, line + " --yes")] {
      let taken = server()
      let (code, host) = run(line, on: taken, answer: answer)
      #expect(code == .done)
      #expect(host.output.contains("- bucket data: default encryption SSE-S3"))
      #expect(taken.bucket("data")?.encryption == .sseKMS(key: "primary-key"))
      #expect(taken.bucket("logs")?.encryption == .sseKMS(key: "primary-key"))
    }
  }

  @Test("a dry run shows what would be done, and does nothing")
  func dry() {
    let server = FakeS3Server()
    let (code, host) = run(
      "encrypt data --key bucket-key --create-key --create-bucket --dry-run", on: server)
    #expect(code == .done)
    #expect(
      host.lines == [
        "on primary (https://minio-1.example.net:9000):", "+ bucket data: make it",
        "+ key bucket-key: create it",
        "+ bucket data: default encryption SSE-KMS with the key bucket-key",
        "nothing was changed (--dry-run)",
      ])
    #expect(server.changes.isEmpty)
  }

  @Test("SSE-S3 is proven with the server's own key")
  func sseS3() {
    let server = FakeS3Server { $0.buckets["data"] = FakeS3Server.Bucket() }
    let (code, host) = run("encrypt data --sse-s3", on: server)
    #expect(code == .done)
    #expect(server.bucket("data")?.encryption == .sseS3)
    #expect(
      host.lines.last == "objects written to data are encrypted with the server's own key: proven")
  }

  // MARK: the proof

  @Test("of a versioned bucket every version of the proof is removed, and nothing else")
  func versioned() {
    let other = FakeS3Server.Object(version: "v0", bytes: [1], encryption: .none)
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket(
        versioning: .enabled, objects: ["keyturn": [other], "report": [other]])
    }
    #expect(run("encrypt data --key primary-key", on: server).code == .done)
    #expect(server.bucket("data")?.objects.keys.sorted() == ["keyturn", "report"])
    #expect(server.bucket("data")?.objects.values.allSatisfy { $0.count == 1 } == true)
  }

  @Test("where objects cannot be removed there is no proof unless it may stay")
  func locked() {
    func server() -> FakeS3Server {
      FakeS3Server {
        $0.buckets["data"] = FakeS3Server.Bucket(
          versioning: .enabled, retention: ObjectRetention(mode: "COMPLIANCE", time: "30 days"))
      }
    }
    let refused = server()
    let (code, host) = run("encrypt data --key primary-key", on: refused)
    #expect(code == .validationRefused)
    #expect(host.errors.contains("keeps every object for 30 days"))
    #expect(refused.changes.isEmpty)
    let kept = server()
    let (done, told) = run("encrypt data --key primary-key --keep-proof", on: kept)
    #expect(done == .done)
    #expect(kept.bucket("data")?.objects.count == 2)
    #expect(told.output.contains("kept: data/keyturn-proof-"))
    let unproven = server()
    let (quiet, words) = run("encrypt data --key primary-key --no-proof", on: unproven)
    #expect(quiet == .done)
    #expect(unproven.bucket("data")?.objects.isEmpty == true)
    #expect(words.lines.last?.hasSuffix("not proven (--no-proof)") == true)
  }

  @Test("an object that is stored as it is, or comes back otherwise, is no proof, and is removed")
  func unproven() {
    let plain = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.ignoresEncryption = true
    }
    let (code, host) = run("encrypt data --key primary-key", on: plain)
    #expect(code == .failed)
    #expect(host.errors.contains("not encrypted"))
    #expect(plain.bucket("data")?.objects.isEmpty == true)
    let spoilt = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.spoilsBytes = true
    }
    let (other, words) = run("encrypt data --key primary-key", on: spoilt)
    #expect(other == .failed)
    #expect(words.errors.contains("other bytes than were written"))
    #expect(spoilt.bucket("data")?.objects.isEmpty == true)
  }

  @Test("what could not be removed is named")
  func left() {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.answers = [("DELETE /data/", FakeS3Server.error(403, "AccessDenied"))]
    }
    let (code, host) = run("encrypt data --key primary-key --json", on: server)
    #expect(code == .failed)
    #expect(server.bucket("data")?.objects.count == 1)
    let name = server.bucket("data")?.objects.keys.first ?? "-"
    #expect(host.output.contains("still there: data/\(name)"))
    #expect(host.output.contains("s3:DeleteObject"))
  }

  // MARK: what goes wrong

  @Test("a second run ends what a server that went away left half done")
  func resumed() {
    let server = FakeS3Server {
      $0.answers = [("PUT /data?encryption", nil)]
    }
    let line = "encrypt data --key bucket-key --create-key --create-bucket"
    let (code, host) = run(line, on: server)
    #expect(code == .failed)
    #expect(host.errors.contains("set the default encryption of the bucket data"))
    #expect(host.output.contains("done before that: bucket data: made; key bucket-key: created"))
    #expect(host.output.contains("the same command again does the rest"))
    #expect(run(line, on: server).code == .done)
    #expect(server.bucket("data")?.encryption == .sseKMS(key: "bucket-key"))
  }

  @Test(
    "each refusal has its exit code, its meaning and what to do, and nothing was changed",
    arguments: [
      (
        "HEAD /data", HTTPResponse(403) as HTTPResponse?, ExitCode.notPermitted, "s3:ListBucket"
      ),
      (
        "GET /data?encryption", FakeS3Server.error(403, "AccessDenied", "Access Denied."),
        .notPermitted, "does not allow s3:GetEncryptionConfiguration"
      ),
      (
        "GET /minio/kms/v1/key/status",
        FakeS3Server.jsonError(403, "InvalidAccessKeyId", "it does not exist"), .notPermitted,
        "no such access key"
      ),
      (
        "GET /minio/kms/v1/key/status",
        FakeS3Server.jsonError(403, "SignatureDoesNotMatch", "it does not match"), .notPermitted,
        "the secret key is another"
      ),
      (
        "GET /minio/kms/v1/key/status",
        FakeS3Server.jsonError(501, "NotImplemented", "KMS is not configured"), .keyManagerRefused,
        "keyturn apply enables it"
      ),
      ("GET /minio/kms/v1/key/status", nil, .unreachable, "see that the server runs"),
      (
        "GET /data?object-lock", HTTPResponse(200, body: Array("<html>".utf8)), .unreachable,
        "check that the endpoint"
      ),
    ])
  func refused(request: String, answer: HTTPResponse?, expected: ExitCode, words: String) {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.answers = [(request, answer)]
    }
    let (code, host) = run("encrypt data --key primary-key", on: server)
    #expect(code == expected)
    #expect(host.errors.contains(words), "\(host.errors)")
    #expect(host.errors.contains("nothing was changed"))
    #expect(server.changes.isEmpty)
    #expect(!host.errors.contains("s3cr3t"))
  }

  @Test("a first change that is denied has changed nothing, and the exit code says so")
  func denied() {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.answers = [("PUT /data?encryption", FakeS3Server.error(403, "AccessDenied"))]
    }
    let (code, host) = run("encrypt data --key primary-key", on: server)
    #expect(code == .notPermitted)
    #expect(host.errors.contains("does not allow s3:PutEncryptionConfiguration"))
    #expect(host.output.contains("nothing was changed; not finished: data"))
    server.state.update {
      $0.answers = [
        ("PUT /data/keyturn-proof-", FakeS3Server.error(500, "kms:KeyGenerationFailed"))
      ]
    }
    let (second, words) = run("encrypt data --key primary-key --json", on: server)
    #expect(second == .failed)
    #expect(words.output.contains("\"changed\":true"))
  }

  @Test(
    "a HEAD has no document: MinIO says in fields of its own who is not known, and it counts",
    arguments: [
      ("InvalidAccessKeyId", ExitCode.notPermitted, "no such access key"),
      ("SignatureDoesNotMatch", .notPermitted, "the secret key is another"),
      ("RequestTimeTooSkewed", .voteRefused, "clock"),
    ])
  func head(code: String, expected: ExitCode, words: String) {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.answers = [
        (
          "HEAD /data",
          HTTPResponse(
            403, headers: ["x-minio-error-code": code, "x-minio-error-desc": "\"it is so\""])
        )
      ]
    }
    let (exit, host) = Self.run("check data", on: server)
    #expect(exit == expected)
    #expect(host.errors.contains("\(code): it is so: "))
    #expect(host.errors.contains(words))
  }

  @Test(
    "a key that the server or its Key Manager will not create has changed nothing",
    arguments: [
      ("requested functionality is not supported", "none can be created"),
      ("insufficient permissions to perform KMS operation", "the Key Manager denies it"),
    ])
  func keyRefused(words: String, meaning: String) {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.answers = [
        (
          "POST /minio/kms/v1/key/create",
          FakeS3Server.jsonError(
            500, "InternalError", "We encountered an internal error. (\(words))")
        )
      ]
    }
    let (code, host) = run("encrypt data --key bucket-key --create-key --json", on: server)
    #expect(code == .keyManagerRefused)
    #expect(host.output.contains(meaning))
    #expect(host.lines.last?.contains("\"changed\":false") == true)
  }

  @Test(
    "where an object cannot be removed no other is written; one that may not be there is told so")
  func stops() {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket(encryption: .sseKMS(key: "primary-key"))
      $0.answers = [("DELETE /data/", FakeS3Server.error(403, "AccessDenied"))]
    }
    let (code, host) = run("encrypt data --key primary-key", on: server)
    #expect(code == .failed)
    #expect(server.bucket("data")?.objects.count == 1)
    #expect(host.errors.contains(" still there: data/keyturn-proof-"))
    // The write was not answered, and then the server was gone.
    server.state.update {
      $0.buckets["data"]?.objects = [:]
      $0.answers = [("PUT /data/keyturn-proof-", nil), ("DELETE /data/", nil)]
    }
    #expect(
      run("encrypt data --key primary-key", on: server).host.errors.contains(
        "may still be there: data/"))
    // The server has refused the write: there is nothing to remove.
    server.state.update {
      $0.answers = [("PUT /data/keyturn-proof-", FakeS3Server.error(403, "AccessDenied"))]
    }
    let before = server.changes.count
    #expect(run("encrypt data --key primary-key", on: server).code == .notPermitted)
    #expect(server.changes.dropFirst(before).count == 1)
  }

  @Test("a clock that is wrong is told with the difference")
  func clock() {
    let now = Clock.realtimeMicroseconds() / 1_000_000
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let ahead = now + 1_080
    let text = CalendarTime.text(seconds: ahead)
    let month = months[Int(text.dropFirst(5).prefix(2)).map { $0 - 1 } ?? 0]
    let date =
      "\(days[Int(ahead / 86_400 % 7)]), \(text.dropFirst(8).prefix(2)) \(month) \(text.prefix(4)) \(text.dropFirst(11).prefix(8)) GMT"
    var answer = FakeS3Server.error(403, "RequestTimeTooSkewed")
    answer.headers.add("date", date)
    let server = FakeS3Server { $0.answers = [("GET /minio/kms/v1/key/status", answer)] }
    let (code, host) = run("encrypt data --key primary-key", on: server)
    #expect(code == .voteRefused)
    #expect(
      host.errors.contains("this host's clock is 18 min behind the server's")
        || host.errors.contains("this host's clock is 17 min behind the server's"))
  }

  @Test("a key whose state nobody may tell is proven all the same")
  func untold() {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.answers = [
        (
          "GET /minio/kms/v1/key/status",
          FakeS3Server.jsonError(403, "AccessDenied", "Access Denied.")
        )
      ]
    }
    let (code, host) = run("encrypt data --key primary-key", on: server)
    #expect(code == .done)
    #expect(host.errors.contains("the key's state is not known"))
  }

  @Test("a server without MinIO's KMS API is asked to create no key; a key that is there is proven")
  func unserved() {
    func server() -> FakeS3Server {
      FakeS3Server {
        $0.buckets["data"] = FakeS3Server.Bucket()
        $0.answers = [
          ("GET /minio/kms/v1/key/status", FakeS3Server.error(404, "NoSuchBucket"))
        ]
      }
    }
    let (refused, plain) = (server(), server())
    let first = run("encrypt data --key primary-key --create-key", on: refused)
    #expect(first.code == .keyManagerRefused)
    #expect(first.host.errors.contains("no KMS API"))
    #expect(refused.changes.isEmpty)
    let second = run("encrypt data --key primary-key", on: plain)
    #expect(second.code == .done)
    #expect(second.host.errors.contains("the key's state is not known"))
  }

  @Test("a Key Manager that is away is seen before anything is changed")
  func keyManagerAway() {
    let server = FakeS3Server {
      $0.buckets["data"] = FakeS3Server.Bucket()
      $0.keyProblem = "failed to generate data key with KMS key"
    }
    let (code, host) = run("encrypt data --key primary-key", on: server)
    #expect(code == .keyManagerRefused)
    #expect(host.errors.contains("failed to generate data key"))
    #expect(server.changes.isEmpty)
  }

  @Test(
    "a line that cannot be meant is refused",
    arguments: [
      ("encrypt", "needs BUCKET..."), ("encrypt data", "--key NAME"),
      ("encrypt data --key a --sse-s3", "give one of them"),
      ("encrypt Data --key a", "no bucket's name"), ("encrypt da --key a", "3 to 63"),
      ("encrypt data --key a/b", "no key's name"),
      ("encrypt primary/data --key a", "stands apart from it: data --alias primary"),
      ("encrypt data --sse-s3 --create-key", "is for --key NAME"),
      ("encrypt data --key a --no-proof --keep-proof", "leaves no proof"),
      ("encrypt data --key a --local", "--alias and --local"),
    ])
  func usage(line: String, words: String) {
    let (code, host) = run(line, on: FakeS3Server())
    #expect(code == .usage)
    #expect(host.errors.contains(words), "\(host.errors)")
  }
}
