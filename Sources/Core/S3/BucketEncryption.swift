// SPDX-License-Identifier: Apache-2.0
package import HTTP

/// The default encryption of a bucket: what becomes of an object that is written without a word
/// about it.
package enum BucketEncryption: Sendable, Hashable {
  /// It is stored as it is.
  case none
  /// SSE-S3: with the server's own key, MINIO_KMS_SSE_KEY.
  case sseS3
  /// SSE-KMS, with this key; an empty name is the server's own.
  case sseKMS(key: String)
  /// Something else, as the server names it.
  case other(String)

  /// The prefix that servers put before a key's name in answers.
  private static let keyPrefix = "arn:aws:kms:"

  /// A key's name without the prefix of answers.
  package static func keyName(_ text: String) -> String {
    text.hasPrefix(keyPrefix) ? String(text.dropFirst(keyPrefix.count)) : text
  }

  /// `SSE-KMS with the key NAME`.
  package var text: String {
    switch self {
    case .none: "none"
    case .sseS3: "SSE-S3"
    case .sseKMS(""): "SSE-KMS with the server's own key"
    case .sseKMS(let key): "SSE-KMS with the key \(key)"
    case .other(let name): name
    }
  }

  /// For programs: `none`, `AES256`, `aws:kms`, or what the server says.
  package var algorithm: String {
    switch self {
    case .none: "none"
    case .sseS3: "AES256"
    case .sseKMS: "aws:kms"
    case .other(let name): name
    }
  }

  /// The key that it names; nil without one.
  package var key: String? { if case .sseKMS(let key) = self, !key.isEmpty { key } else { nil } }

  /// The document of `PUT /BUCKET?encryption`; nil for what cannot be set.
  package var document: [UInt8]? {
    let key: [XMLElement]
    switch self {
    case .none, .other: return nil
    case .sseS3: key = []
    case .sseKMS(let name): key = [XMLElement("KMSMasterKeyID", text: name)]
    }
    let rule = XMLElement(
      "Rule",
      [
        XMLElement(
          "ApplyServerSideEncryptionByDefault",
          [XMLElement("SSEAlgorithm", text: algorithm)] + key)
      ])
    return S3Documents.bytes("ServerSideEncryptionConfiguration", [rule])
  }

  /// Reads the document of `GET /BUCKET?encryption`.
  package init(document bytes: [UInt8]) throws(S3Problem) {
    let root = try S3Documents.read(bytes, "ServerSideEncryptionConfiguration")
    let rules = root.all("Rule").compactMap { $0["ApplyServerSideEncryptionByDefault"] }
    guard rules.count == 1, let algorithm = rules[0]["SSEAlgorithm"]?.text else {
      throw S3Problem(reason: "an encryption configuration without exactly one rule")
    }
    let key = Self.keyName(rules[0]["KMSMasterKeyID"]?.text ?? "")
    self.init(algorithm: algorithm, key: key)
  }

  /// What an object was written with, by the header fields of an answer.
  package init(of headers: HTTPHeaders) {
    guard let algorithm = headers["x-amz-server-side-encryption"] else {
      self =
        headers["x-amz-server-side-encryption-customer-algorithm"] == nil
        ? .none : .other("SSE-C")
      return
    }
    let key = headers["x-amz-server-side-encryption-aws-kms-key-id"] ?? ""
    self.init(algorithm: algorithm, key: Self.keyName(key))
  }

  private init(algorithm: String, key: String) {
    switch algorithm {
    case "aws:kms": self = .sseKMS(key: key)
    case "AES256": self = .sseS3
    default: self = .other(String(algorithm.prefix(64)))
    }
  }
}
