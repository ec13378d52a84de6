// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import HTTP
import JSONCoding
import Model
import Threads

extension S3Service {
  func answerOfObject(_ question: Question) throws(ServerError) -> HTTPResponse {
    switch question.request.method {
    case "PUT": return try write(question)
    case "GET": return try read(question)
    case "HEAD": return try read(question)
    case "DELETE": return try delete(question)
    default: throw .unsupported(question.request)
    }
  }

  // MARK: write and read

  private func write(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:PutObject")
    let bucket = try present(question.bucket)
    let (request, stamp) = (question.request, records.stamp())
    var version = StoredVersion(
      object: question.object,
      version: bucket.isVersioned ? UUID().uuidString.lowercased() : "null", modified: stamp)
    let (data, sealed) = try sealed(request, by: wanted(request, bucket))
    version.encryption = sealed
    version.size = request.body.count
    version.etag = StoredVersion.etag(request.body, sealed?.algorithm)
    version.contentType = request.headers["content-type"]
    version.lock = bucket.retention.map {
      .init(mode: $0.mode, until: stamp + $0.microseconds)
    }
    try keep(version, in: question.bucket, data)
    return HTTPResponse(200, headers: version.headers(isRead: false))
  }

  /// What the request's fields ask for, otherwise the bucket's default.
  private func wanted(
    _ request: HTTPRequest, _ bucket: Bucket
  ) throws(ServerError) -> Bucket.Encryption? {
    guard let algorithm = request.headers["x-amz-server-side-encryption"] else {
      return bucket.encryption
    }
    let key = request.headers["x-amz-server-side-encryption-aws-kms-key-id"]
    guard ["aws:kms", "AES256"].contains(algorithm), key == nil || algorithm == "aws:kms" else {
      throw ServerError(
        400, "InvalidArgument",
        "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
      )
    }
    return .init(algorithm: algorithm, key: key)
  }

  private func sealed(
    _ request: HTTPRequest, by encryption: Bucket.Encryption?
  ) throws(ServerError) -> ([UInt8], StoredVersion.Sealed?) {
    guard let encryption else { return (request.body, nil) }
    guard let client else { throw .noKMSForObjects }
    let keyName = encryption.key.map(Bucket.Encryption.keyName) ?? client.keyName
    do throws(KeyManagerClient.Failure) {
      let key = try client.generate(
        associatedData: ObjectCipher.associatedData(request.path), keyName: keyName)
      let sealed = StoredVersion.Sealed(
        algorithm: encryption.algorithm, keyName: keyName, dataKey: key.ciphertext.hex)
      return (ObjectCipher.seal(request.body, key.plaintext), sealed)
    } catch { throw error.ofGeneration }
  }

  private func read(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:GetObject")
    let isHead = question.request.method == "HEAD"
    _ = try present(question.bucket)
    let wanted = try Self.versionID(question.request)
    let found = try versions(of: question.object, in: question.bucket)
    guard let version = wanted.map({ id in found.first { $0.version == id } }) ?? found.first else {
      throw wanted == nil ? .noSuchKey : .noSuchVersion
    }
    if version.isMarker {
      var error = wanted == nil ? ServerError.noSuchKey : .markerRead
      error.headers = ["x-amz-delete-marker": "true"]
      if version.version != "null" { error.headers.add("x-amz-version-id", version.version) }
      throw error
    }
    var response = HTTPResponse(200, headers: version.headers(isRead: true))
    if isHead {
      // Without the Key Manager: only their number counts.
      response.body = [UInt8](repeating: 0, count: version.size)
      return response
    }
    let record = try records.read(version.recordName(in: question.bucket))
    response.body = try opened(record?.data ?? [], version, question.request.path)
    return response
  }

  /// What a request names a version by, in a form that one can have; nil without.
  private static func versionID(_ request: HTTPRequest) throws(ServerError) -> String? {
    guard let id = request.query("versionId"), !id.isEmpty else { return nil }
    guard id == "null" || UUID(uuidString: id) != nil else { throw .invalidVersion }
    return id
  }

  private func opened(
    _ data: [UInt8], _ version: StoredVersion, _ path: String
  ) throws(ServerError) -> [UInt8] {
    guard let sealed = version.encryption else { return data }
    guard let client else { throw .noKMS }
    let key: [UInt8]
    do throws(KeyManagerClient.Failure) {
      key = try client.decrypt(
        Backend.bytes(sealed.dataKey[...]), keyName: sealed.keyName,
        associatedData: ObjectCipher.associatedData(path))
    } catch { throw error.ofDecryption }
    guard let opened = ObjectCipher.open(data, key) else { throw .tampered }
    return opened
  }

  // MARK: delete

  private func delete(_ question: Question) throws(ServerError) -> HTTPResponse {
    try question.user.mustBeAllowed("s3:DeleteObject")
    let bucket = try present(question.bucket)
    let found = try versions(of: question.object, in: question.bucket)
    if let id = try Self.versionID(question.request) {
      try question.user.mustBeAllowed("s3:DeleteObjectVersion")
      guard let version = found.first(where: { $0.version == id }) else { return HTTPResponse(204) }
      try mustNotBeLocked(version, question)
      try records.remove(version.recordName(in: question.bucket))
      return Self.deleted(version)
    }
    // Without versions the only one goes; with them a marker hides it.
    if !bucket.isVersioned, let null = found.first(where: { $0.version == "null" }) {
      try records.remove(null.recordName(in: question.bucket))
    }
    guard bucket.versioning != nil else { return HTTPResponse(204) }
    var marker = StoredVersion(
      object: question.object,
      version: bucket.isVersioned ? UUID().uuidString.lowercased() : "null",
      modified: records.stamp())
    marker.isMarker = true
    try keep(marker, in: question.bucket, [])
    return Self.deleted(marker)
  }

  private func mustNotBeLocked(
    _ version: StoredVersion, _ question: Question
  ) throws(ServerError) {
    guard let lock = version.lock, lock.until > Clock.realtimeMicroseconds() else { return }
    let bypass = question.request.headers["x-amz-bypass-governance-retention"]?.lowercased()
    guard lock.mode == "GOVERNANCE", bypass == "true" else { throw .objectLocked }
    try question.user.mustBeAllowed("s3:BypassGovernanceRetention")
  }

  private static func deleted(_ version: StoredVersion) -> HTTPResponse {
    var response = HTTPResponse(204)
    if version.version != "null" {
      response.headers.add("x-amz-version-id", version.version)
      if version.isMarker { response.headers.add("x-amz-delete-marker", "true") }
    }
    return response
  }

  // MARK: versions

  /// The newest first.
  private func versions(
    of object: String, in bucket: String
  ) throws(ServerError) -> [StoredVersion] {
    try versions(in: bucket).filter { $0.object == object }
  }

  /// By name, of each the newest first.
  func versions(in bucket: String) throws(ServerError) -> [StoredVersion] {
    try records.list(StoredVersion.recordPrefix(bucket)).compactMap {
      try? JSON.decode(StoredVersion.self, from: $0.head)
    }.sorted { ($0.object, -$0.modified) < ($1.object, -$1.modified) }
  }

  private func keep(
    _ version: StoredVersion, in bucket: String, _ data: [UInt8]
  ) throws(ServerError) {
    try records.write(
      .init(
        name: version.recordName(in: bucket), stamp: version.modified,
        head: JSON.encode(version), data: data))
  }
}
