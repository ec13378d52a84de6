internal import LinuxIO
public import Model
public import StartWatch
internal import Wire

/// The health endpoints of this host's own server (facts, section D.6).
public enum ServerHealth {
  /// Blocks until both have answered, or the deadline. Over https, if there is a certificate in the
  /// server's directory, and then only to who holds that very certificate.
  public static func ask(_ server: ServerArguments, deadline: Instant) -> HealthAnswers {
    let answers = InParallel.map(
      ["/minio/health/ready", "/minio/health/cluster"], thread: "health",
      until: deadline.advanced(byMilliseconds: 1_000)
    ) { path in
      do throws(ProbeFailure) {
        return try ask(server, path, deadline)
      } catch { return HealthAnswer.failed(error.text) }
    }
    let late = HealthAnswer.failed("the deadline came first")
    return HealthAnswers(ready: answers[0] ?? late, cluster: answers[1] ?? late)
  }

  private static func ask(
    _ server: ServerArguments, _ path: String, _ deadline: Instant
  ) throws(ProbeFailure) -> HealthAnswer {
    let connection = try OwnServerConnection.open(server, until: deadline)
    let response = try connection.ask(HTTPRequest("GET", path), until: deadline)
    connection.close(until: deadline)
    return .answered(
      status: response.status,
      serverStatus: response.headers["x-minio-server-status"].map(printable))
  }
}
