// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import Probes
import Secrets
import ServerUnit
import StartWatch
import TestSupport
import Testing
import Threads

@Suite struct SignedServerTests {
  private static let credentials = AccessCredentials(
    accessKey: Secret("root-user"), secretKey: Secret("root-password"))
  private static let bucket = "keyturn-test"

  private static func error(_ status: Int, _ code: String, _ more: String = "") -> HTTPResponse {
    HTTPResponse(
      status, headers: ["content-type": "application/xml"],
      body: Array(
        "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>m</Message>\(more)</Error>".utf8
      ))
  }

  private func write(
    _ port: UInt16, objects: Int = 1, milliseconds: Int = 10_000
  ) -> WriteAnswer {
    SignedServer.takesWrites(
      ServerArguments(arguments: ["--address", ":\(port)"]), as: Self.credentials,
      bucket: Self.bucket, objects: objects, deadline: .inMilliseconds(milliseconds))
  }

  private func kms(_ port: UInt16) -> ServerKMSAnswer {
    SignedServer.kmsStatus(
      ServerArguments(arguments: ["--address", ":\(port)"]), as: Self.credentials,
      deadline: .inMilliseconds(10_000))
  }

  @Test("no such bucket, said of every name that is asked for, is a write taken")
  func taken() throws {
    let host = try FakeHTTPHost(nil) { _ in .response(Self.error(404, "NoSuchBucket")) }
    #expect(write(host.port, objects: 3) == .taken(asked: 3))
    let requests = host.received.map(\.request)
    #expect(requests.count == 3)
    #expect(Set(requests.map(\.path)).count == 3)
    for request in requests {
      #expect(request.method == "POST" && request.query("uploads")?.isEmpty == true)
      #expect(request.path.hasPrefix("/\(Self.bucket)/"))
      let field = try #require(request.headers["authorization"])
      let time = try #require(request.headers["x-amz-date"])
      let signature = SignatureV4(
        time: time, region: "us-east-1", fields: ["host", "x-amz-content-sha256", "x-amz-date"]
      ).text(
        of: request, host: "127.0.0.1:\(host.port)", key: Self.credentials.secretKey)
      #expect(field.hasSuffix("Signature=\(signature)"))
    }
  }

  @Test("at most so many names are asked for, and at least one")
  func bounded() throws {
    let host = try FakeHTTPHost(nil) { _ in .response(Self.error(404, "NoSuchBucket")) }
    #expect(
      write(host.port, objects: Limits.writeQuestions + 1)
        == .taken(asked: Limits.writeQuestions))
    #expect(
      write(host.port, objects: Limits.writeQuestions) == .taken(asked: Limits.writeQuestions))
    #expect(write(host.port, objects: 0) == .taken(asked: 1))
  }

  @Test("503 is a refusal with the server's own code, and ends the questions")
  func refused() throws {
    let host = try FakeHTTPHost(nil) { _ in .response(Self.error(503, "SlowDownWrite")) }
    #expect(write(host.port, objects: 3) == .refused("503 SlowDownWrite"))
    #expect(host.received.count == 1)
  }

  @Test("a server that has too many requests, or does not answer in time, is busy: no refusal")
  func busy() throws {
    let host = try FakeHTTPHost(nil) { _ in .response(Self.error(429, "TooManyRequests")) }
    #expect(write(host.port, objects: 3) == .busy("429 TooManyRequests"))
    #expect(host.received.count == 1)
    let silent = try FakeHTTPHost(nil) { _ in .silence }
    guard case .busy(let text) = write(silent.port, milliseconds: 200) else {
      Issue.record("a server that took the connection was called away")
      return
    }
    #expect(text.hasPrefix("no answer: "))
  }

  @Test("404 without the word that there is no such bucket is no write taken")
  func otherNotFound() throws {
    let host = try FakeHTTPHost(nil) { _ in .response(Self.error(404, "NoSuchKey")) }
    #expect(write(host.port) == .refused("404 NoSuchKey"))
    let plain = try FakeHTTPHost(nil) { _ in .response(HTTPResponse(404)) }
    #expect(write(plain.port) == .refused("404"))
  }

  @Test("a root user that is switched off, or unknown, tells nothing")
  func untold() throws {
    for (status, code) in [(403, "InvalidAccessKeyId"), (403, "AccessDenied"), (501, "X")] {
      let host = try FakeHTTPHost(nil) { _ in .response(Self.error(status, code)) }
      #expect(write(host.port) == .untold("\(status) \(code)"))
    }
    let denied = try FakeHTTPHost(nil) { _ in .response(Self.error(403, "kms:NotAuthorized")) }
    #expect(write(denied.port) == .refused("403 kms:NotAuthorized"))
  }

  @Test("a server that wants its own region in the signature gets it")
  func region() throws {
    let host = try FakeHTTPHost(nil) { request in
      let field = request.headers["authorization"] ?? ""
      return .response(
        field.contains("/eu-1/s3/")
          ? Self.error(404, "NoSuchBucket")
          : Self.error(400, "AuthorizationHeaderMalformed", "<Region>eu-1</Region>"))
    }
    #expect(write(host.port, objects: 2) == .taken(asked: 2))
    #expect(host.received.count == 3)
  }

  @Test("an upload that a server begins all the same is abandoned, and counts as taken")
  func abandoned() throws {
    let host = try FakeHTTPHost(nil) { request in
      .response(
        request.method == "DELETE"
          ? HTTPResponse(204)
          : HTTPResponse(
            200,
            body: Array("<R><Bucket>b</Bucket><UploadId>YWJj-_x1</UploadId></R>".utf8)))
    }
    #expect(write(host.port) == .taken(asked: 1))
    let requests = host.received.map(\.request)
    #expect(requests.map(\.method) == ["POST", "DELETE"])
    #expect(requests.last?.path == requests.first?.path)
    #expect(requests.last?.query("uploadId") == "YWJj-_x1")
  }

  @Test("a server that is not there takes no write")
  func absent() throws {
    let port = try FakeHTTPHost(nil) { _ in .silence }.port
    guard case .refused(let text) = write(port) else {
      Issue.record("a server that is not there took a write")
      return
    }
    #expect(text.hasPrefix("no answer: "))
  }

  @Test("an answer beyond the limit of a body is no write taken")
  func huge() throws {
    let long = [UInt8](repeating: UInt8(ascii: " "), count: Limits.probeBodyBytes + 1)
    let host = try FakeHTTPHost(nil) { _ in .response(HTTPResponse(404, body: long)) }
    guard case .refused = write(host.port) else {
      Issue.record("an answer beyond the limit took a write")
      return
    }
  }

  @Test("the server's default key is read from its Key Manager's status")
  func defaultKey() throws {
    let body = #"{"name":"MinIO KMS","default-key-id":"a-key","endpoints":{"h:7373":"online"}}"#
    let host = try FakeHTTPHost(nil) { request in
      .response(
        request.path == "/minio/kms/v1/status"
          ? HTTPResponse(200, body: Array(body.utf8)) : HTTPResponse(404))
    }
    #expect(kms(host.port) == .defaultKey("a-key"))
    #expect(
      host.received.first?.request.headers["authorization"]?.contains("/s3/aws4_request") == true)
  }

  @Test("a server without a Key Manager says so; one that says nothing useful is not believed")
  func noDefaultKey() throws {
    func answer(_ status: Int, _ body: String) throws -> ServerKMSAnswer {
      let host = try FakeHTTPHost(nil) { _ in
        .response(HTTPResponse(status, body: Array(body.utf8)))
      }
      return kms(host.port)
    }
    #expect(try answer(501, #"{"Code":"NotImplemented","Message":"m"}"#) == .none)
    #expect(try answer(501, "") == .untold("501"))
    #expect(try answer(403, #"{"Code":"AccessDenied"}"#) == .untold("403 AccessDenied"))
    #expect(
      try answer(503, #"{"Code":"XMinioServerNotInitialized"}"#)
        == .untold("503 XMinioServerNotInitialized"))
    let longest = String(repeating: "k", count: Limits.keyNameBytes)
    #expect(try answer(200, #"{"default-key-id":"\#(longest)"}"#) == .defaultKey(longest))
    for key in ["", longest + "k"] {
      #expect(
        try answer(200, #"{"default-key-id":"\#(key)"}"#)
          == .untold("200, and no default key in the answer"))
    }
    #expect(try answer(200, "[]") == .untold("200, and no default key in the answer"))
  }
}
