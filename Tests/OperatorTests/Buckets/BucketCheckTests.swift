// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import S3
import Testing
import Threads

@testable import Operator

@Suite struct BucketCheckTests {
  private func run(
    _ arguments: String, on server: FakeS3Server
  ) -> (code: ExitCode, host: FakeCommandHost) { BucketEncryptTests.run(arguments, on: server) }

  private static func server() -> FakeS3Server {
    FakeS3Server {
      $0.buckets["data"] = .init(encryption: .sseKMS(key: "primary-key"))
      $0.buckets["logs"] = .init(encryption: .sseS3)
      $0.buckets["plain"] = .init()
    }
  }

  @Test("buckets that encrypt with usable keys are well")
  func well() {
    let server = Self.server()
    let (code, host) = run("check data logs", on: server)
    #expect(code == .done)
    #expect(
      host.lines == [
        "BUCKET  DEFAULT ENCRYPTION                KEY",
        "data    SSE-KMS with the key primary-key  usable",
        "logs    SSE-S3                            usable",
        "all 2 buckets encrypt by default",
      ])
    #expect(server.changes.isEmpty)
  }

  @Test("all: one without default encryption is named with the command that mends it")
  func all() {
    let (code, host) = run("check --all --json", on: Self.server())
    #expect(code == .failed)
    #expect(
      host.output.contains("plain: it has no default encryption; "))
    #expect(
      host.output.contains(": --prove shows it, keyturn bucket encrypt plain --key NAME sets one"))
    #expect(host.lines.last?.contains("1 of 3 buckets not as it must be") == true)
  }

  @Test("a key that is gone, and a bucket that is not there, are wrong")
  func gone() {
    let server = FakeS3Server {
      $0.buckets["data"] = .init(encryption: .sseKMS(key: "old"))
    }
    let (code, host) = run("check data nothing", on: server)
    #expect(code == .failed)
    #expect(host.errors.contains("data: the Key Manager has no key old"))
    #expect(host.errors.contains("nothing: there is no such bucket"))
  }

  @Test("with --prove each is proven; what is not encrypted is found")
  func proven() {
    let server = Self.server()
    let (code, host) = run("check data logs --prove", on: server)
    #expect(code == .done)
    #expect(host.lines[1].hasSuffix("usable  proven"))
    #expect(host.lines.last == "all 2 buckets encrypt by default, proven")
    server.state.update { $0.ignoresEncryption = true }
    let (lying, words) = run("check data --prove", on: server)
    #expect(lying == .failed)
    #expect(words.errors.contains("not encrypted"))
    #expect(server.bucket("data")?.objects.isEmpty == true)
  }

  @Test("a server that does not answer ends it, after what is known of the buckets before")
  func away() {
    let server = Self.server()
    server.state.update { $0.answers = [("HEAD /logs", nil)] }
    let (code, host) = run("check data logs plain", on: server)
    #expect(code == .unreachable)
    #expect(host.lines.dropFirst().first?.hasPrefix("data    SSE-KMS") == true)
    #expect(host.lines.last == "1 bucket encrypts by default; others were not looked at")
    #expect(host.errors.contains("2 of 3 buckets were not looked at"))
    #expect(!server.log.contains("HEAD /plain"))
  }

  @Test("what a proof has left in one bucket is told even if the next cannot be looked at")
  func leftBefore() {
    let server = Self.server()
    server.state.update {
      $0.answers = [("DELETE /data/", FakeS3Server.error(403, "AccessDenied"))]
      $0.losses = [.init(request: "HEAD /logs", ends: true)]
    }
    let (code, host) = run("check data logs --prove --json", on: server)
    #expect(code == .failed)
    let object = server.bucket("data")?.objects.keys.first ?? "-"
    #expect(host.output.contains("still there: data/\(object)"))
    #expect(host.output.contains("1 of 2 buckets were not looked at"))
    #expect(host.lines.last?.contains("\"changed\":true") == true)
  }

  @Test("a proof that fails and cannot be removed tells both")
  func both() {
    let server = Self.server()
    server.state.update {
      $0.ignoresEncryption = true
      $0.answers = [("DELETE /data/", FakeS3Server.error(403, "AccessDenied"))]
    }
    let (code, host) = run("check data --prove", on: server)
    #expect(code == .failed)
    #expect(host.errors.contains("not encrypted"))
    #expect(host.errors.contains("still there: data/keyturn-proof-"))
  }

  @Test("all pages of a list are read; more buckets than are looked at make the rest unknown")
  func many() {
    let server = Self.server()
    server.state.update { $0.pageSize = 1 }
    #expect(run("check --all", on: server).host.lines.last == "1 of 3 buckets not as it must be")
    server.state.update { state in
      state.pageSize = nil
      state.buckets = [:]
      for index in 0...Limits.buckets {
        state.buckets["b\(100_000 + index)"] = .init(encryption: .sseS3)
      }
    }
    let (code, host) = run("check --all", on: server)
    #expect(code == .unknown)
    #expect(host.errors.contains("more than \(Limits.buckets) buckets; 1 were not looked at"))
    #expect(host.lines.count == Limits.buckets + 2)
  }

  @Test("a list that is larger than any may be is told as too many buckets")
  func endless() {
    let server = Self.server()
    let name = "<Bucket><Name>\(String(repeating: "n", count: 63))</Name></Bucket>"
    let body = String(repeating: name, count: Limits.xmlBytes / name.utf8.count + 1)
    server.state.update {
      $0.answers = [
        (
          "GET /",
          HTTPResponse(
            200,
            body: Array(
              "<ListAllMyBucketsResult><Buckets>\(body)</Buckets></ListAllMyBucketsResult>".utf8))
        )
      ]
    }
    let (code, host) = run("check --all", on: server)
    #expect(code == .unknown)
    #expect(host.errors.contains("too many buckets to list them"))
  }

  @Test("problems that differ in the bucket's name only are one line")
  func folded() {
    let server = FakeS3Server {
      for name in ["plain-a", "plain-b", "plain-c"] { $0.buckets[name] = .init() }
    }
    let (code, host) = run("check --all", on: server)
    #expect(code == .failed)
    #expect(host.errors.split(separator: "\n").count == 1)
    #expect(
      host.errors.contains("plain-a, plain-b, plain-c: it has no default encryption"))
    #expect(host.errors.contains("keyturn bucket encrypt BUCKET --key NAME"))
  }

  @Test(
    "one bucket that cannot be looked at does not end it, and the exit code says why",
    arguments: [
      (FakeS3Server.error(500, "InternalError"), ExitCode.unreachable),
      (FakeS3Server.error(403, "AccessDenied"), .notPermitted),
      (HTTPResponse(200, body: Array("<html>".utf8)), .unreachable),
    ])
  func obstacles(answer: HTTPResponse, expected: ExitCode) {
    let server = Self.server()
    server.state.update { $0.answers = [("GET /data?encryption", answer)] }
    let (code, host) = run("check data logs", on: server)
    #expect(code == expected)
    #expect(host.output.contains("logs    SSE-S3"))
    #expect(host.lines.last == "1 of 2 buckets could not be looked at")
    server.state.update { $0.answers = [("GET /data?encryption", answer)] }
    #expect(run("encrypt data --sse-s3 --yes", on: server).code == expected)
  }

  @Test("a proof shows whether a server encrypts by itself where there is no default encryption")
  func byItself() {
    let server = Self.server()
    let (code, host) = run("check plain --prove", on: server)
    #expect(code == .failed)
    #expect(
      host.errors.contains("plain: objects are stored as they are: keyturn bucket encrypt plain"))
    server.state.update { $0.encryptsByItself = true }
    let (good, words) = run("check plain --prove", on: server)
    #expect(good == .done)
    #expect(
      words.errors.contains("the server encrypts by itself, with SSE-KMS with the key primary-key"))
    #expect(server.bucket("plain")?.objects.isEmpty == true)
  }

  @Test("buckets or --all, one of them")
  func usage() {
    #expect(run("check", on: Self.server()).code == .usage)
    #expect(run("check data --all", on: Self.server()).code == .usage)
  }

  // MARK: keys

  @Test("a key is created once, listed by its beginning, and its state told")
  func keys() {
    let server = FakeS3Server()
    #expect(run("key create bucket-key", on: server).host.lines == ["key bucket-key: created"])
    let (again, told) = run("key create bucket-key", on: server)
    #expect(again == .done && told.lines == ["key bucket-key: exists already"])
    #expect(run("key list bucket", on: server).host.lines.count == 3)
    #expect(run("key list", on: server).host.lines.last == "2 keys")
    #expect(run("key status bucket-key", on: server).host.lines == ["key bucket-key: usable"])
    #expect(run("key status", on: server).host.lines == ["the server's own key: usable"])
    let (missing, host) = run("key status other", on: server)
    #expect(missing == .failed && host.lines == ["key other: missing"])
  }
}
