// SPDX-License-Identifier: Apache-2.0
import HTTP
import JSONCoding
import Model

/// A bucket: what was set of it.
struct Bucket: Codable {
  var name: String
  /// Microseconds since 1970-01-01 UTC.
  var created: Int64
  /// `Enabled`, `Suspended`, or nothing yet.
  var versioning: String?
  /// Made with an object lock; the rule is its default retention.
  var hasLock = false
  var retention: Retention?
  var encryption: Encryption?

  struct Retention: Codable {
    /// `GOVERNANCE` or `COMPLIANCE`.
    var mode: String
    /// `Days` or `Years`.
    var unit: String
    var count: Int

    var microseconds: Int64 {
      Int64(count) * (unit == "Years" ? 365 : 1) * 86_400 * 1_000_000
    }
  }

  struct Encryption: Codable {
    /// `aws:kms` or `AES256`.
    var algorithm: String
    /// As it was written.
    var key: String?
  }

  /// Of its record.
  static func recordName(_ name: String) -> String { "bucket/\(name)" }

  var isVersioned: Bool { versioning == "Enabled" }

  init(name: String, created: Int64, hasLock: Bool) {
    self.name = name
    self.created = created
    self.hasLock = hasLock
    versioning = hasLock ? "Enabled" : nil
  }

  /// S3's rule, without its finer points.
  static func isName(_ name: String) -> Bool {
    (3...63).contains(name.utf8.count) && name.first != "-" && name.first != "."
      && name.utf8.allSatisfy {
        (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2E
      }
  }

  // MARK: documents

  /// As the server gives it back: the key as it was written.
  var encryptionDocument: String? {
    encryption.map { encryption in
      let key = encryption.key.map { XMLText.element("KMSMasterKeyID", text: $0) } ?? ""
      let action = XMLText.element("SSEAlgorithm", text: encryption.algorithm) + key
      return XMLText.document(
        "ServerSideEncryptionConfiguration",
        XMLText.element("Rule", XMLText.element("ApplyServerSideEncryptionByDefault", action)))
    }
  }

  var versioningDocument: String {
    XMLText.document(
      "VersioningConfiguration", versioning.map { XMLText.element("Status", text: $0) } ?? "")
  }

  var lockDocument: String? {
    guard hasLock else { return nil }
    let rule = retention.map { retention in
      XMLText.element(
        "Rule",
        XMLText.element(
          "DefaultRetention",
          XMLText.element("Mode", text: retention.mode)
            + XMLText.element(retention.unit, text: "\(retention.count)")))
    }
    return XMLText.document(
      "ObjectLockConfiguration",
      XMLText.element("ObjectLockEnabled", text: "Enabled") + (rule ?? ""))
  }
}

extension Bucket.Encryption {
  /// Reads the document of a request, with the server's refusals.
  init(document bytes: [UInt8]) throws(ServerError) {
    guard let leaves = XMLText.leaves(bytes) else { throw .malformedXML("EOF") }
    let algorithms = leaves.filter { $0.name == "SSEAlgorithm" }
    guard algorithms.count == 1 else {
      throw .malformedXML("only one server-side encryption rule is allowed at a time")
    }
    let key = leaves.first { $0.name == "KMSMasterKeyID" }?.text ?? ""
    switch algorithms[0].text {
    case "AES256":
      guard key.isEmpty else { throw .malformedXML("MasterKeyID is allowed with aws:kms only") }
      self.init(algorithm: "AES256", key: nil)
    case "aws:kms":
      guard !key.isEmpty else { throw .malformedXML("MasterKeyID is missing with aws:kms") }
      guard !key.hasPrefix(" "), !key.hasSuffix(" ") else {
        throw .malformedXML("MasterKeyID contains unsupported characters")
      }
      self.init(algorithm: "aws:kms", key: key)
    default: throw .malformedXML("Unknown SSE algorithm")
    }
  }

  /// What servers write before a key's name, and take with or without.
  static let keyPrefix = "arn:aws:kms:"

  static func keyName(_ text: String) -> String {
    text.hasPrefix(keyPrefix) ? String(text.dropFirst(keyPrefix.count)) : text
  }
}
