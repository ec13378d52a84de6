// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
internal import Model

/// Why an answer of an S3 server does not say what it must.
package struct S3Problem: Error, Sendable, Hashable {
  /// A noun with what is wrong, without the answer's own text.
  package var reason: String
  /// Whether the answer is larger than any may be.
  package var isTooLarge: Bool

  package init(reason: String, isTooLarge: Bool = false) {
    self.reason = reason
    self.isTooLarge = isTooLarge
  }
}

/// The documents of S3's answers and requests.
package enum S3Documents {
  static func bytes(_ root: String, _ children: [XMLElement]) -> [UInt8] {
    let body = children.map(\.xml).joined()
    return Array(
      "<\(root) xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(body)</\(root)>".utf8)
  }

  /// - Parameter roots: the names that the document's element may have, S3's own first.
  static func read(_ bytes: [UInt8], _ roots: String...) throws(S3Problem) -> XMLElement {
    let element: XMLElement
    do throws(XMLViolation) { element = try XMLElement(document: bytes) } catch {
      throw S3Problem(
        reason: "XML that cannot be read, \(error)", isTooLarge: error.isTooLarge)
    }
    guard roots.contains(element.name) else { throw S3Problem(reason: "XML of something else") }
    return element
  }

  /// The names in the answer of `GET /`, and what the next page is asked for with; nil on the last.
  package static func buckets(
    _ bytes: [UInt8]
  ) throws(S3Problem) -> (names: [String], next: String?) {
    let root = try read(bytes, "ListAllMyBucketsResult")
    let names = root["Buckets"]?.all("Bucket").compactMap { $0["Name"]?.text } ?? []
    let next = root["ContinuationToken"]?.text ?? ""
    return (names, next.isEmpty ? nil : next)
  }

  /// Whether objects get versions, by the answer of `GET /BUCKET?versioning`.
  package static func versioning(_ bytes: [UInt8]) throws(S3Problem) -> BucketVersioning {
    // The other name is that of servers that follow AWS's older description, moto among them.
    let root = try read(bytes, "VersioningConfiguration", "GetBucketVersioningResponse")
    return switch root["Status"]?.text {
    case "Enabled": .enabled
    case "Suspended": .suspended
    default: .off
    }
  }

  /// How long a bucket keeps each object by default, by the answer of `GET /BUCKET?object-lock`;
  /// nil if it does not.
  package static func retention(_ bytes: [UInt8]) throws(S3Problem) -> ObjectRetention? {
    let root = try read(bytes, "ObjectLockConfiguration")
    guard let retention = root["Rule"]?["DefaultRetention"] else { return nil }
    let unit = ["Days", "Years"].first { retention[$0] != nil }
    let count = unit.flatMap { retention[$0]?.text }.flatMap { Int($0) }
    guard let mode = retention["Mode"]?.text, let unit, let count else {
      throw S3Problem(reason: "a default retention without a mode and a time")
    }
    return ObjectRetention(
      mode: String(mode.prefix(16)),
      time: "\(count) \(count == 1 ? String(unit.lowercased().dropLast()) : unit.lowercased())")
  }

  /// The versions and delete markers of one object, in the answer of `GET /BUCKET?versions`. Other
  /// objects whose names begin alike are left out.
  package static func versions(
    of object: String, _ bytes: [UInt8]
  ) throws(S3Problem) -> [String] {
    let root = try read(bytes, "ListVersionsResult")
    return root.children.filter { ["Version", "DeleteMarker"].contains($0.name) }
      .filter { $0["Key"]?.text == object }.compactMap { $0["VersionId"]?.text }
  }

  /// The document of `PUT /BUCKET` in another region than the first.
  static func location(_ region: String) -> [UInt8] {
    bytes("CreateBucketConfiguration", [XMLElement("LocationConstraint", text: region)])
  }
}

package enum BucketVersioning: String, Sendable, Hashable {
  case off, enabled, suspended
}

/// A bucket's default object lock.
package struct ObjectRetention: Sendable, Hashable {
  /// `GOVERNANCE` or `COMPLIANCE`.
  package var mode: String
  /// `30 days`.
  package var time: String

  package init(mode: String, time: String) {
    self.mode = mode
    self.time = time
  }
}

/// The answers of MinIO's KMS API, JSON.
package enum KMSAnswers {
  /// A key's state by `GET /minio/kms/v1/key/status`.
  package struct KeyStatus: Sendable, Hashable, Decodable {
    package var name: String
    /// Why the server could not encrypt with it, or not decrypt; nil if it could.
    package var problem: String?

    private enum CodingKeys: String, CodingKey {
      case name = "key-id"
      case encryption = "encryption-error"
      case decryption = "decryption-error"
    }

    package init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      name = try fields.decode(String.self, forKey: .name)
      let problems = try [CodingKeys.encryption, .decryption].compactMap {
        try fields.decodeIfPresent(String.self, forKey: $0)
      }.filter { !$0.isEmpty }
      problem = problems.first.map { String($0.prefix(Limits.s3MessageCharacters)) }
    }

    /// The server's own words where the Key Manager has no such key (kms:KeyNotFound).
    package var isMissing: Bool { problem == "key with given key ID does not exist" }
    /// The same where the Key Manager denies it to the server's identity (kms:NotAuthorized).
    package var isDenied: Bool { problem?.contains("insufficient permissions") ?? false }
  }

  /// A key in the answer of `GET /minio/kms/v1/key/list`.
  package struct Key: Sendable, Hashable, Decodable {
    package var name: String
    package var createdAt: String?
    package var createdBy: String?
  }

  package static func status(_ bytes: [UInt8]) throws(S3Problem) -> KeyStatus {
    try decode(KeyStatus.self, bytes, "a key's state that cannot be read")
  }

  /// Of a list without any key the server says `null`.
  package static func keys(_ bytes: [UInt8]) throws(S3Problem) -> [Key] {
    try decode([Key]?.self, bytes, "a list of keys that cannot be read") ?? []
  }

  private static func decode<Value: Decodable>(
    _ type: Value.Type, _ bytes: [UInt8], _ reason: String
  ) throws(S3Problem) -> Value {
    do throws(JSONFailure) { return try JSON.decode(type, from: bytes) } catch {
      throw S3Problem(reason: "\(reason): \(error)")
    }
  }
}
