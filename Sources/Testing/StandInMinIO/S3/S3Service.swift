// SPDX-License-Identifier: Apache-2.0
import HTTP
import JSONCoding
import Model

/// S3 for buckets, their default encryption, versions and object locks, and objects
/// (docs/facts.md, "Default encryption of buckets").
struct S3Service: Sendable {
  let records: SharedRecords
  /// Nil without a KMS.
  let client: KeyManagerClient?

  /// A request that is signed by somebody known.
  struct Question {
    var request: HTTPRequest
    var user: SignedUsers.User
    var bucket: String
    /// Empty for what is about the bucket.
    var object: String
  }

  /// Blocks on the nodes' drives and the Key Manager.
  func answer(
    _ request: HTTPRequest, _ user: SignedUsers.User, _ behaviour: Behaviour
  ) throws(ServerError) -> HTTPResponse {
    let parts = request.path.split(
      separator: "/", maxSplits: 2, omittingEmptySubsequences: false
    ).map(String.init)
    let bucket = parts.count > 1 ? parts[1] : ""
    let question = Question(
      request: request, user: user, bucket: bucket, object: parts.count > 2 ? parts[2] : "")
    if bucket.isEmpty {
      guard request.method == "GET" else { throw .unsupported(request) }
      return try listBuckets(question)
    }
    if behaviour.all("foreign-bucket").contains(bucket) {
      let makes = request.method == "PUT" && question.object.isEmpty && request.query.isEmpty
      throw makes ? .bucketIsForeign : .accessDenied
    }
    if !question.object.isEmpty { return try answerOfObject(question) }
    guard
      let kind = ["encryption", "versioning", "object-lock", "location", "versions"].first(
        where: { request.query($0) != nil })
    else { return try answerOfBucket(question) }
    switch (kind, request.method) {
    case ("encryption", "GET"): return try encryption(question)
    case ("encryption", "PUT"): return try setEncryption(question)
    case ("encryption", "DELETE"): return try removeEncryption(question)
    case ("versioning", "GET"): return try versioning(question)
    case ("versioning", "PUT"): return try setVersioning(question)
    case ("object-lock", "GET"): return try objectLock(question)
    case ("object-lock", "PUT"): return try setObjectLock(question)
    case ("location", "GET"):
      try question.user.mustBeAllowed("s3:GetBucketLocation")
      _ = try present(bucket)
      return Self.xml(XMLText.prologue + XMLText.document("LocationConstraint", ""))
    case ("versions", "GET"): return try listVersions(question)
    default: throw .unsupported(request)
    }
  }

  // MARK: buckets

  private func listBuckets(_ question: Question) throws(ServerError) -> HTTPResponse {
    // Those who may not list all see the buckets that they may look into.
    if (try? question.user.mustBeAllowed("s3:ListAllMyBuckets")) == nil {
      try question.user.mustBeAllowed("s3:ListBucket")
    }
    let buckets = try records.list(Bucket.recordName("")).compactMap {
      try? JSON.decode(Bucket.self, from: $0.head)
    }
    let entries = buckets.map { bucket in
      XMLText.element(
        "Bucket",
        XMLText.element("Name", text: bucket.name)
          + XMLText.element("CreationDate", text: CalendarTime.text(microseconds: bucket.created)))
    }
    return Self.xml(
      XMLText.prologue
        + XMLText.document(
          "ListAllMyBucketsResult", Self.owner + XMLText.element("Buckets", entries.joined())))
  }

  /// The same for all.
  static let owner =
    "<Owner><ID>02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4</ID><DisplayName>minio</DisplayName></Owner>"

  private func answerOfBucket(_ question: Question) throws(ServerError) -> HTTPResponse {
    switch question.request.method {
    case "PUT": return try make(question)
    case "HEAD":
      try question.user.mustBeAllowed("s3:ListBucket")
      _ = try present(question.bucket)
      return HTTPResponse(200, headers: ["content-type": "application/xml"])
    case "DELETE":
      try question.user.mustBeAllowed("s3:DeleteBucket")
      _ = try present(question.bucket)
      let objects = try records.list(StoredVersion.recordPrefix(question.bucket))
      guard objects.isEmpty else { throw .bucketNotEmpty }
      try records.remove(Bucket.recordName(question.bucket))
      return HTTPResponse(204)
    default: throw .unsupported(question.request)
    }
  }

  private func make(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:CreateBucket")
    guard Bucket.isName(question.bucket) else { throw .invalidBucketName }
    let name = Bucket.recordName(question.bucket)
    guard try records.read(name) == nil else { throw .bucketIsOwn }
    let locks = question.request.headers["x-amz-bucket-object-lock-enabled"]?.lowercased()
    if locks == "true" {
      try question.user.mustBeAllowed(
        "s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning")
    }
    try keep(
      Bucket(name: question.bucket, created: records.stamp(), hasLock: locks == "true"))
    return HTTPResponse(200, headers: ["location": "/\(question.bucket)"])
  }

  func present(_ bucket: String) throws(ServerError) -> Bucket {
    guard let record = try records.read(Bucket.recordName(bucket)),
      let value = try? JSON.decode(Bucket.self, from: record.head)
    else { throw .noSuchBucket }
    return value
  }

  private func keep(_ bucket: Bucket) throws(ServerError) {
    try records.write(
      .init(
        name: Bucket.recordName(bucket.name), stamp: records.stamp(), head: JSON.encode(bucket)))
  }

  // MARK: default encryption

  private func encryption(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:GetEncryptionConfiguration")
    guard let document = try present(question.bucket).encryptionDocument else {
      throw .noEncryption
    }
    return Self.xml(document)
  }

  private func setEncryption(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:PutEncryptionConfiguration")
    var bucket = try present(question.bucket)
    // In the server's order: the document, whether there is a KMS, whether it has the key.
    let encryption = try Bucket.Encryption(document: question.request.body)
    guard let client else { throw .noKMS }
    if let key = encryption.key {
      do throws(KeyManagerClient.Failure) {
        _ = try client.generate(
          associatedData: #"{"MinIO admin API":"ServerInfoHandler"}"#,
          keyName: Bucket.Encryption.keyName(key))
      } catch { throw error.ofGeneration }
    }
    bucket.encryption = encryption
    try keep(bucket)
    return HTTPResponse(200)
  }

  private func removeEncryption(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:PutEncryptionConfiguration")
    var bucket = try present(question.bucket)
    bucket.encryption = nil
    try keep(bucket)
    return HTTPResponse(204)
  }

  // MARK: versions and locks

  private func versioning(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:GetBucketVersioning")
    return Self.xml(try present(question.bucket).versioningDocument)
  }

  private func setVersioning(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:PutBucketVersioning")
    guard let leaves = XMLText.leaves(question.request.body) else { throw .versioningNotXML }
    let status = leaves.first { $0.name == "Status" }?.text ?? ""
    guard ["Enabled", "Suspended"].contains(status) else { throw .illegalVersioning(status) }
    var bucket = try present(question.bucket)
    if bucket.hasLock, status == "Suspended" { throw .versionsOfLocked }
    bucket.versioning = status
    try keep(bucket)
    return HTTPResponse(200)
  }

  private func objectLock(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:GetBucketObjectLockConfiguration")
    guard let document = try present(question.bucket).lockDocument else { throw .noObjectLock }
    return Self.xml(document)
  }

  private func setObjectLock(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:PutBucketObjectLockConfiguration")
    guard let leaves = XMLText.leaves(question.request.body) else { throw .malformedXML("EOF") }
    var bucket = try present(question.bucket)
    guard bucket.hasLock else { throw .noLockLater }
    func text(_ name: String) -> String? { leaves.first { $0.name == name }?.text }
    bucket.retention = nil
    if let mode = text("Mode") {
      let unit = text("Days") == nil ? "Years" : "Days"
      guard ["GOVERNANCE", "COMPLIANCE"].contains(mode),
        let count = text(unit).flatMap({ Int($0) }), count > 0
      else {
        throw ServerError(
          400, "InvalidArgument", "Default retention period must be a positive integer value")
      }
      bucket.retention = .init(mode: mode, unit: unit, count: count)
    }
    try keep(bucket)
    return HTTPResponse(200)
  }

  static func xml(_ text: String) -> HTTPResponse {
    HTTPResponse(200, headers: ["content-type": "application/xml"], body: Array(text.utf8))
  }
}
