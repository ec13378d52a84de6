// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import HTTP
import KeyManager
import Linux
import Model
import Sockets
import TLS
internal import Threads

/// HTTPS to one Key Manager host, as the server's client speaks it (docs/facts.md,
/// "Reading of values", "Identity and TLS"): mutual TLS with the API key, the system's roots and
/// those in the certificates directory.
struct KeyManagerTransport: Sendable {
  struct Problem: Error { var text: String }

  private let context: ProbeTLSContext

  /// Blocks on the disk. Ignores roots that cannot be read, as the server does.
  init(apiKey: APIKey, authoritiesDirectory: String) throws(KMSSettings.Problem) {
    let roots = ((try? Self.files(in: authoritiesDirectory)) ?? []).compactMap { path in
      (try? FileReading.read(path, limitBytes: 1 << 20)).map {
        String(decoding: $0.bytes, as: UTF8.self)
      }
    }
    do throws(CertificateFailure) {
      let client = try apiKey.withPrivateKeyInfo { info throws(CertificateFailure) in
        // A PKCS#8 without a public half ends with the bare key.
        let bare = Array(info.suffix(apiKey.kind.byteCount))
        return try ClientCertificate.selfSigned(
          apiKey.kind == .ed25519 ? .ed25519(seed: bare) : .ecdsa(scalar: bare),
          commonName: apiKey.identity.text)
      }
      let readable = roots.filter { (try? CertificateInfo(pem: $0)) != nil }
      context = try .verifying(extraRootsPEM: readable, client: client)
    } catch { throw .unusable(error.description) }
  }

  typealias Answer = (status: Int, body: [UInt8])

  /// Blocks for at most 30 s to connect and 60 s in all.
  func post(to host: String, path: String, body: [UInt8]) throws(Problem) -> Answer {
    try exchange(
      with: host,
      HTTPRequest(
        "POST", path,
        headers: ["content-type": "application/octet-stream", "accept": "application/*"], body: body
      ))
  }

  /// Blocks as long.
  func get(from host: String, path: String) throws(Problem) -> Answer {
    try exchange(with: host, HTTPRequest("GET", path, headers: ["accept": "application/*"]))
  }

  private func exchange(with host: String, _ request: HTTPRequest) throws(Problem) -> Answer {
    // Behind a slash in the endpoint is a part of the URL.
    let authority = host.prefix { $0 != "/" }
    guard let place = HostPort(String(authority), defaultPort: 443) else {
      throw Problem(text: "dial tcp: lookup \(authority): no such host")
    }
    do {
      let dial = Instant.inMilliseconds(30_000)
      let socket = try Self.connect(to: place, until: dial)
      let deadline = Instant.inMilliseconds(60_000)
      let session = try context.connect(
        over: socket, host: place.host, until: .inMilliseconds(10_000))
      try session.write(request.bytes(host: String(authority), closes: true), until: deadline)
      var parser = HTTPResponseParser(bodyLimit: 1 << 20)
      while true {
        if let answer = try parser.next() {
          session.close(until: deadline)
          return (answer.status, answer.body)
        }
        parser.feed(try session.read(upTo: 16 << 10, until: deadline))
      }
    } catch let problem as Problem {
      throw problem
    } catch let failure as TLSFailure {
      throw Problem(text: Self.text(failure))
    } catch { throw Problem(text: "\(error)") }
  }

  private static func connect(
    to place: HostPort, until deadline: Instant
  ) throws(Problem) -> Socket {
    let addresses: [SocketAddress]
    do throws(SocketFailure) {
      addresses = try Resolver.resolve(place.host, port: place.port, until: deadline)
    } catch { throw Problem(text: "dial tcp: lookup \(place.host): no such host") }
    var problem = Problem(text: "dial tcp: lookup \(place.host): no such host")
    for address in addresses {
      do throws(SocketFailure) {
        return try Socket.connect(to: address, until: deadline)
      } catch { problem = Problem(text: "dial tcp \(address.text): \(text(error))") }
    }
    throw problem
  }

  private static func text(_ failure: SocketFailure) -> String {
    switch failure {
    case .refused: "connect: connection refused"
    case .timedOut: "i/o timeout"
    case .unreachable: "connect: no route to host"
    default: failure.description
    }
  }

  private static func text(_ failure: TLSFailure) -> String {
    switch failure.kind {
    case .unknownAuthority:
      "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    case .nameMismatch: "tls: failed to verify certificate: x509: certificate is not valid for host"
    case .certificateExpired:
      "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
    case .closed: "EOF"
    case .timedOut: "net/http: TLS handshake timeout"
    default: failure.description
    }
  }

  private static func files(in directory: String) throws(Errno) -> [String] {
    guard let stream = opendir(directory) else { throw Errno(errno, "open \(directory)") }
    defer { closedir(stream) }
    var paths: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { paths.append("\(directory)/\(name)") }
    }
    return paths.sorted()
  }
}
