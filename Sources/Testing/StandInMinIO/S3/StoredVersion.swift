// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Crypto
import HTTP
import Model

/// One version of an object, or a delete marker.
struct StoredVersion: Codable {
  var object: String
  /// `null` where the bucket has no versions.
  var version: String
  /// Microseconds since 1970-01-01 UTC.
  var modified: Int64
  var isMarker = false
  var size = 0
  var etag = ""
  var contentType: String?
  var encryption: Sealed?
  var lock: Lock?

  struct Sealed: Codable {
    /// `aws:kms` or `AES256`.
    var algorithm: String
    var keyName: String
    /// The encrypted data key, hexadecimal digits.
    var dataKey: String
  }

  struct Lock: Codable {
    var mode: String
    /// Microseconds since 1970-01-01 UTC.
    var until: Int64
  }

  init(object: String, version: String, modified: Int64) {
    self.object = object
    self.version = version
    self.modified = modified
  }

  /// Of the records of all versions in a bucket.
  static func recordPrefix(_ bucket: String) -> String { "version/\(bucket)/" }

  func recordName(in bucket: String) -> String {
    let name = object.utf8.percentEncoded { $0.isLetterOrDigit || $0 == 0x2D }
    return "\(Self.recordPrefix(bucket))\(version)/\(name)"
  }

  /// The fields of an answer about it.
  func headers(isRead: Bool) -> HTTPHeaders {
    var headers: HTTPHeaders = ["accept-ranges": "bytes", "etag": "\"\(etag)\""]
    if isRead {
      headers.add("content-type", contentType ?? "binary/octet-stream")
      headers.add("last-modified", HTTPDateText.text(seconds: modified / 1_000_000))
    }
    if version != "null" { headers.add("x-amz-version-id", version) }
    if let encryption {
      headers.add("x-amz-server-side-encryption", encryption.algorithm)
      if encryption.algorithm == "aws:kms" {
        headers.add(
          "x-amz-server-side-encryption-aws-kms-key-id",
          Bucket.Encryption.keyPrefix + encryption.keyName)
      }
    }
    if isRead, let lock {
      headers.add("x-amz-object-lock-mode", lock.mode)
      headers.add(
        "x-amz-object-lock-retain-until-date", CalendarTime.text(microseconds: lock.until))
    }
    return headers
  }

  /// The MD5 of what is plain or under SSE-S3; of SSE-KMS any 32 digits.
  static func etag(_ bytes: [UInt8], _ algorithm: String?) -> String {
    if algorithm == "aws:kms" {
      return String(Digest.sha256(Array("\(UInt64.random(in: .min ... .max))".utf8)).hex.prefix(32))
    }
    var output = [UInt8](repeating: 0, count: 16)
    let result = EVP_Digest(bytes, bytes.count, &output, nil, EVP_md5(), nil)
    precondition(result == 1, "OpenSSL has no MD5")
    return output.hex
  }
}
