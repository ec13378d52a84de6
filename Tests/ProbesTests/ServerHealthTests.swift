// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTP
import Model
import Probes
import ServerUnit
import StartWatch
import TLS
import TestSupport
import Testing
import Threads

@Suite struct ServerHealthTests {
  private func ask(
    _ address: String, _ endpoint: HealthEndpoint = .ready, certificates: String? = nil,
    milliseconds: Int = 10_000
  ) -> HealthAnswer {
    var server = ServerArguments(arguments: ["--address", address])
    server.certificatesDirectory = certificates
    return ServerHealth.ask(endpoint, of: server, deadline: .inMilliseconds(milliseconds))
  }

  private func isFailure(_ answer: HealthAnswer) -> Bool {
    if case .failed = answer { true } else { false }
  }

  @Test("status, x-minio-server-status and the code of an error's body are returned")
  func answers() throws {
    let host = try FakeHTTPHost(nil) { request in
      request.path == "/minio/health/ready"
        ? .response(
          HTTPResponse(
            403,
            body: Array("<Error><Code>kms:NotAuthorized</Code><Message>m</Message></Error>".utf8)))
        : .response(HTTPResponse(503, headers: ["X-Minio-Server-Status": "iam-offline"]))
    }
    #expect(ask(":\(host.port)") == .answered(status: 403, code: "kms:NotAuthorized"))
    #expect(
      ask(":\(host.port)", .cluster) == .answered(status: 503, serverStatus: "iam-offline"))
    #expect(
      host.received.map(\.request.path) == ["/minio/health/ready", "/minio/health/cluster"])
  }

  @Test("a code that is no plain word of at most 128 bytes is left out")
  func codes() throws {
    for (text, code) in [
      (String(repeating: "a", count: 128), String?.some(String(repeating: "a", count: 128))),
      (String(repeating: "a", count: 129), nil), ("a b", nil), ("", nil), ("\u{1B}[31m", nil),
    ] {
      let host = try FakeHTTPHost(nil) { _ in
        .response(HTTPResponse(500, body: Array("<Error><Code>\(text)</Code></Error>".utf8)))
      }
      #expect(ask(":\(host.port)") == .answered(status: 500, code: code))
    }
  }

  @Test("a server with a certificate is asked over https and must hold that very certificate")
  func pinned() throws {
    let authority = try CertificateAuthority.create(cluster: "test")
    let own = try authority.issue(role: .node, name: "minio-1")
    let other = try authority.issue(role: .node, name: "minio-1")
    let host = try FakeHTTPHost(own) { _ in .response(HTTPResponse(200)) }
    let directory = try TemporaryDirectory()
    try directory.write(own.certificatePEM, to: "public.crt")
    try directory.write("a key", to: "private.key")
    #expect(
      ask(":\(host.port)", certificates: directory.path)
        == .answered(status: 200, serverStatus: nil))
    let another = try TemporaryDirectory()
    try another.write(other.certificatePEM, to: "public.crt")
    try another.write("a key", to: "private.key")
    #expect(isFailure(ask(":\(host.port)", certificates: another.path)))
    let broken = try TemporaryDirectory()
    try broken.write("not a certificate", to: "public.crt")
    try broken.write("a key", to: "private.key")
    #expect(isFailure(ask(":\(host.port)", certificates: broken.path)))
    #expect(host.received.count == 1)
  }

  @Test("a directory without a certificate, or without its key, means http")
  func noCertificate() throws {
    let host = try FakeHTTPHost(nil) { _ in .response(HTTPResponse(200)) }
    let empty = try TemporaryDirectory()
    let keyOnly = try TemporaryDirectory()
    try keyOnly.write("a key", to: "private.key")
    // The server speaks https only where both are regular files.
    let noKey = try TemporaryDirectory()
    try noKey.write("a certificate", to: "public.crt")
    let folder = try TemporaryDirectory()
    try folder.write("a certificate", to: "public.crt")
    #expect(mkdir("\(folder.path)/private.key", 0o755) == 0)
    for directory in [
      empty.path, "\(empty.path)/absent", keyOnly.path, noKey.path, folder.path,
    ] {
      #expect(
        ask(":\(host.port)", certificates: directory)
          == .answered(status: 200, serverStatus: nil))
    }
  }

  @Test("no server, a silent one and an address that is none are failures")
  func failures() throws {
    let port = try FakeHTTPHost(nil) { _ in .silence }.port
    #expect(isFailure(ask(":\(port)")))
    let silent = try FakeHTTPHost(nil) { _ in .silence }
    #expect(isFailure(ask(":\(silent.port)", milliseconds: 200)))
    #expect(isFailure(ask("a b:c")))
  }
}
