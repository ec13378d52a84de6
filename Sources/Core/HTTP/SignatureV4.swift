// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model
internal import OpenSSL
package import Secrets

/// AWS Signature Version 4 in the header fields of a request, as S3 servers check it.
///
/// The path is percent-encoded once, as S3 wants it; the body is always covered by its digest.
/// Pure: the time is an argument.
package struct SignatureV4: Sendable {
  /// When the request was signed: `20130524T000000Z`.
  package var time: String
  /// The server's region; a server without one takes any.
  package var region: String
  /// The name of the service; MinIO has `s3` for all that it answers here.
  package var service: String
  /// Names of the fields that are covered, in lower case and in order.
  package var fields: [String]

  package static let timeField = "x-amz-date"
  /// The field of the body's digest.
  package static let digestField = "x-amz-content-sha256"
  /// How the Authorization field begins.
  package static let algorithm = "AWS4-HMAC-SHA256"

  package init(time: String, region: String, service: String = "s3", fields: [String]) {
    self.time = time
    self.region = region
    self.service = service
    self.fields = fields
  }

  /// The same request with its time, its body's digest and the signature over all fields, and over
  /// the Host field that it will be sent with.
  package static func sign(
    _ request: HTTPRequest, host: String, as credentials: AccessCredentials,
    region: String = "us-east-1", microseconds: Int64
  ) -> HTTPRequest {
    var signed = request
    let time = time(microseconds: microseconds)
    signed.headers.add(timeField, time)
    signed.headers.add(digestField, Digest.sha256(request.body).hex)
    let fields = Set(signed.headers.fields.map(\.name) + ["host"]).sorted()
    let signature = SignatureV4(time: time, region: region, fields: fields)
    let text = signature.text(of: signed, host: host, key: credentials.secretKey)
    signed.headers.add(
      "authorization",
      "\(algorithm) Credential=\(credentials.accessKey.reveal())/\(signature.scope), "
        + "SignedHeaders=\(fields.joined(separator: ";")), Signature=\(text)")
    return signed
  }

  /// The signature of a request that has these fields, 64 hexadecimal digits.
  ///
  /// - Parameter host: what the Host field says.
  package func text(of request: HTTPRequest, host: String, key: Secret) -> String {
    let body = request.headers[Self.digestField] ?? Digest.sha256(request.body).hex
    let canonical = [
      request.method, HTTPSyntax.percentEncoded(request.path, also: "/"),
      Self.canonical(request.query),
      fields.map { "\($0):\(Self.canonical($0, of: request, host))\n" }.joined(),
      fields.joined(separator: ";"), body,
    ].joined(separator: "\n")
    let toSign = [Self.algorithm, time, scope, Digest.sha256(Array(canonical.utf8)).hex]
      .joined(separator: "\n")
    var signingKey = Array("AWS4\(key.reveal())".utf8)
    for part in [String(time.prefix(8)), region, service, "aws4_request"] {
      let next = MessageCode.hmacSHA256(Array(part.utf8), key: signingKey)
      signingKey.wipe()
      signingKey = next
    }
    defer { signingKey.wipe() }
    return MessageCode.hmacSHA256(Array(toSign.utf8), key: signingKey).hex
  }

  /// What the key is made for: `20130524/us-east-1/s3/aws4_request`.
  package var scope: String { "\(time.prefix(8))/\(region)/\(service)/aws4_request" }

  /// Sorted by the encoded names, then values.
  private static func canonical(_ query: [(name: String, value: String)]) -> String {
    query.map { (HTTPSyntax.percentEncoded($0.name), HTTPSyntax.percentEncoded($0.value)) }
      .sorted { $0 < $1 }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  /// The values of a field, the blanks within each run of them made one.
  private static func canonical(_ field: String, of request: HTTPRequest, _ host: String) -> String
  {
    let values = field == "host" ? [host] : request.headers.all(field)
    return values.map { $0.split { $0 == " " || $0 == "\t" }.joined(separator: " ") }
      .joined(separator: ",")
  }

  /// RFC 3339 without its punctuation, in whole seconds.
  private static func time(microseconds: Int64) -> String {
    CalendarTime.text(seconds: microseconds / 1_000_000).filter { $0 != "-" && $0 != ":" }
  }
}
