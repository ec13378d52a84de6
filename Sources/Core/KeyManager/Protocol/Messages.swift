// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A message of the Key Manager's protocol (docs/facts.md, "Key Manager messages"): package
/// minio.kms, proto3.
package protocol KeyManagerMessage: Sendable, Hashable {
  /// A message whose fields have their defaults.
  static var empty: Self { get }
  static var fields: [ProtobufField<Self>] { get }
}

extension KeyManagerMessage {
  /// The message in `bytes`. Unknown fields are ignored, so that the answers of a newer Key Manager
  /// can be read; of a field given twice the last counts.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    self = Self.empty
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      try Self.fields.first { $0.number == number }?.take(value, &self)
    }
  }

  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    for field in Self.fields {
      if let value = field.value(self) { writer.append(field.number, value) }
    }
    return writer.bytes
  }
}

/// Why a request failed; the body of every answer that is not 200.
package struct ErrorResponse: KeyManagerMessage, Codable {
  /// Together with the HTTP status it is a ``KeyManagerError``.
  package var message = ""

  package static let empty = ErrorResponse()
  package static let fields: [ProtobufField<ErrorResponse>] = [.text(1, \.message)]
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

  package static let empty = VersionResponse()
  package static let fields: [ProtobufField<VersionResponse>] = [
    .text(1, \.version), .text(2, \.commit), .text(3, \.apiVersion), .text(4, \.host),
    .flag(5, \.fips140),
  ]
}

extension VersionResponse: Codable {
  private enum CodingKeys: String, CodingKey {
    case version, commit, host, fips140
    case apiVersion = "api_version"
  }

  /// The answer of a Key Manager that speaks JSON; protojson leaves out what has its default.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    version = try fields.decodeIfPresent(String.self, forKey: .version) ?? ""
    commit = try fields.decodeIfPresent(String.self, forKey: .commit) ?? ""
    apiVersion = try fields.decodeIfPresent(String.self, forKey: .apiVersion) ?? ""
    host = try fields.decodeIfPresent(String.self, forKey: .host) ?? ""
    fips140 = try fields.decodeIfPresent(Bool.self, forKey: .fips140) ?? false
  }
}

/// A point in time, google.protobuf.Timestamp.
package struct Timestamp: KeyManagerMessage, Codable {
  /// Since 1970-01-01 UTC.
  package var seconds: Int64 = 0
  /// Within the second.
  package var nanoseconds: Int32 = 0

  package static let empty = Timestamp()
  package static let fields: [ProtobufField<Timestamp>] = [
    .number(1, \.seconds), .number(2, \.nanoseconds),
  ]

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

// MARK: keys

/// KEY:STATUS: what is known of a key.
package struct KeyStatusRequest: KeyManagerMessage {
  package var name = ""
  /// 0 for the latest.
  package var version: UInt32 = 0

  package init(name: String = "", version: UInt32 = 0) {
    self.name = name
    self.version = version
  }

  package static let empty = KeyStatusRequest()
  package static let fields: [ProtobufField<KeyStatusRequest>] = [
    .text(1, \.name), .number(2, \.version),
  ]
}

/// The answer to KEY:STATUS.
package struct KeyStatusResponse: KeyManagerMessage {
  package var name = ""
  package var version: UInt32 = 0
  /// `AES256` or `ChaCha20`.
  package var type = ""
  /// Nil if the Key Manager does not say.
  package var createdAt: Timestamp?
  /// The identity that created it; may be empty.
  package var createdBy = ""

  package static let empty = KeyStatusResponse()
  package static let fields: [ProtobufField<KeyStatusResponse>] = [
    .text(1, \.name), .number(2, \.version), .text(3, \.type), .message(4, \.createdAt),
    .text(5, \.createdBy),
  ]
}

/// KEY:CREATE: a new key. The server sends it at a start whose key is missing, Keyturn never.
package struct CreateKeyRequest: KeyManagerMessage {
  package var name = ""
  /// `AES256`, `ChaCha20`, or empty for the Key Manager's choice.
  package var type = ""
  /// Whether an existing key gets a new version.
  package var addVersion = false

  package static let empty = CreateKeyRequest()
  package static let fields: [ProtobufField<CreateKeyRequest>] = [
    .text(1, \.name), .text(2, \.type), .flag(3, \.addVersion),
  ]
}

/// KEY:GENERATE: a new data key.
package struct GenerateKeyRequest: KeyManagerMessage {
  /// The name of the key that encrypts it.
  package var name = ""
  /// That key's version, 0 for the latest.
  package var version: UInt32 = 0
  /// What the data key is bound to; the server sends `{}` at its start.
  package var associatedData: [UInt8] = []
  /// The data key's length in bytes, at most 1024, 0 for 32.
  package var length: UInt32 = 0

  package init(
    name: String = "", version: UInt32 = 0, associatedData: [UInt8] = [], length: UInt32 = 0
  ) {
    self.name = name
    self.version = version
    self.associatedData = associatedData
    self.length = length
  }

  package static let empty = GenerateKeyRequest()
  package static let fields: [ProtobufField<GenerateKeyRequest>] = [
    .text(1, \.name), .number(2, \.version), .bytes(3, \.associatedData), .number(4, \.length),
  ]

  /// The request that the server sends at its start (docs/facts.md, "Start and the Key Manager").
  package static func asAtStart(name: String) -> GenerateKeyRequest {
    GenerateKeyRequest(name: name, associatedData: Array("{}".utf8), length: 32)
  }
}

/// The answer to KEY:GENERATE. Holds a data key in the clear: wipe ``plaintext``.
package struct GenerateKeyResponse: KeyManagerMessage, CustomStringConvertible, CustomReflectable {
  /// The version of the key that encrypted it.
  package var version: UInt32 = 0
  /// The data key; a secret.
  package var plaintext: [UInt8] = []
  package var ciphertext: [UInt8] = []

  package static let empty = GenerateKeyResponse()
  package static let fields: [ProtobufField<GenerateKeyResponse>] = [
    .number(1, \.version), .bytes(2, \.plaintext), .bytes(3, \.ciphertext),
  ]

  /// Does not show the data key.
  package var description: String { "data key of version \(version)" }
  /// Shows no children, so that `dump` prints no data key.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// KEY:DECRYPT: the data key in the clear.
package struct DecryptRequest: KeyManagerMessage {
  /// The name of the key that encrypted it.
  package var name = ""
  /// That key's version, 0 for the one that the ciphertext names.
  package var version: UInt32 = 0
  package var ciphertext: [UInt8] = []
  /// What it was bound to when it was made.
  package var associatedData: [UInt8] = []

  package init(
    name: String = "", version: UInt32 = 0, ciphertext: [UInt8] = [], associatedData: [UInt8] = []
  ) {
    self.name = name
    self.version = version
    self.ciphertext = ciphertext
    self.associatedData = associatedData
  }

  package static let empty = DecryptRequest()
  package static let fields: [ProtobufField<DecryptRequest>] = [
    .text(1, \.name), .number(2, \.version), .bytes(3, \.ciphertext),
    .bytes(4, \.associatedData),
  ]
}

/// The answer to KEY:DECRYPT. Holds a data key in the clear: wipe ``plaintext``.
package struct DecryptResponse: KeyManagerMessage, CustomStringConvertible, CustomReflectable {
  /// The data key; a secret.
  package var plaintext: [UInt8] = []

  package static let empty = DecryptResponse()
  package static let fields: [ProtobufField<DecryptResponse>] = [.bytes(1, \.plaintext)]

  /// Does not show the data key.
  package var description: String { "data key" }
  /// Shows no children, so that `dump` prints no data key.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

// MARK: identities

/// IDENTITY:STATUS: what is known of an identity.
package struct IdentityRequest: KeyManagerMessage {
  /// Empty for the caller's own.
  package var identity = ""

  package init(identity: String = "") { self.identity = identity }

  package static let empty = IdentityRequest()
  package static let fields: [ProtobufField<IdentityRequest>] = [.text(1, \.identity)]
}

/// The answer to IDENTITY:STATUS. Service accounts and tags are ignored.
package struct IdentityResponse: KeyManagerMessage {
  package var identity = ""
  /// 1 SysAdmin, 2 Admin, 3 User.
  package var privilege: UInt32 = 0
  /// The name of its policy; without one a user may do nothing.
  package var policy = ""
  /// Nil if the Key Manager does not say.
  package var createdAt: Timestamp?
  /// The identity that added it.
  package var createdBy = ""
  /// Whether it is a service account of another.
  package var isServiceAccount = false

  package static let empty = IdentityResponse()
  package static let fields: [ProtobufField<IdentityResponse>] = [
    .text(1, \.identity), .number(2, \.privilege), .text(3, \.policy), .message(4, \.createdAt),
    .text(5, \.createdBy), .flag(6, \.isServiceAccount),
  ]
}
