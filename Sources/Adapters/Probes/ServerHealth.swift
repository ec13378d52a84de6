// SPDX-License-Identifier: Apache-2.0
internal import HTTP
package import Model
package import ServerUnit
package import StartWatch

/// The health endpoints of this host's own server (docs/facts.md, "Health endpoints").
package enum ServerHealth {
  /// Blocks until the server has answered, or the deadline. Over https, if there are a certificate
  /// and its key in the server's directory, and then only to the holder of that certificate.
  package static func ask(
    _ endpoint: HealthEndpoint, of server: ServerArguments, deadline: Instant
  ) -> HealthAnswer {
    do throws(ProbeFailure) {
      let connection = try OwnServerConnection.open(server, until: deadline)
      let response = try connection.ask(HTTPRequest("GET", endpoint.rawValue), until: deadline)
      connection.close(until: deadline)
      return .answered(
        status: response.status,
        serverStatus: response.headers["x-minio-server-status"].map(printable),
        code: response.status == 200 ? nil : ServerError(response).code)
    } catch { return .failed(error.text) }
  }
}
