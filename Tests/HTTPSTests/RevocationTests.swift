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
    running.server.cutRefused(running.identity)
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

  @Test(
    "a CA that is trusted no more: its holders are refused at once, open connections too, and the new one's are not"
  )
  func authority() throws {
    let running = try Running { _, principal, _ in .text(200, principal.name) }
    let (old, new) = (running.fixture.ca, try CertificateAuthority.create(cluster: "prod"))
    let both = old.credentials.certificatePEM + new.credentials.certificatePEM
    try running.identity.trust(both)
    func client(_ ca: CertificateAuthority, _ name: String) throws -> HTTPSClient {
      let own = try ca.issue(role: .operator, name: name)
      return running.client(
        try .mutual(certificatePEM: own.certificatePEM, keyPEM: own.keyPEM, caPEM: both))
    }
    let get = HTTPRequest("GET", "/x")
    func status(_ client: HTTPSClient) throws -> Int {
      try client.request(get, until: .inMilliseconds(5_000)).status
    }
    let (ann, bob) = try (client(old, "ann"), client(new, "bob"))
    #expect(try status(ann) == 200 && status(bob) == 200)
    let seen = running.identity.sightings
    #expect(seen.map(\.principal.name) == ["ann", "bob"])
    #expect(Set(seen.map(\.authority)).count == 2)
    #expect(
      try seen[1].authority
        == TrustedAuthority(
          certificatePEM: new.credentials.certificatePEM
        ).key)
    // Its own certificate is still of the old one, which those who trust both take.
    try running.identity.trust(new.credentials.certificatePEM)
    let answer = try ann.request(get, until: .inMilliseconds(5_000))
    #expect(answer.status == 403)
    #expect(String(decoding: answer.body, as: UTF8.self).contains("not trusted any more"))
    #expect(throws: HTTPSFailure.self) { try status(client(old, "ann")) }
    #expect(try status(bob) == 200 && status(client(new, "eve")) == 200)
    try running.identity.trust(both)
    let again = try client(old, "ann")
    #expect(try status(again) == 200)
    try running.identity.trust(new.credentials.certificatePEM)
    running.server.cutRefused(running.identity)
    #expect(throws: HTTPSFailure.self) {
      try again.request(HTTPRequest("POST", "/x"), repeatable: false, until: .inMilliseconds(5_000))
    }
  }
}
