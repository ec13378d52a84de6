// SPDX-License-Identifier: Apache-2.0

/// KEY:STATUS: what is known of a key.
package struct KeyStatusRequest: KeyManagerMessage {
  package var name = ""
  /// Its version, 0 for the latest.
  package var version: UInt32 = 0

  package init(name: String, version: UInt32 = 0) {
    self.name = name
    self.version = version
  }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .bytes(let bytes)): name = try ProtobufReader.text(bytes)
      case (2, .varint(let value)): version = UInt32(truncatingIfNeeded: value)
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, name)
    writer.field(2, UInt64(version))
    return writer.bytes
  }
}

/// The answer to KEY:STATUS.
package struct KeyStatusResponse: KeyManagerMessage {
  package var name = ""
  package var version: UInt32 = 0
  /// `AES256` or `ChaCha20`.
  package var type = ""
  /// When it was created; nil if the Key Manager does not say.
  package var createdAt: Timestamp?
  /// The identity that created it; may be empty.
  package var createdBy = ""

  package init(
    name: String, version: UInt32, type: String, createdAt: Timestamp?, createdBy: String
  ) {
    self.name = name
    self.version = version
    self.type = type
    self.createdAt = createdAt
    self.createdBy = createdBy
  }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .bytes(let bytes)): name = try ProtobufReader.text(bytes)
      case (2, .varint(let value)): version = UInt32(truncatingIfNeeded: value)
      case (3, .bytes(let bytes)): type = try ProtobufReader.text(bytes)
      case (4, .bytes(let bytes)): createdAt = try Timestamp(decoding: bytes)
      case (5, .bytes(let bytes)): createdBy = try ProtobufReader.text(bytes)
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, name)
    writer.field(2, UInt64(version))
    writer.field(3, type)
    if let createdAt { writer.element(4, createdAt.encoded()) }
    writer.field(5, createdBy)
    return writer.bytes
  }
}

/// KEY:CREATE: a new key. The server sends it at a start whose key is missing, Keyturn never.
package struct CreateKeyRequest: KeyManagerMessage {
  package var name = ""
  /// `AES256`, `ChaCha20`, or empty for the Key Manager's choice.
  package var type = ""
  /// Whether an existing key gets a new version.
  package var addVersion = false

  package init(name: String, type: String = "", addVersion: Bool = false) {
    self.name = name
    self.type = type
    self.addVersion = addVersion
  }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .bytes(let bytes)): name = try ProtobufReader.text(bytes)
      case (2, .bytes(let bytes)): type = try ProtobufReader.text(bytes)
      case (3, .varint(let value)): addVersion = value != 0
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, name)
    writer.field(2, type)
    writer.field(3, addVersion)
    return writer.bytes
  }
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

  package init(name: String, version: UInt32 = 0, associatedData: [UInt8], length: UInt32) {
    self.name = name
    self.version = version
    self.associatedData = associatedData
    self.length = length
  }

  /// The request that the server sends at its start (docs/facts.md, "Start and the Key Manager").
  package static func asAtStart(name: String) -> GenerateKeyRequest {
    GenerateKeyRequest(name: name, associatedData: Array("{}".utf8), length: 32)
  }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .bytes(let bytes)): name = try ProtobufReader.text(bytes)
      case (2, .varint(let value)): version = UInt32(truncatingIfNeeded: value)
      case (3, .bytes(let bytes)): associatedData = bytes
      case (4, .varint(let value)): length = UInt32(truncatingIfNeeded: value)
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, name)
    writer.field(2, UInt64(version))
    writer.field(3, associatedData)
    writer.field(4, UInt64(length))
    return writer.bytes
  }
}

/// The answer to KEY:GENERATE. Holds a data key in the clear: wipe ``plaintext``.
package struct GenerateKeyResponse: KeyManagerMessage, CustomStringConvertible, CustomReflectable {
  /// The version of the key that encrypted it.
  package var version: UInt32 = 0
  /// The data key; a secret.
  package var plaintext: [UInt8] = []
  package var ciphertext: [UInt8] = []

  package init(version: UInt32, plaintext: [UInt8], ciphertext: [UInt8]) {
    self.version = version
    self.plaintext = plaintext
    self.ciphertext = ciphertext
  }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .varint(let value)): version = UInt32(truncatingIfNeeded: value)
      case (2, .bytes(let bytes)): plaintext = bytes
      case (3, .bytes(let bytes)): ciphertext = bytes
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, UInt64(version))
    writer.field(2, plaintext)
    writer.field(3, ciphertext)
    return writer.bytes
  }

  /// Does not show the data key.
  package var description: String { "data key of version \(version)" }
  /// Shows no children, so that `dump` prints no data key.
  package var customMirror: Mirror { Mirror(self, children: []) }
}
