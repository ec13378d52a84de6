internal import LinuxIO
public import Model
public import StartWatch
internal import TLS
internal import Wire

/// The health endpoints of this host's own server (facts, section D.6).
public enum ServerHealth {
  /// Blocks until both have answered, or the deadline. Over https, if there is a certificate in the
  /// server's directory, and then only to who holds that very certificate.
  public static func ask(_ server: ServerArguments, deadline: Instant) -> HealthAnswers {
    guard let place = server.healthAddress else {
      let failed = HealthAnswer.failed(
        "the server's --address \(server.address ?? "") is not a host and a port")
      return HealthAnswers(ready: failed, cluster: failed)
    }
    let certificates = server.certificatesDirectory
    let answers = InParallel.map(
      ["/minio/health/ready", "/minio/health/cluster"], thread: "health",
      until: deadline.advanced(byMilliseconds: 1_000)
    ) { path in
      do throws(ProbeFailure) {
        return try ask(place, path, certificates, deadline)
      } catch { return HealthAnswer.failed(error.text) }
    }
    let late = HealthAnswer.failed("the deadline came first")
    return HealthAnswers(ready: answers[0] ?? late, cluster: answers[1] ?? late)
  }

  private static func ask(
    _ place: HostPort, _ path: String, _ certificates: String?, _ deadline: Instant
  ) throws(ProbeFailure) -> HealthAnswer {
    let leaf = try certificates.flatMap { directory throws(ProbeFailure) in
      try leafCertificate(in: directory)
    }
    let socket: Socket
    do throws(SocketFailure) {
      let addresses = try Resolver.resolve(place.host, port: place.port, until: deadline)
      guard let address = addresses.first else { throw .noSuchHost("look up \(place.host)") }
      socket = try Socket.connect(to: address, until: deadline)
    } catch { throw ProbeFailure(error) }
    let connection: ProbeConnection
    if let leaf {
      connection = try secure(socket, place, leaf, deadline)
    } else {
      connection = ProbeConnection(socket, host: place.text)
    }
    let response = try connection.ask(HTTPRequest("GET", path), until: deadline)
    connection.close(until: deadline)
    return .answered(
      status: response.status,
      serverStatus: response.headers["x-minio-server-status"].map(printable))
  }

  private static func secure(
    _ socket: Socket, _ place: HostPort, _ leaf: String, _ deadline: Instant
  ) throws(ProbeFailure) -> ProbeConnection {
    let context: ProbeTLSContext
    do throws(CertificateFailure) { context = try .pinned(leafPEM: leaf) } catch {
      throw ProbeFailure(error.description)
    }
    do throws(TLSFailure) {
      return ProbeConnection(
        try context.connect(over: socket, host: place.host, until: deadline), host: place.text)
    } catch { throw ProbeFailure(error) }
  }

  /// The server speaks https when it has a certificate; nil if it has none.
  private static func leafCertificate(in directory: String) throws(ProbeFailure) -> String? {
    do throws(FileFailure) {
      let file = try FileReading.readIfPresent(
        "\(directory)/public.crt", limitBytes: Limits.environmentFileBytes)
      return file.map { String(decoding: $0.bytes, as: UTF8.self) }
    } catch { throw ProbeFailure(error.description) }
  }
}
