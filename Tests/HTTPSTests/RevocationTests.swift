// SPDX-License-Identifier: Apache-2.0
import HTTP
import HTTPS
import Model
import TLS
import Testing
import Threads

@Suite("connections of revoked certificates")
struct RevocationTests {
  private static func list(_ role: Role, _ name: String) -> Revocations {
    var list = Revocations(cluster: "prod")
    list.add(role, name, issuedUntil: Clock.realtimeMicroseconds() / 1_000_000 + 1)
    return list
  }

  @Test(
    "an open connection gets 403 with its next request, and a new one gets it at once; others go on"
  )
  func refused() throws {
    let running = try Running { _, principal, _ in .text(200, principal.name) }
    let (ann, bob) = (
      running.client(),
      running.client(try Fixture.context(running.fixture.ca, running.fixture.ca, .operator, "bob"))
    )
    let get = HTTPRequest("GET", "/x")
    func status(_ client: HTTPSClient) throws -> Int {
      try client.request(get, until: .inMilliseconds(5_000)).status
    }
    #expect(try status(ann) == 200 && status(bob) == 200)
    running.identity.revocations.replace(by: Self.list(.operator, "ann"))
    let answer = try ann.request(get, until: .inMilliseconds(5_000))
    #expect(answer.status == 403)
    #expect(String(decoding: answer.body, as: UTF8.self).contains("was revoked"))
    #expect(try status(running.client()) == 403)
    #expect(try status(bob) == 200)
  }

  @Test("what is under way on a connection is cut at once, another's is not")
  func cut() throws {
    let started = Lock(0)
    let released = Lock(false)
    let running = try Running { _, principal, _ in
      started.update { $0 += 1 }
      _ = released.wait(until: .inMilliseconds(20_000)) { $0 ? true : nil }
      return .text(200, principal.name)
    }
    let ca = running.fixture.ca
    let ends = Lock([String: Result<Int, HTTPSFailure>]())
    for name in ["ann", "bob"] {
      let context = try Fixture.context(ca, ca, .operator, name)
      let place = running.place
      try Thread.start("client") {
        let client = HTTPSClient(
          place, context: context,
          expecting: Principal(cluster: "prod", role: .node, name: "minio-1"))
        let result = Result { () throws(HTTPSFailure) in
          try client.request(
            HTTPRequest("POST", "/wait"), repeatable: false, until: .inMilliseconds(20_000)
          ).status
        }
        ends.update { $0[name] = result }
      }
    }
    #expect(started.wait(until: .inMilliseconds(10_000)) { $0 == 2 ? true : nil } != nil)
    running.identity.revocations.replace(by: Self.list(.operator, "ann"))
    let began = Clock.now()
    running.server.cutRevoked(running.identity)
    let ann = ends.wait(until: .inMilliseconds(10_000)) { $0["ann"] }
    #expect(throws: HTTPSFailure.self) { try ann?.get() }
    #expect(Clock.now().milliseconds(since: began) < 1_000)
    #expect(ends.withLock { $0["bob"] == nil })
    released.update { $0 = true }
    let bob = ends.wait(until: .inMilliseconds(10_000)) { $0["bob"] }
    #expect(try bob?.get() == 200)
  }

  @Test("a client does not talk to a server whose certificate is revoked")
  func client() throws {
    let running = try Running { _, _, _ in .text(200, "") }
    let context = try Fixture.context(
      running.fixture.ca, running.fixture.ca, .node, "minio-2")
    #expect(
      try running.client(context).request(
        HTTPRequest("GET", "/x"), until: .inMilliseconds(5_000)
      ).status == 200)
    context.revocations.replace(by: Self.list(.node, "minio-1"))
    let failure = #expect(throws: HTTPSFailure.self) {
      try running.client(context).request(
        HTTPRequest("GET", "/x"), until: .inMilliseconds(5_000))
    }
    #expect(failure?.description.contains("was revoked") == true)
  }
}
