// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding

/// An HTTP response, as received or to be sent.
package struct HTTPResponse: Sendable, Equatable {
  package var status: Int
  /// To be sent without Content-Length and Connection, which the serialiser writes.
  package var headers: HTTPHeaders
  package var body: [UInt8]

  package init(_ status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  package static func text(_ status: Int, _ text: String) -> HTTPResponse {
    HTTPResponse(
      status, headers: ["content-type": "text/plain; charset=utf-8"],
      body: Array((text + "\n").utf8))
  }

  package static func json(_ status: Int, _ value: some Encodable) -> HTTPResponse {
    HTTPResponse(status, headers: ["content-type": "application/json"], body: JSON.encode(value))
  }

  package func bytes(closes: Bool) -> [UInt8] {
    var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\n"
    // RFC 9110, 8.6: neither 1xx nor 204 may announce a body.
    if status >= 200 && status != 204 { head += "content-length: \(body.count)\r\n" }
    if closes { head += "connection: close\r\n" }
    return HTTPHead.bytes(head, headers, body)
  }

  /// The phrase of a status code (RFC 9110, 15), for people.
  package static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 417: "Expectation Failed"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Status \(status)"
    }
  }
}
