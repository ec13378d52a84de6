// SPDX-License-Identifier: Apache-2.0
import Coordination
import HTTP
import Model
import S3
import Testing
import Threads

@testable import Operator

/// Changes without an answer, and signals in the middle: what may have happened is said.
@Suite struct BucketDoubtTests {
  private func run(
    _ arguments: String, on server: FakeS3Server, interruption: Interruption = Interruption()
  ) -> (code: ExitCode, host: FakeCommandHost) {
    BucketEncryptTests.run(arguments, on: server, interruption: interruption)
  }

  private static func server(
    _ versioning: BucketVersioning = .off, _ losses: [FakeS3Server.Loss]
  ) -> FakeS3Server {
    FakeS3Server {
      $0.buckets["data"] = .init(encryption: .sseKMS(key: "primary-key"), versioning: versioning)
      $0.losses = losses
    }
  }

  // MARK: objects of a proof

  @Test(
    "a write without an answer, and a server that is gone then: it may still be there, by its name",
    arguments: [BucketVersioning.off, .enabled], [false, true])
  func gone(versioning: BucketVersioning, isStale: Bool) {
    let server = Self.server(
      versioning,
      [.init(request: "PUT /data/", isStale: isStale, hasHappened: true, ends: true)])
    let (code, host) = run("encrypt data --key primary-key --json", on: server)
    #expect(code == .failed)
    let object = server.bucket("data")?.objects.keys.first ?? "-"
    #expect(host.output.contains("may still be there: data/\(object)"))
    #expect(host.output.contains("\"state\":\"possible\""))
    #expect(host.output.contains(", sent before without an answer: connect") == isStale)
    #expect(host.lines.last?.contains("\"changed\":true") == true)
  }

  @Test(
    "a write without an answer that is not there may come to be there",
    arguments: [BucketVersioning.off, .enabled])
  func later(versioning: BucketVersioning) {
    let server = Self.server(versioning, [.init(request: "PUT /data/")])
    let (code, host) = run("encrypt data --key primary-key", on: server)
    #expect(code == .failed)
    #expect(host.errors.contains("may come to be there, since its write was not answered: data/"))
    #expect(!host.output.contains("nothing was changed"))
    #expect(
      server.log.last?.hasPrefix(
        versioning == .off ? "DELETE /data/keyturn-proof-" : "GET /data?versions") == true)
  }

  @Test("of a write that was carried out unanswered every version is removed")
  func happened() {
    for isStale in [false, true] {
      let server = Self.server(
        .enabled, [.init(request: "PUT /data/", isStale: isStale, hasHappened: true)])
      let (code, host) = run("encrypt data --key primary-key", on: server)
      #expect(code == .failed)
      #expect(server.bucket("data")?.objects.isEmpty == true)
      #expect(host.errors.contains("may come to be there"))
    }
  }

  @Test("a removal without an answer: it may still be there; one that was not sent: it is there")
  func removal() {
    let lost = Self.server(.off, [.init(request: "DELETE /data/", hasHappened: true)])
    let (code, host) = run("encrypt data --key primary-key", on: lost)
    #expect(code == .failed)
    #expect(host.errors.contains(": may still be there: data/"))
    #expect(!host.errors.contains(": still there"))
    let unsent = Self.server(.off, [.init(request: "GET /data/", ends: true)])
    let (second, words) = run("encrypt data --key primary-key", on: unsent)
    #expect(second == .failed)
    #expect(words.errors.contains(": still there: data/"))
  }

  @Test("a write that a gateway answers with 503 and nobody then is one that may have happened")
  func gateway() {
    let server = Self.server(.off, [])
    server.state.update {
      $0.answers = [("PUT /data/", HTTPResponse(503))]
      $0.losses = []
    }
    let once = Lock(0)
    server.state.update { state in
      state.onRequest = { [server] text in
        guard text.hasPrefix("PUT /data/") else { return }
        if once.update({
          $0 += 1; return $0
        }) == 2 {
          server.state.update { $0.isGone = true }
        }
      }
    }
    let (code, host) = run("encrypt data --key primary-key", on: server)
    server.state.update { $0.onRequest = nil }
    #expect(code == .failed)
    #expect(host.errors.contains("may still be there: data/keyturn-proof-"))
  }

  // MARK: keys and defaults

  @Test("a key whose creation was not answered may have been created")
  func keyLost() {
    for isStale in [false, true] {
      let server = FakeS3Server {
        $0.losses = [.init(request: "POST", isStale: isStale, ends: true)]
      }
      let (code, host) = run("key create bucket-key --json", on: server)
      #expect(code == .failed)
      #expect(host.output.contains("the key bucket-key may have been created"))
      #expect(host.lines.last?.contains("\"changed\":true") == true)
    }
  }

  @Test(
    "a key that exists after a sending without an answer may be this command's",
    arguments: [true, false])
  func keyExists(isStale: Bool) {
    let server = FakeS3Server {
      if isStale {
        $0.losses = [.init(request: "POST", isStale: true, hasHappened: true)]
      } else {
        $0.keys.insert("bucket-key")
        $0.answers = [("POST", HTTPResponse(503))]
      }
    }
    let (code, host) = run("key create bucket-key --json", on: server)
    #expect(code == .done)
    #expect(host.lines.last?.contains("\"changed\":true") == true)
    #expect(host.lines.last?.contains("whether this command has created it is not known") == true)
  }

  @Test(
    "200 alone creates no key: the server must have it afterwards",
    arguments: [
      (HTTPResponse(200, body: Array("<html>".utf8)), "could not be read"),
      (HTTPResponse(200, body: Array("{\"key-id\":\"bucket-key\"}".utf8)), nil),
      (
        FakeS3Server.jsonError(403, "AccessDenied", "Access Denied."),
        "the key's state is not known"
      ),
      (HTTPResponse(404), "no KMS API"),
    ] as [(HTTPResponse, String?)])
  func keyConfirmed(status: HTTPResponse, words: String?) {
    let server = FakeS3Server {
      $0.answers = [("POST", HTTPResponse(200)), ("GET /minio/kms/v1/key/status", status)]
    }
    let (code, host) = run("key create bucket-key", on: server)
    let isThere = status.status == 403 || words == nil
    #expect(code == (isThere ? .done : .failed))
    if let words { #expect(host.errors.contains(words), "\(host.errors)") }
    #expect(host.errors.contains("may have been created") == !isThere)
  }

  @Test("a key that is not there after 200 is told")
  func keyMissing() {
    let server = FakeS3Server { $0.answers = [("POST", HTTPResponse(200))] }
    let (code, host) = run("key create bucket-key", on: server)
    #expect(code == .failed)
    #expect(host.errors.contains("has no such key afterwards"))
  }

  @Test("a default encryption that is set and cannot be read back is set: exit 1, in what was done")
  func setUnread() {
    for answer in [HTTPResponse(403), FakeS3Server.error(403, "AccessDenied")] {
      let server = FakeS3Server { $0.buckets["data"] = .init() }
      let isSet = Lock(false)
      server.state.update { state in
        state.onRequest = { [server] text in
          if text.hasPrefix("PUT /data?encryption") { isSet.update { $0 = true } }
          if text.hasPrefix("GET /data?encryption"), isSet.withLock({ $0 }) {
            server.state.update { $0.answers = [("GET /data?encryption", answer)] }
          }
        }
      }
      let (code, host) = run("encrypt data --key primary-key", on: server)
      server.state.update { $0.onRequest = nil }
      #expect(code == .failed)
      #expect(
        host.errors.contains("the default encryption of data is set; reading it back failed: read"))
      #expect(host.output.contains("done before that: bucket data: default encryption is set"))
      #expect(!host.output.contains("may have been done"))
      #expect(!host.output.contains("nothing was changed"))
    }
  }

  @Test("a bucket that may not be made has made no key: it comes first")
  func bucketDenied() {
    let server = FakeS3Server {
      $0.answers = [("PUT /data", FakeS3Server.error(403, "AccessDenied"))]
    }
    let (code, host) = run(
      "encrypt data --key bucket-key --create-key --create-bucket", on: server)
    #expect(code == .notPermitted)
    #expect(host.errors.contains("does not allow s3:CreateBucket"))
    #expect(server.changes == ["PUT /data"])
  }

  @Test("of a bucket that somebody else has made meanwhile the versions are removed too")
  func madeMeanwhile() {
    let server = FakeS3Server()
    server.state.update { state in
      state.onRequest = { [server] text in
        if text == "PUT /data" {
          server.state.update {
            $0.buckets["data"] = .init(versioning: .enabled)
            $0.losses = [.init(request: "PUT /data/", hasHappened: true)]
          }
        }
      }
    }
    let (code, _) = run("encrypt data --key primary-key --create-bucket", on: server)
    server.state.update { $0.onRequest = nil }
    #expect(code == .failed)
    #expect(server.bucket("data")?.objects.isEmpty == true)
    #expect(server.changes.last?.contains("?versionId=v1") == true)
  }

  // MARK: signals

  @Test(
    "the first signal in a proof says what is removed, the second what may be left",
    arguments: ["encrypt data --key primary-key", "check data --prove"])
  func signals(line: String) {
    let server = Self.server(.off, [])
    let interruption = Interruption()
    let words = Lock<String?>(nil)
    server.state.update { state in
      state.onRequest = { text in
        guard text.hasPrefix("PUT /data/") else { return }
        #expect(interruption.interrupt())
        #expect(!interruption.interrupt(at: .inMilliseconds(500)))
        words.update { $0 = interruption.lastWords }
      }
    }
    let (code, host) = run(line, on: server, interruption: interruption)
    server.state.update { $0.onRequest = nil }
    #expect(code == .failed)
    let object = server.changes.last?.split(separator: "/").last ?? "-"
    #expect(host.errors.contains("interrupted: removing data/\(object); a second Ctrl-C"))
    #expect(
      words.withLock { $0 }
        == "interrupted: still there, or may be: data/\(object); nobody else removes them")
    #expect(server.bucket("data")?.objects.isEmpty == true)
    #expect(interruption.lastWords == nil)
  }

  @Test("a signal at any change says what may have been done, and what was done before")
  func signalAtChange() {
    let server = FakeS3Server()
    let interruption = Interruption()
    let words = Lock<[String]>([])
    server.state.update { state in
      state.onRequest = { text in
        if !text.hasPrefix("GET"), !text.hasPrefix("HEAD"), !text.contains("proof") {
          words.update { $0.append(interruption.lastWords ?? "-") }
        }
      }
    }
    let (code, _) = run(
      "encrypt data --key bucket-key --create-key --create-bucket", on: server,
      interruption: interruption)
    #expect(code == .done)
    #expect(
      words.withLock { $0 } == [
        "interrupted: the bucket data may have been made",
        "interrupted: done before that: bucket data: made; the key bucket-key may have been created",
        "interrupted: done before that: bucket data: made; key bucket-key: created; the default encryption of data may have been set",
      ])
    words.update { $0 = [] }
    #expect(run("key create other", on: server, interruption: interruption).code == .done)
    server.state.update { $0.onRequest = nil }
    #expect(
      words.withLock { $0.first }?.hasPrefix(
        "interrupted: the key other may have been created: keyturn bucket key status other") == true
    )
  }

  @Test("where nothing is written the first signal ends the process")
  func readsOnly() {
    let server = Self.server(.off, [])
    let interruption = Interruption()
    let isHandled = Lock<Bool?>(nil)
    server.state.update { state in
      state.onRequest = { _ in isHandled.update { $0 = interruption.interrupt() } }
    }
    _ = run("check data", on: server, interruption: interruption)
    server.state.update { $0.onRequest = nil }
    #expect(isHandled.withLock { $0 } == false)
  }
}
