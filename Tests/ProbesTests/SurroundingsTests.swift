// SPDX-License-Identifier: Apache-2.0
import HTTP
@testable import KeyManager
import Model
import Secrets
@testable import Probes
import Sockets
import TLS
import TestSupport
import Testing
import Threads

/// What the probe takes from the server's surroundings: the trust that its user has, and the proxy of
/// its environment.
@Suite struct SurroundingsTests {
  private let authority: CertificateAuthority
  private let folder: TemporaryDirectory

  init() throws {
    authority = try CertificateAuthority.create(cluster: "test")
    folder = try TemporaryDirectory()
  }

  private func host(_ names: String...) throws -> (FakeHTTPHost, Credentials) {
    let credentials = try authority.issue(role: .witness, name: "kms-1", addresses: names)
    let version = HTTPResponse(
      200, headers: ["content-type": "application/json"],
      body: Array(#"{"version":"1","host":"kms-1"}"#.utf8))
    let host = try FakeHTTPHost(credentials) { request in
      .response(request.path == "/version" ? version : HTTPResponse(200))
    }
    return (host, credentials)
  }

  private func probe(
    _ place: HostPort, _ environment: [String: String] = [:], folder: String? = nil,
    obstacle: @escaping @Sendable (String) -> String? = { _ in nil }
  ) -> EndpointReport {
    let reports = KeyManagerProbe.run(
      hosts: [place],
      surroundings: ServerSurroundings(
        certificateAuthorities: folder ?? self.folder.path,
        environment: environment.map { EnvironmentVariable(name: $0, value: $1) },
        obstacle: obstacle), deadline: .inMilliseconds(10_000))
    return reports[0]
  }

  // MARK: trust

  @Test("a CA file that the server cannot read is not trusted, and named as the likely reason")
  func unreadable() throws {
    let (host, _) = try host("127.0.0.1")
    try folder.write(authority.credentials.certificatePEM, to: "ca.crt")
    #expect(probe(host.place)[.tls]?.verdict == .fine)
    let path = "\(folder.path)/ca.crt"
    let report = probe(host.place) { $0 == path ? "its mode is 600" : nil }
    #expect(report[.tls]?.verdict == .failed)
    #expect(report[.tls]?.detail.contains("cannot read \(path): its mode is 600") == true)
  }

  @Test("a CA file that the server cannot read and does not need is a warning")
  func unreadableAndNotNeeded() throws {
    let (host, _) = try host("127.0.0.1")
    try folder.write(authority.credentials.certificatePEM, to: "a.crt")
    try folder.write(authority.credentials.certificatePEM, to: "b.crt")
    try folder.write("a key, say", to: "c.key")
    let unreadable = ["b.crt", "c.key"].map { "\(folder.path)/\($0)" }
    let report = probe(host.place) { unreadable.contains($0) ? "no" : nil }
    #expect(report[.tls]?.verdict == .degraded)
    #expect(report[.tls]?.detail.contains("b.crt") == true)
    #expect(report[.tls]?.detail.contains("c.key") == false)
    #expect(report[.ready]?.verdict == .fine)
  }

  @Test("a folder that the server cannot read is as none, and each is named")
  func noFolder() throws {
    let (host, _) = try host("127.0.0.1")
    try folder.write(authority.credentials.certificatePEM, to: "ca.crt")
    let path = folder.path
    let closed = probe(host.place) { $0 == path ? "mode 700" : nil }
    #expect(closed[.tls]?.detail.contains("cannot read \(path): mode 700") == true)
    let absent = probe(host.place, folder: "\(path)/absent")
    #expect(absent[.tls]?.verdict == .failed)
    #expect(absent[.tls]?.detail.contains("there is no folder \(path)/absent") == true)
  }

  @Test("of a file with several blocks every certificate counts, broken ones are passed over")
  func bundle() throws {
    let (host, _) = try host("127.0.0.1")
    let pem = authority.credentials.certificatePEM
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    try folder.write("# roots\n\(broken)between\n\(pem)\(broken)", to: "bundle")
    #expect(probe(host.place)[.tls]?.verdict == .fine)
  }

  @Test("any trusted certificate ends a chain, also the server's own")
  func leafTrusted() throws {
    let (host, credentials) = try host("127.0.0.1")
    try folder.write(credentials.certificatePEM, to: "leaf.crt")
    #expect(probe(host.place)[.tls]?.verdict == .fine)
  }

  @Test("SSL_CERT_FILE and SSL_CERT_DIR of the server's environment are trusted")
  func variables() throws {
    let (host, _) = try host("127.0.0.1")
    try folder.write(authority.credentials.certificatePEM, to: "ca.crt")
    let empty = try TemporaryDirectory()
    for (name, value) in [
      ("SSL_CERT_FILE", "\(folder.path)/ca.crt"), ("SSL_CERT_DIR", "/absent:\(folder.path)"),
    ] {
      #expect(probe(host.place, folder: empty.path)[.tls]?.verdict == .failed)
      #expect(probe(host.place, [name: value], folder: empty.path)[.tls]?.verdict == .fine)
    }
  }

  @Test("a certificate with few days left is a warning that says how many")
  func expiring() throws {
    let issued = try authority.issue(
      role: .witness, name: "kms-1", addresses: ["127.0.0.1"], days: 13)
    try folder.write(authority.credentials.certificatePEM, to: "ca.crt")
    let host = try FakeHTTPHost(issued) { _ in .response(HTTPResponse(200)) }
    let report = probe(host.place)
    #expect(report[.tls]?.verdict == .degraded)
    // To the second it is 13.
    let left = try #require(report.addresses[0].link?.daysLeft)
    #expect([12, 13].contains(left))
    #expect(report[.tls]?.detail.contains("valid for \(left) days, until") == true)
  }

  // MARK: proxies

  @Test("through a proxy the name is the proxy's to look up, and all else is as without it")
  func proxy() throws {
    let (host, _) = try host("kms-1.invalid")
    try folder.write(authority.credentials.certificatePEM, to: "ca.crt")
    let proxy = try FakeProxy(to: host.place, answer: "HTTP/1.1 200 Connection established")
    let report = probe(
      HostPort(host: "kms-1.invalid", port: 7373),
      ["HTTPS_PROXY": "http://ann:secret@127.0.0.1:\(proxy.port)"])
    #expect(report.proxy == "127.0.0.1:\(proxy.port)")
    #expect(report.stages.filter { $0.verdict == .fine }.count == 6)
    #expect(report.sights.map(\.host) == ["kms-1"])
    #expect(
      proxy.heads == [
        "CONNECT kms-1.invalid:7373 HTTP/1.1\r\nhost: kms-1.invalid:7373\r\n"
          + "proxy-authorization: Basic YW5uOnNlY3JldA==\r\n\r\n"
      ])
    #expect(!report.stages.contains { $0.detail.contains("secret") })
  }

  @Test(
    "a proxy that does not lead there fails at TCP, with what it said",
    arguments: [
      ("HTTP/1.1 403 No", "answers CONNECT kms-1.invalid:7373 with 403 Forbidden"),
      ("HTTP/1.1 204 Gone", "with 204"), ("SSH-2.0-x", "does not speak HTTP"),
      ("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-x", "speaks where kms-1.invalid:7373 should"),
      ("", "closed the connection"),
    ])
  func proxyRefuses(answer: String, words: String) throws {
    let (host, _) = try host("kms-1.invalid")
    let proxy = try FakeProxy(to: host.place, answer: answer)
    let report = probe(
      HostPort(host: "kms-1.invalid", port: 7373), ["HTTPS_PROXY": "127.0.0.1:\(proxy.port)"])
    #expect(report[.dns]?.verdict == .fine)
    #expect(report[.tcp]?.verdict == .failed)
    #expect(report[.tcp]?.detail.contains(words) == true)
    #expect(report[.tls]?.verdict == .notChecked)
    #expect(host.received.isEmpty)
  }

  @Test("a proxy of another kind is not spoken with, and NO_PROXY means the host itself")
  func otherProxies() throws {
    let (host, _) = try host("127.0.0.1")
    try folder.write(authority.credentials.certificatePEM, to: "ca.crt")
    let place = HostPort(host: "kms-1.invalid", port: 7373)
    let socks = probe(place, ["HTTPS_PROXY": "socks5://127.0.0.1:1"])
    #expect(socks.stages.allSatisfy { $0.verdict == .notChecked })
    #expect(socks[.tcp]?.detail.contains("socks5://127.0.0.1:1") == true)
    let excepted = probe(place, ["HTTPS_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": ".invalid"])
    #expect(excepted.proxy == nil)
    #expect(excepted[.dns]?.verdict == .failed)
    // A loopback address needs no exception.
    #expect(probe(host.place, ["HTTPS_PROXY": "socks5://127.0.0.1:1"])[.ready]?.verdict == .fine)
  }
}

/// A proxy on 127.0.0.1 that answers each CONNECT with `answer`, and leads to one place if that is a
/// 200 with nothing behind it.
private final class FakeProxy: Sendable {
  private let listener: Listener
  private let received = Lock<[String]>([])

  var port: UInt16 { listener.address.port }
  var heads: [String] { received.withLock { $0 } }

  init(to place: HostPort, answer: String) throws {
    listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    let (listener, received) = (listener, received)
    try Thread.start("fake-proxy") {
      while let client = try? listener.accept() {
        _ = try? Thread.start("fake-tunnel") {
          try? Self.serve(client, place, answer, received)
        }
      }
    }
  }

  deinit { listener.shutdown() }

  private static func serve(
    _ client: Socket, _ place: HostPort, _ answer: String, _ received: Lock<[String]>
  ) throws {
    let deadline = Instant.inMilliseconds(20_000)
    var head = ""
    while !head.hasSuffix("\r\n\r\n") {
      let bytes = try client.read(upTo: 4096, until: deadline)
      if bytes.isEmpty { return }
      head += String(decoding: bytes, as: UTF8.self)
    }
    received.update { $0.append(head) }
    if answer.isEmpty { return client.finish(until: deadline) }
    try client.write(Array("\(answer)\r\n\r\n".utf8), until: deadline)
    guard answer.hasPrefix("HTTP/1.1 200 Conn") else { return client.finish(until: deadline) }
    let address = try Resolver.resolve(place.host, port: place.port, until: deadline)[0]
    let server = try Socket.connect(to: address, until: deadline)
    _ = try Thread.start("fake-tunnel-back") { try? pass(server, client, deadline) }
    try pass(client, server, deadline)
  }

  private static func pass(_ from: Socket, _ to: Socket, _ deadline: Instant) throws {
    while true {
      let bytes = try from.read(upTo: 4096, until: deadline)
      if bytes.isEmpty { return to.interrupt() }
      try to.write(bytes, until: deadline)
    }
  }
}
