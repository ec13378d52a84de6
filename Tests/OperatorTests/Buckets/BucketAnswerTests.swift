// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import S3
import Testing
import Threads

@testable import Operator

/// Answers that are not what an S3 server says, and what is made of them before anything is changed.
@Suite struct BucketAnswerTests {
  private static func page(
    _ status: Int, _ headers: HTTPHeaders = ["server": "squid/5.7"]
  ) -> HTTPResponse {
    HTTPResponse(status, headers: headers, body: Array("<html>no</html>".utf8))
  }

  private static func date(aheadSeconds: Int64) -> String {
    let time = Clock.realtimeMicroseconds() / 1_000_000 + aheadSeconds
    let text = CalendarTime.text(seconds: time)
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    let month = months[Int(text.dropFirst(5).prefix(2)).map { $0 - 1 } ?? 0]
    return
      "\(days[Int(time / 86_400 % 7)]), \(text.dropFirst(8).prefix(2)) \(month) \(text.prefix(4)) \(text.dropFirst(11).prefix(8)) GMT"
  }

  private func run(
    _ answers: [(request: String, answer: HTTPResponse?)], _ options: String = ""
  ) -> (code: ExitCode, host: FakeCommandHost, server: FakeS3Server) {
    let server = FakeS3Server {
      $0.buckets["data"] = .init(encryption: .sseS3)
      $0.answers = answers
    }
    let (code, host) = BucketEncryptTests.run("check data\(options)", on: server)
    return (code, host, server)
  }

  @Test(
    "a HEAD that is refused without a word, by a server of another time: the clock, not the policy")
  func clock() {
    for (ahead, words) in [(1_100, "18 min behind"), (-1_100, "18 min ahead of")]
      as [(Int64, String)]
    {
      let answer = HTTPResponse(403, headers: ["date": Self.date(aheadSeconds: ahead)])
      let (code, host, server) = run([("HEAD /data", answer)])
      #expect(code == .voteRefused)
      #expect(host.errors.contains("this host's clock is \(words)"), "\(host.errors)")
      #expect(!host.errors.contains("policy"))
      #expect(server.log.count == 1)
    }
    // Within what a server bears it is something else.
    let near = HTTPResponse(403, headers: ["date": Self.date(aheadSeconds: 800)])
    #expect(run([("HEAD /data", near)]).host.errors.contains("does not allow s3:ListBucket"))
  }

  @Test(
    "a HEAD that is refused without a word is asked for with a GET, whose answer says why",
    arguments: [
      (
        FakeS3Server.error(403, "InvalidAccessKeyId"), ExitCode.notPermitted, "no such access key"
      ),
      (FakeS3Server.error(403, "RequestTimeTooSkewed"), .voteRefused, "clocks"),
      (page(403), .unreachable, "no answer of an S3 server"),
      (FakeS3Server.error(403, "AccessDenied"), .notPermitted, "does not allow s3:ListBucket"),
    ])
  func spoken(answer: HTTPResponse, expected: ExitCode, words: String) {
    let (code, host, server) = run([
      ("HEAD /data", HTTPResponse(403)), ("GET /data?list-type=2&max-keys=0", answer),
    ])
    #expect(code == expected)
    #expect(host.errors.contains(words), "\(host.errors)")
    #expect(server.log.prefix(2) == ["HEAD /data", "GET /data?list-type=2&max-keys=0"])
  }

  @Test(
    "what has no code of S3 is no answer of an S3 server, and names itself; it is not the policy",
    arguments: [400, 403, 404, 405, 407, 409])
  func foreign(status: Int) {
    let (code, host, _) = run([("GET /data?encryption", Self.page(status))])
    #expect(code == .unreachable)
    #expect(host.errors.contains("no answer of an S3 server"), "\(host.errors)")
    #expect(host.errors.contains("(Server: squid/5.7)"))
    #expect(!host.errors.contains("policy"))
  }

  @Test(
    "so it is for what changes something, and nothing was changed",
    arguments: ["PUT /data?encryption", "PUT /data/keyturn-proof-", "PUT /new", "POST "])
  func foreignToChanges(request: String) {
    let server = FakeS3Server {
      $0.buckets["data"] = .init()
      if request.hasPrefix("PUT /data/") { $0.buckets["data"]?.encryption = .sseKMS(key: "k") }
      $0.keys = request.hasPrefix("POST") ? [] : ["k"]
      $0.answers = [(request, Self.page(403))]
    }
    let bucket = request.hasPrefix("PUT /new") ? "new" : "data"
    let (code, host) = BucketEncryptTests.run(
      "encrypt \(bucket) --key k --create-key --create-bucket", on: server)
    #expect(code == .unreachable)
    #expect(host.errors.contains("no answer of an S3 server"), "\(host.errors)")
    #expect(host.output.contains("nothing was changed"))
  }

  @Test(
    "each status without a code has its exit code",
    arguments: [
      (401, ExitCode.notPermitted), (500, .unreachable), (502, .unreachable), (504, .unreachable),
      (501, .unreachable), (301, .validationRefused),
    ])
  func statuses(status: Int, expected: ExitCode) {
    #expect(run([("GET /data?encryption", Self.page(status))]).code == expected)
  }

  @Test("a code that is not known here: 4 where the server is not well, 5 where it refuses")
  func codes() {
    func code(_ status: Int, _ code: String) -> ExitCode {
      run([("GET /data?encryption", FakeS3Server.error(status, code))]).code
    }
    #expect(code(500, "InternalError") == .unreachable)
    #expect(code(400, "InvalidArgument") == .validationRefused)
    #expect(code(400, "InvalidRequest") == .validationRefused)
  }

  @Test("what a proxy may have answered names it; one that cannot be used is the configuration")
  func proxies() {
    for (status, words) in [
      (407, "probably of the proxy http://p:3128; let the proxy lead there"),
      (403, "probably of the proxy http://p:3128"),
      (502, "or the proxy http://p:3128, is not well"),
    ] {
      let server = FakeS3Server {
        $0.buckets["data"] = .init(encryption: .sseS3)
        $0.proxy = "http://p:3128"
        $0.answers = [("GET /data?encryption", Self.page(status))]
      }
      let (code, host) = BucketEncryptTests.run("check data", on: server)
      #expect(code == .unreachable)
      #expect(host.errors.contains(words), "\(host.errors)")
    }
    let unusable = S3LinkFailure("the way", mayHaveArrived: false, kind: .configuration)
    #expect(
      S3Failure(.unanswered(unusable), .look(at: "data")).refusal.code == .configuration)
  }

  @Test("a key that the Key Manager denies to the server's identity names its policy")
  func deniedKey() {
    let server = FakeS3Server {
      $0.buckets["data"] = .init(encryption: .sseKMS(key: "primary-key"))
      $0.keyProblem = "insufficient permissions to perform KMS operation"
    }
    for line in ["check data", "encrypt data --key primary-key", "key status primary-key"] {
      let (code, host) = BucketEncryptTests.run(line, on: server)
      #expect(code == (line.hasPrefix("encrypt") ? .keyManagerRefused : .failed))
      #expect(
        (host.output + host.errors).contains("let the policy of its identity allow"),
        "\(host.errors)")
      #expect(!host.errors.contains("keyturn check shows"))
    }
  }

  @Test("an answer that leads elsewhere says where, without what may be secret in it")
  func elsewhere() {
    let (code, host, _) = run([
      (
        "GET /data?encryption",
        Self.page(307, ["location": "https://Login.example.net:8443/in?token=s3cret"])
      )
    ])
    #expect(code == .validationRefused)
    #expect(host.errors.contains("it leads to https://Login.example.net:8443;"), "\(host.errors)")
    #expect(!host.errors.contains("s3cret"))
    for location in ["/data/", "ftp://x/", "https://u:p@x/"] {
      let answer = Self.page(301, ["location": location])
      #expect(
        run([("GET /data?encryption", answer)]).host.errors.contains("in another region"))
    }
  }

  @Test("a bucket in the server's name that is not taken there names --addressing path")
  func addressing() {
    let answer = FakeS3Server.error(400, "InvalidRequest")
    let (_, host, server) = run([("GET /?encryption", answer)], " --addressing virtual")
    #expect(host.errors.contains("--addressing path"), "\(host.errors)")
    #expect(server.log.allSatisfy { !$0.contains("/data") })
    // As MinIO answers without a domain: to a HEAD of its own root, which it does not have.
    let (code, bare, _) = run([("HEAD /", HTTPResponse(400))], " --addressing virtual")
    #expect(code == .validationRefused)
    #expect(bare.errors.contains("400 Bad Request; mend what it does not take"))
    #expect(bare.errors.contains("--addressing path"))
    #expect(
      !run([("GET /data?encryption", answer)]).host.errors.contains("--addressing path"))
  }

  @Test("one bucket whose name does not resolve does not end it for the others")
  func unresolved() {
    let server = FakeS3Server {
      for name in ["data", "logs"] { $0.buckets[name] = .init(encryption: .sseS3) }
      $0.losses = [.init(request: "HEAD /", isUnknownHost: true)]
    }
    server.state.update { $0.isVirtual = true }
    let (code, host) = BucketEncryptTests.run("check data logs --addressing virtual", on: server)
    #expect(code == .unreachable)
    #expect(host.output.contains("logs    SSE-S3"), "\(host.output)")
    #expect(host.errors.contains("no such host"))
    // In the path it is the server's own name.
    server.state.update {
      $0.isVirtual = false
      $0.losses = [.init(request: "HEAD /", isUnknownHost: true)]
    }
    #expect(BucketEncryptTests.run("check data logs", on: server).host.output.isEmpty)
  }
}
