// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import S3
import Secrets
import Testing
import Threads

@testable import Operator

@Suite struct S3ClientTests {
  private final class Pauses {
    var milliseconds: [Int] = []
  }

  private func client(
    _ server: FakeS3Server, region: String? = nil, _ pauses: Pauses = Pauses(),
    isInterrupted: @escaping () -> Bool = { false }
  ) -> S3Client {
    S3Client(
      S3Access(
        endpoint: S3Endpoint(isSecure: true, place: HostPort(host: "minio", port: 9000)),
        credentials: S3Credentials(.serverDefault), region: region, link: server, name: "minio"),
      isInterrupted: isInterrupted, pause: { pauses.milliseconds.append($0) })
  }

  private static func busy(_ count: Int) -> [(request: String, answer: HTTPResponse?)] {
    (0..<count).map { _ in ("GET /data?encryption", FakeS3Server.error(503, "SlowDown")) }
  }

  @Test("a busy server is asked again after growing pauses, so many times at the most")
  func busy() throws {
    let (server, pauses) = (FakeS3Server { $0.buckets["data"] = .init() }, Pauses())
    server.state.update { $0.answers = Self.busy(Limits.s3Attempts - 1) }
    #expect(try client(server, pauses).encryption(of: "data") == .none)
    #expect(pauses.milliseconds.count == Limits.s3Attempts - 1)
    for (index, pause) in pauses.milliseconds.enumerated() {
      #expect((125 << index...250 << index).contains(pause))
    }
    server.state.update { $0.answers = Self.busy(Limits.s3Attempts) }
    let error = #expect(throws: S3Failure.self) { try client(server).encryption(of: "data") }
    #expect(error?.refusal.code == .unreachable)
  }

  @Test(
    "a change that was sent and not answered may have happened, whatever the next sending meets",
    arguments: [
      (FakeS3Server.Loss(request: "PUT", isStale: true, ends: true), nil, S3Fate.mayHappenYet),
      (.init(request: "PUT", ends: true), nil, .mayHappenYet),
      (nil, FakeS3Server.error(503, "SlowDown"), .mayHaveHappened),
      (nil, HTTPResponse(503), .mayHappenYet),
    ] as [(FakeS3Server.Loss?, HTTPResponse?, S3Fate)])
  func sentBefore(loss: FakeS3Server.Loss?, answer: HTTPResponse?, expected: S3Fate) {
    let server = FakeS3Server { $0.buckets["data"] = .init() }
    let client = S3Client(
      S3Access(
        endpoint: S3Endpoint(isSecure: true, place: HostPort(host: "minio", port: 9000)),
        credentials: S3Credentials(.serverDefault), region: nil, link: server, name: "minio"),
      pause: { _ in server.state.update { $0.isGone = true } })
    server.state.update {
      $0.losses = loss.map { [$0] } ?? []
      $0.answers = answer.map { [("PUT", $0)] } ?? []
    }
    let write = S3Request.write("o", in: "data", [])
    let error = #expect(throws: S3Failure.self) { try client.ask(write) }
    #expect(error?.fate == expected)
    #expect(error?.mayHaveHappened == true)
    #expect(server.log.count == 1)
  }

  @Test("what was read and not answered has changed nothing; a connection that had ended is no end")
  func stale() throws {
    let server = FakeS3Server {
      $0.buckets["data"] = .init()
      $0.losses = [.init(request: "GET", isStale: true)]
    }
    let client = client(server)
    #expect(try client.encryption(of: "data") == .none)
    #expect(client.doubt == .nothing)
    server.state.update { $0.losses = [.init(request: "PUT", isStale: true)] }
    _ = try client.ask(.write("o", in: "data", []))
    #expect(client.doubt == .mayHappenYet)
    // Once, and no more.
    server.state.update {
      $0.losses = [.init(request: "PUT", isStale: true), .init(request: "PUT", isStale: true)]
    }
    #expect(throws: S3Failure.self) { try client.ask(.write("o", in: "data", [])) }
    server.state.update { $0.losses = [.init(request: "GET", isStale: true, ends: true)] }
    let error = #expect(throws: S3Failure.self) { try client.encryption(of: "data") }
    #expect(error?.mayHaveHappened == false)
  }

  @Test("a server that names another region is asked with that one, once")
  func region() throws {
    var answer = FakeS3Server.error(400, "AuthorizationHeaderMalformed")
    answer.body = Array(
      "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-1</Region></Error>".utf8)
    let server = FakeS3Server {
      $0.buckets["data"] = .init()
      $0.answers = [("HEAD /data", answer)]
    }
    let client = client(server)
    #expect(try client.look(at: "data", withStorage: false).exists)
    #expect(client.region == "eu-1")
    var other = answer
    other.body = Array("<Error><Code>X</Code><Region>eu-2</Region></Error>".utf8)
    server.state.update { $0.answers = [("HEAD /data", answer), ("HEAD /data", other)] }
    #expect(throws: S3Failure.self) { try self.client(server).look(at: "data", withStorage: false) }
  }

  @Test("after an interruption only traces are removed")
  func interrupted() {
    let server = FakeS3Server {
      $0.buckets["data"] = .init(encryption: .sseKMS(key: "primary-key"))
    }
    let interrupting = Lock(false)
    let client = client(server, isInterrupted: { interrupting.withLock { $0 } })
    let proof = EncryptionProof(
      client: client, bucket: "data", expected: .sseKMS(key: "primary-key"), storage: .new)
    #expect(proof.run().isProven)
    interrupting.update { $0 = true }
    let outcome = proof.run()
    #expect(outcome.problem?.message.contains("interrupted") == true)
    #expect(server.log.last?.hasPrefix("DELETE /data/keyturn-proof-") == true)
    #expect(server.bucket("data")?.objects.isEmpty == true)
  }
}
