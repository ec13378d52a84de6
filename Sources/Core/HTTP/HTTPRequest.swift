// SPDX-License-Identifier: Apache-2.0

/// An HTTP request, as received or to be sent.
package struct HTTPRequest: Sendable {
  /// Methods are case-sensitive, and in upper case by convention.
  package var method: String
  /// The path, percent-decoded; begins with a slash.
  package var path: String
  /// Percent-decoded, in their order. A name without `=` has an empty value.
  package var query: [(name: String, value: String)]
  /// To be sent without Host, Content-Length and Connection, which the serialiser writes.
  package var headers: HTTPHeaders
  package var body: [UInt8]

  package init(
    _ method: String, _ path: String, query: [(name: String, value: String)] = [],
    headers: HTTPHeaders = [:], body: [UInt8] = []
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
  }

  package func query(_ name: String) -> String? { query.first { $0.name == name }?.value }

  /// Whether the sender wants the connection to end after the answer (RFC 9112, 9.3).
  package var closes: Bool { headers.lists("connection", "close") }

  /// - Parameters:
  ///   - host: the Host field: a name, with `:port` unless it is the scheme's own.
  ///   - origin: what stands before the path where a proxy gets the request: `http://host`.
  package func bytes(host: String, origin: String = "", closes: Bool = false) -> [UInt8] {
    var target = origin + HTTPSyntax.percentEncoded(path, also: "/:@!$&'()*+,;=")
    for (index, pair) in query.enumerated() {
      target += index == 0 ? "?" : "&"
      target += HTTPSyntax.percentEncoded(pair.name) + "=" + HTTPSyntax.percentEncoded(pair.value)
    }
    var head = "\(method) \(target) HTTP/1.1\r\nhost: \(host)\r\n"
    // A body is announced for the methods that have one, even if it is empty (RFC 9110, 8.6).
    if !body.isEmpty || method == "POST" || method == "PUT" {
      head += "content-length: \(body.count)\r\n"
    }
    if closes { head += "connection: close\r\n" }
    return HTTPHead.bytes(head, headers, body)
  }
}
