// SPDX-License-Identifier: Apache-2.0
internal import Crypto
package import HTTP
internal import Model
package import Secrets

/// A request to an S3 server, before it has an address and a signature.
package struct S3Request: Sendable {
  package enum Subject: Sendable, Hashable {
    case server
    case bucket(String)
    case object(String, in: String)
    case key(String)

    /// `the bucket data`.
    package var text: String {
      switch self {
      case .server: "the server"
      case .bucket(let name): "the bucket \(name)"
      case .object(let name, let bucket): "the object \(bucket)/\(name)"
      case .key(""): "the server's own key"
      case .key(let name): "the key \(name)"
      }
    }
  }

  package var subject: Subject
  /// What it does, a verb phrase without the subject: `read the default encryption of`.
  package var attempt: String
  /// The action that a policy must allow: `s3:PutEncryptionConfiguration`.
  package var action: String
  package var method: String
  /// Of MinIO's own API; nil for the subject's path.
  package var path: String?
  package var query: [(name: String, value: String)] = []
  package var headers: HTTPHeaders = [:]
  package var body: [UInt8] = []
  /// Whether it may change something on the server.
  package var isChange: Bool { method != "GET" && method != "HEAD" }

  /// `read the default encryption of the bucket data`.
  package var text: String { "\(attempt) \(subject.text)" }

  /// For a HEAD, whose answer has no document that could say why it is refused: a request that asks
  /// as much, and whose answer has one.
  package var spoken: S3Request? {
    guard method == "HEAD" else { return nil }
    var request = self
    request.method = "GET"
    if case .bucket = subject { request.query = [("list-type", "2"), ("max-keys", "0")] }
    return request
  }

  private init(
    _ method: String, _ subject: Subject, _ attempt: String, _ action: String, path: String? = nil,
    query: [(name: String, value: String)] = [], headers: HTTPHeaders = [:], body: [UInt8] = []
  ) {
    self.subject = subject
    self.attempt = attempt
    self.action = action
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
  }

  /// The request as it is sent: with address, session token, time and signature.
  package func signed(
    for endpoint: S3Endpoint, as credentials: S3Credentials, region: String, microseconds: Int64
  ) -> (request: HTTPRequest, target: S3Target) {
    let (bucket, object): (String?, String) =
      switch subject {
      case .server, .key: (nil, "")
      case .bucket(let name): (name, "")
      case .object(let name, let bucket): (bucket, name)
      }
    let target = endpoint.target(bucket)
    var request = HTTPRequest(
      method, path ?? endpoint.path(bucket, object), query: query, headers: headers, body: body)
    if let token = credentials.sessionToken {
      request.headers.add("x-amz-security-token", token.reveal())
    }
    let signed = SignatureV4.sign(
      request, host: target.hostField, as: credentials.keys, region: region,
      microseconds: microseconds)
    return (signed, target)
  }
}

/// Who signs requests.
package struct S3Credentials: Sendable, Hashable {
  package var keys: AccessCredentials
  /// Of temporary credentials.
  package var sessionToken: Secret?

  package init(_ keys: AccessCredentials, sessionToken: Secret? = nil) {
    self.keys = keys
    self.sessionToken = sessionToken
  }
}

// MARK: - Buckets

extension S3Request {
  /// - Parameter token: of the answer before, where a server lists them in pages; MinIO does not.
  package static func listBuckets(after token: String? = nil) -> S3Request {
    S3Request(
      "GET", .server, "list the buckets of", "s3:ListAllMyBuckets",
      query: token.map { [("continuation-token", $0)] } ?? [])
  }

  package static func look(at bucket: String) -> S3Request {
    S3Request("HEAD", .bucket(bucket), "look at", "s3:ListBucket")
  }

  /// In another region than the first the server is told which.
  package static func make(bucket: String, region: String) -> S3Request {
    S3Request(
      "PUT", .bucket(bucket), "make", "s3:CreateBucket",
      body: region == firstRegion ? [] : S3Documents.location(region))
  }

  /// The digest of a body, which S3 wants of every document and of every object under an object lock.
  private static func checked(_ body: [UInt8], _ type: String) -> HTTPHeaders {
    [
      "content-type": type, "x-amz-sdk-checksum-algorithm": "SHA256",
      "x-amz-checksum-sha256": Base64URL.standard(Digest.sha256Bytes(body)),
    ]
  }

  /// Where nothing else is said.
  package static let firstRegion = "us-east-1"

  package static func encryption(of bucket: String) -> S3Request {
    S3Request(
      "GET", .bucket(bucket), "read the default encryption of", "s3:GetEncryptionConfiguration",
      query: [("encryption", "")])
  }

  package static func setEncryption(of bucket: String, document: [UInt8]) -> S3Request {
    S3Request(
      "PUT", .bucket(bucket), "set the default encryption of", "s3:PutEncryptionConfiguration",
      query: [("encryption", "")], headers: checked(document, "application/xml"), body: document)
  }

  package static func versioning(of bucket: String) -> S3Request {
    S3Request(
      "GET", .bucket(bucket), "read the versioning of", "s3:GetBucketVersioning",
      query: [("versioning", "")])
  }

  package static func objectLock(of bucket: String) -> S3Request {
    S3Request(
      "GET", .bucket(bucket), "read the object lock of", "s3:GetBucketObjectLockConfiguration",
      query: [("object-lock", "")])
  }

  /// At most 100 versions of objects whose names begin so.
  package static func versions(of object: String, in bucket: String) -> S3Request {
    S3Request(
      "GET", .bucket(bucket), "list the versions in", "s3:ListBucketVersions",
      query: [("versions", ""), ("prefix", object), ("max-keys", "100")])
  }
}

// MARK: - Objects

extension S3Request {
  /// Without a word about encryption: the bucket's default decides.
  package static func write(_ object: String, in bucket: String, _ bytes: [UInt8]) -> S3Request {
    S3Request(
      "PUT", .object(object, in: bucket), "write", "s3:PutObject",
      headers: checked(bytes, "application/octet-stream"), body: bytes)
  }

  package static func look(at object: String, in bucket: String) -> S3Request {
    S3Request("HEAD", .object(object, in: bucket), "look at", "s3:GetObject")
  }

  package static func read(_ object: String, in bucket: String) -> S3Request {
    S3Request("GET", .object(object, in: bucket), "read", "s3:GetObject")
  }

  /// - Parameter version: without one, a versioned bucket keeps the object under a delete marker.
  package static func delete(
    _ object: String, in bucket: String, version: String? = nil
  ) -> S3Request {
    S3Request(
      "DELETE", .object(object, in: bucket), version == nil ? "delete" : "delete a version of",
      // MinIO asks for both, AWS for the second.
      version == nil ? "s3:DeleteObject" : "s3:DeleteObject and s3:DeleteObjectVersion",
      query: version.map { [("versionId", $0)] } ?? [])
  }
}

// MARK: - MinIO's KMS API

extension S3Request {
  package static func createKey(_ name: String) -> S3Request {
    S3Request(
      "POST", .key(name), "create", "kms:CreateKey", path: "/minio/kms/v1/key/create",
      query: [("key-id", name)])
  }

  package static func status(ofKey name: String) -> S3Request {
    S3Request(
      "GET", .key(name), "ask for", "kms:KeyStatus", path: "/minio/kms/v1/key/status",
      query: [("key-id", name)])
  }

  /// Of the keys whose names begin so; all for an empty text.
  package static func listKeys(prefix: String) -> S3Request {
    S3Request(
      "GET", .server, "list the keys of", "kms:ListKeys", path: "/minio/kms/v1/key/list",
      query: [("pattern", prefix.isEmpty ? "*" : prefix)])
  }
}
