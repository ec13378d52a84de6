// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A message of the Key Manager's protocol (docs/facts.md, "Key Manager messages"): package
/// minio.kms, proto3. Fields that are not known are passed over when one is read; of a field given
/// twice the last counts.
package protocol KeyManagerMessage: Sendable, Hashable {
  /// The message in `bytes`.
  init(decoding bytes: [UInt8]) throws(CodecError)
  /// Its bytes.
  func encoded() -> [UInt8]
}

/// Why a request failed; the body of every answer that is not 200.
package struct ErrorResponse: KeyManagerMessage, Codable {
  /// The text; together with the HTTP status it is a ``KeyManagerError``.
  package var message = ""

  /// An error with its text.
  package init(message: String) { self.message = message }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      if case (1, .bytes(let bytes)) = field { message = try ProtobufReader.text(bytes) }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, message)
    return writer.bytes
  }
}

/// The answer to `GET /version`.
package struct VersionResponse: KeyManagerMessage {
  /// The release, such as `2025-08-18T19-50-54Z`.
  package var version = ""
  /// The commit that it was built from.
  package var commit = ""
  /// The protocol's version, `v1`.
  package var apiVersion = ""
  /// The host's own name for itself.
  package var host = ""
  /// Whether it runs in FIPS 140 mode.
  package var fips140 = false

  /// An empty answer.
  package init() {}

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .bytes(let bytes)): version = try ProtobufReader.text(bytes)
      case (2, .bytes(let bytes)): commit = try ProtobufReader.text(bytes)
      case (3, .bytes(let bytes)): apiVersion = try ProtobufReader.text(bytes)
      case (4, .bytes(let bytes)): host = try ProtobufReader.text(bytes)
      case (5, .varint(let value)): fips140 = value != 0
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, version)
    writer.field(2, commit)
    writer.field(3, apiVersion)
    writer.field(4, host)
    writer.field(5, fips140)
    return writer.bytes
  }
}

extension VersionResponse: Codable {
  private enum Key: String, CodingKey {
    case version, commit, host, fips140
    case apiVersion = "api_version"
  }

  /// The answer of a Key Manager that speaks JSON; protojson leaves out what has its default.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    version = try fields.decodeIfPresent(String.self, forKey: .version) ?? ""
    commit = try fields.decodeIfPresent(String.self, forKey: .commit) ?? ""
    apiVersion = try fields.decodeIfPresent(String.self, forKey: .apiVersion) ?? ""
    host = try fields.decodeIfPresent(String.self, forKey: .host) ?? ""
    fips140 = try fields.decodeIfPresent(Bool.self, forKey: .fips140) ?? false
  }

  /// As protojson, with the defaults written out.
  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Key.self)
    try fields.encode(version, forKey: .version)
    try fields.encode(commit, forKey: .commit)
    try fields.encode(apiVersion, forKey: .apiVersion)
    try fields.encode(host, forKey: .host)
    try fields.encode(fips140, forKey: .fips140)
  }
}

/// A point in time, google.protobuf.Timestamp.
package struct Timestamp: KeyManagerMessage, Codable {
  /// Seconds since 1970-01-01 UTC.
  package var seconds: Int64
  /// Nanoseconds within the second.
  package var nanoseconds: Int32

  package init(seconds: Int64, nanoseconds: Int32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    self.init(seconds: 0)
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .varint(let value)): seconds = Int64(bitPattern: value)
      case (2, .varint(let value)): nanoseconds = Int32(truncatingIfNeeded: value)
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, UInt64(bitPattern: seconds))
    writer.field(2, UInt64(bitPattern: Int64(nanoseconds)))
    return writer.bytes
  }

  /// `2024-01-15T08:12:48.25Z`, no more digits than are needed; what protobuf does not allow (it
  /// ends with the year 9999) as the two numbers.
  package var text: String {
    guard (-62_135_596_800...253_402_300_799).contains(seconds),
      (0...999_999_999).contains(nanoseconds)
    else { return "\(seconds) s and \(nanoseconds) ns after 1970" }
    let whole = CalendarTime.text(seconds: seconds)
    if nanoseconds == 0 { return whole }
    var digits = String(String(1_000_000_000 + Int(nanoseconds)).dropFirst())
    while digits.hasSuffix("0") { digits.removeLast() }
    return "\(whole.dropLast()).\(digits)Z"
  }
}
