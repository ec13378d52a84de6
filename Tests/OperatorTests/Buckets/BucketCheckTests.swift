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
      host.output.contains("plain: objects are stored as they are: keyturn bucket encrypt plain"))
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

  @Test("a server that does not answer ends it: nothing is said of the other buckets")
  func away() {
    let server = Self.server()
    server.state.update { $0.answers = [("HEAD /logs", nil)] }
    let (code, host) = run("check data logs", on: server)
    #expect(code == .unreachable)
    #expect(host.output.isEmpty)
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
