// SPDX-License-Identifier: Apache-2.0
package import HTTP
internal import JSONCoding
internal import Model

/// An error as an S3 server answers it: XML on S3's paths, JSON of the same names on MinIO's own,
/// nothing in the answer of a HEAD.
package struct S3Error: Error, Sendable, Hashable {
  package var status: Int
  /// For example `NoSuchBucket` or `kms:KeyNotFound`; nil if the answer has none.
  package var code: String?
  /// The server's own sentence, cut to ``Limits/s3MessageCharacters``.
  package var message: String?
  /// The region that the server wants in the signature.
  package var region: String?
  /// How far the server's clock is ahead of the one that signed, seconds; nil without a Date field.
  package var clockAheadSeconds: Int64?
  /// What answered, as it names itself (the field Server).
  package var server: String?
  /// Where it says that the thing is: scheme, host and port of the field Location.
  package var location: String?
  /// The proxy that the answer came through, which may be its own; nil where none could answer.
  package var proxy: String?

  package init(status: Int, code: String? = nil, message: String? = nil) {
    self.status = status
    self.code = code
    self.message = message
  }

  /// - Parameter now: the own time of day, microseconds since 1970-01-01 UTC.
  package init(_ response: HTTPResponse, now: Int64) {
    status = response.status
    let fields = Self.fields(response.body)
    // To a HEAD, whose answer has no document, MinIO says it in fields of its own.
    code = (fields["Code"] ?? response.headers["x-minio-error-code"]).flatMap(Self.word)
    message = (fields["Message"] ?? response.headers["x-minio-error-desc"].map(Self.unquoted))
      .map { String($0.prefix(Limits.s3MessageCharacters)) }
    region = (fields["Region"] ?? response.headers["x-amz-bucket-region"]).flatMap(Self.word)
    server = response.headers["server"].map { String($0.prefix(64)) }
    location = response.headers["location"].flatMap(Self.origin)
    clockAheadSeconds = response.headers["date"].flatMap(HTTPDate.seconds).map {
      $0 - now / 1_000_000
    }
  }

  /// `NoSuchBucket: The specified bucket does not exist`, or the status alone.
  package var text: String {
    let status = "\(self.status) \(HTTPResponse.reason(self.status))"
    guard let code else { return server.map { "\(status) (Server: \($0))" } ?? status }
    return message.map { "\(code): \($0)" } ?? "\(code) (\(self.status))"
  }

  /// Whether a key could not be created because there is one. MinIO says so with the code of any
  /// failure (500 InternalError); the sentence, its slip included, is all that tells it.
  package var saysKeyExists: Bool {
    code == "kms:KeyAlreadyExists"
      || message.map { $0.contains("key with given key ID already exi") } ?? false
  }

  /// Why MinIO's KMS API has refused a request with the code of any failure (500 InternalError), by the
  /// words that it puts in brackets; nil for another error.
  package enum KeyRefusal: Sendable {
    /// Its keys come from where none can be created or listed.
    case unsupported
    /// The Key Manager denies it to the server's API key.
    case denied
  }

  package var keyRefusal: KeyRefusal? {
    guard code == "InternalError", let message else { return nil }
    if message.contains("requested functionality is not supported") { return .unsupported }
    return message.contains("insufficient permissions") ? .denied : nil
  }

  /// Whether the clocks are so far apart that a server refuses every signature: 15 minutes. MinIO says
  /// it in no field where it answers a HEAD.
  package var hasSkewedClock: Bool {
    [400, 401, 403].contains(status) && clockAheadSeconds.map { abs($0) > 900 } ?? false
  }

  /// Whether nothing has happened by its own word, whatever the status.
  package var saysNothingHappened: Bool {
    status < 500 || status == 501 || saysKeyExists || keyRefusal != nil
  }

  private static func fields(_ body: [UInt8]) -> [String: String] {
    if body.first == UInt8(ascii: "{") {
      let error = try? JSON.decode(JSONBody.self, from: body)
      return ["Code": error?.code, "Message": error?.message].compactMapValues { $0 }
    }
    guard let root = try? XMLElement(document: body), root.name == "Error" else { return [:] }
    return Dictionary(root.children.map { ($0.name, $0.text) }) { first, _ in first }
  }

  private struct JSONBody: Decodable {
    var code: String?
    var message: String?

    enum CodingKeys: String, CodingKey {
      case code = "Code"
      case message = "Message"
    }
  }

  /// `https://host:port` of an URL; what stands after it may be a secret.
  private static func origin(_ url: String) -> String? {
    guard let start = url.firstRange(of: "://")?.upperBound else { return nil }
    let scheme = url[..<start].lowercased()
    let host = url[start...].prefix { !"/?#".contains($0) }
    guard ["http://", "https://"].contains(scheme), !host.contains("@"),
      (1...255).contains(host.utf8.count)
    else { return nil }
    return scheme + host
  }

  private static func unquoted(_ text: String) -> String {
    text.count > 1 && text.hasPrefix("\"") && text.hasSuffix("\"")
      ? String(text.dropFirst().dropLast()) : text
  }

  /// A code or a region: one short word.
  private static func word(_ text: String) -> String? {
    guard (1...128).contains(text.utf8.count),
      text.utf8.allSatisfy({ $0.isLetterOrDigit || "-_.:".utf8.contains($0) })
    else { return nil }
    return text
  }
}

/// The time in a Date field (RFC 9110, 5.6.7), the preferred form.
package enum HTTPDate {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// Seconds since 1970-01-01 UTC of `Sun, 06 Nov 1994 08:49:37 GMT`; nil for anything else.
  package static func seconds(_ text: String) -> Int64? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])),
      let day = number(parts[1], 2, 1...31), let year = number(parts[3], 4, 1970...9999)
    else { return nil }
    let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
    guard clock.count == 3, let hour = number(clock[0], 2, 0...23),
      let minute = number(clock[1], 2, 0...59), let second = number(clock[2], 2, 0...60)
    else { return nil }
    let days = CalendarTime.days(year, Int64(month) + 1, day)
    return days * 86_400 + hour * 3_600 + minute * 60 + second
  }

  private static func number(
    _ text: Substring, _ digits: Int, _ range: ClosedRange<Int64>
  ) -> Int64? {
    guard text.utf8.count == digits, text.isDigits, let value = Int64(text),
      range.contains(value)
    else { return nil }
    return value
  }
}
