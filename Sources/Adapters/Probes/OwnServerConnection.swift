// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import HTTP
internal import HTTPS
internal import Model
internal import ServerUnit
internal import Sockets
internal import TLS

/// A connection to this host's own server: over https, if there are a certificate and its key in
/// the server's directory, and then only to the holder of that certificate. It belongs to one
/// thread.
struct OwnServerConnection {
  let host: String
  private let connection: ProbeConnection

  /// Blocks until the connection is there, or the deadline.
  static func open(
    _ server: ServerArguments, until deadline: Instant
  ) throws(ProbeFailure) -> OwnServerConnection {
    guard let place = server.healthAddress else {
      throw ProbeFailure("the server's --address \(server.address ?? "") is not a host and a port")
    }
    let leaf = try server.certificatesDirectory.flatMap { directory throws(ProbeFailure) in
      try leafCertificate(in: directory)
    }
    let socket: Socket
    do throws(SocketFailure) {
      let addresses = try Resolver.resolve(place.host, port: place.port, until: deadline)
      guard let address = addresses.first else { throw .noSuchHost("look up \(place.host)") }
      socket = try Socket.connect(to: address, until: deadline)
    } catch { throw ProbeFailure(error) }
    guard let leaf else {
      return OwnServerConnection(
        host: place.text, connection: ProbeConnection(.plain(socket), host: place.text))
    }
    return OwnServerConnection(
      host: place.text, connection: try secure(socket, place, leaf, deadline))
  }

  var staysOpen: Bool { connection.staysOpen }

  /// Blocks until the answer is complete, or the deadline. After a failure the connection is over.
  func ask(_ request: HTTPRequest, until deadline: Instant) throws(ProbeFailure) -> HTTPResponse {
    try connection.ask(request, until: deadline)
  }

  /// Ends it in order, as far as that works until the deadline.
  func close(until deadline: Instant) { connection.close(until: deadline) }

  private static func secure(
    _ socket: Socket, _ place: HostPort, _ leaf: String, _ deadline: Instant
  ) throws(ProbeFailure) -> ProbeConnection {
    let context: ProbeTLSContext
    do throws(CertificateFailure) { context = try .pinned(leafPEM: leaf) } catch {
      throw ProbeFailure(error.description)
    }
    do throws(TLSFailure) {
      let session = try context.connect(over: socket, host: place.host, until: deadline)
      return ProbeConnection(.tls(session), host: place.text)
    } catch { throw ProbeFailure(error) }
  }

  /// Nil where the server speaks http: it speaks https only where both files are regular ones
  /// (`getTLSConfig` of minio:cmd).
  private static func leafCertificate(in directory: String) throws(ProbeFailure) -> String? {
    let (certificate, key) = ("\(directory)/public.crt", "\(directory)/private.key")
    do throws(FileFailure) {
      for file in [certificate, key] where try !FileReading.isRegularFile(file) { return nil }
      let file = try FileReading.readIfPresent(certificate, limitBytes: Limits.environmentFileBytes)
      return file.map { String(decoding: $0.bytes, as: UTF8.self) }
    } catch { throw ProbeFailure(error.description) }
  }
}
