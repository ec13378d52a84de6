// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import HTTPS
package import Model

/// One request on a connection of its own.
package enum HTTPExchange {
  /// Blocks until the whole answer to a GET is there, or the deadline.
  package static func get(
    _ place: HostPort, _ path: String, query: [(name: String, value: String)] = [],
    security: HTTPConnection.Security, headers: HTTPHeaders = [:], until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPResponse {
    let request = HTTPRequest("GET", path, query: query, headers: headers)
    return try send(request, to: place, security: security, until: deadline)
  }

  /// Blocks until the whole answer to a POST is there, or the deadline.
  package static func post(
    _ place: HostPort, _ path: String, body: [UInt8], security: HTTPConnection.Security,
    headers: HTTPHeaders = [:], until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPResponse {
    let request = HTTPRequest("POST", path, headers: headers, body: body)
    return try send(request, to: place, security: security, until: deadline)
  }

  private static func send(
    _ request: HTTPRequest, to place: HostPort, security: HTTPConnection.Security,
    until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPResponse {
    let connection = try HTTPConnection.open(place, security: security, until: deadline)
    defer { connection.close() }
    return try connection.exchange(request, closes: true, until: deadline)
  }
}
