import LinuxIO
import Model
import Probes
import StartWatch
import TLS
import TestSupport
import Testing
import Wire

@Suite struct ServerHealthTests {
  private func ask(
    _ address: String, certificates: String? = nil, milliseconds: Int = 10_000
  ) -> HealthAnswers {
    var server = ServerArguments(arguments: ["--address", address])
    server.certificatesDirectory = certificates
    return ServerHealth.ask(server, deadline: .inMilliseconds(milliseconds))
  }

  private func isFailure(_ answer: HealthAnswer) -> Bool {
    if case .failed = answer { true } else { false }
  }

  @Test("status and x-minio-server-status of both endpoints are returned")
  func answers() throws {
    let host = try FakeHost(nil) { request in
      request.path == "/minio/health/ready"
        ? .response(HTTPResponse(200))
        : .response(HTTPResponse(503, headers: ["X-Minio-Server-Status": "iam-offline"]))
    }
    let answers = ask(":\(host.port)")
    #expect(answers.ready == .answered(status: 200, serverStatus: nil))
    #expect(answers.cluster == .answered(status: 503, serverStatus: "iam-offline"))
    #expect(
      host.received.map(\.request.path).sorted() == [
        "/minio/health/cluster", "/minio/health/ready",
      ])
  }

  @Test("a server with a certificate is asked over https and must hold that very certificate")
  func pinned() throws {
    let authority = try CertificateAuthority.create(cluster: "test")
    let own = try authority.issue(role: .node, name: "minio-1")
    let other = try authority.issue(role: .node, name: "minio-1")
    let host = try FakeHost(own) { _ in .response(HTTPResponse(200)) }
    let directory = try TemporaryDirectory()
    try directory.write(own.certificatePEM, to: "public.crt")
    #expect(
      ask(":\(host.port)", certificates: directory.path).cluster
        == .answered(status: 200, serverStatus: nil))
    let another = try TemporaryDirectory()
    try another.write(other.certificatePEM, to: "public.crt")
    #expect(isFailure(ask(":\(host.port)", certificates: another.path).ready))
    let broken = try TemporaryDirectory()
    try broken.write("not a certificate", to: "public.crt")
    #expect(isFailure(ask(":\(host.port)", certificates: broken.path).ready))
    #expect(host.received.count == 2)
  }

  @Test("a directory without a certificate means http")
  func noCertificate() throws {
    let host = try FakeHost(nil) { _ in .response(HTTPResponse(200)) }
    let empty = try TemporaryDirectory()
    for directory in [empty.path, "\(empty.path)/absent"] {
      #expect(
        ask(":\(host.port)", certificates: directory).ready
          == .answered(status: 200, serverStatus: nil))
    }
  }

  @Test("no server, a silent one and an address that is none are failures")
  func failures() throws {
    let port = try FakeHost(nil) { _ in .silence }.port
    #expect(isFailure(ask(":\(port)").ready))
    let silent = try FakeHost(nil) { _ in .silence }
    let answers = ask(":\(silent.port)", milliseconds: 200)
    #expect(isFailure(answers.ready) && isFailure(answers.cluster))
    #expect(isFailure(ask("a b:c").ready))
  }

  @Test("an endpoint that is silent does not keep the other from being answered")
  func independent() throws {
    let host = try FakeHost(nil) { request in
      request.path == "/minio/health/ready" ? .silence : .response(HTTPResponse(200))
    }
    let answers = ask(":\(host.port)", milliseconds: 2_000)
    #expect(isFailure(answers.ready))
    #expect(answers.cluster == .answered(status: 200, serverStatus: nil))
  }
}
