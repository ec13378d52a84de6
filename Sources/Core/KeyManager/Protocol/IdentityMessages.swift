// SPDX-License-Identifier: Apache-2.0

/// IDENTITY:STATUS: what is known of an identity.
package struct IdentityRequest: KeyManagerMessage {
  /// The identity, empty for the caller's own.
  package var identity = ""

  /// A request; see the property.
  package init(identity: String = "") { self.identity = identity }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      if case (1, .bytes(let bytes)) = field { identity = try ProtobufReader.text(bytes) }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, identity)
    return writer.bytes
  }
}

/// The answer to IDENTITY:STATUS. Service accounts and tags are passed over.
package struct IdentityResponse: KeyManagerMessage {
  package var identity = ""
  /// 1 SysAdmin, 2 Admin, 3 User.
  package var privilege: UInt32 = 0
  /// The name of its policy; without one a user may do nothing.
  package var policy = ""
  /// When it was added; nil if the Key Manager does not say.
  package var createdAt: Timestamp?
  /// The identity that added it.
  package var createdBy = ""
  /// Whether it is a service account of another.
  package var isServiceAccount = false

  /// An answer with that identity and nothing else.
  package init(identity: String) { self.identity = identity }

  /// The message in `bytes`.
  package init(decoding bytes: [UInt8]) throws(CodecError) {
    var reader = ProtobufReader(bytes)
    while let field = try reader.next() {
      switch field {
      case (1, .bytes(let bytes)): identity = try ProtobufReader.text(bytes)
      case (2, .varint(let value)): privilege = UInt32(truncatingIfNeeded: value)
      case (3, .bytes(let bytes)): policy = try ProtobufReader.text(bytes)
      case (4, .bytes(let bytes)): createdAt = try Timestamp(decoding: bytes)
      case (5, .bytes(let bytes)): createdBy = try ProtobufReader.text(bytes)
      case (6, .varint(let value)): isServiceAccount = value != 0
      default: break
      }
    }
  }

  /// Its bytes.
  package func encoded() -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, identity)
    writer.field(2, UInt64(privilege))
    writer.field(3, policy)
    if let createdAt { writer.element(4, createdAt.encoded()) }
    writer.field(5, createdBy)
    writer.field(6, isServiceAccount)
    return writer.bytes
  }
}
