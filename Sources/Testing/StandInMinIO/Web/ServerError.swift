// SPDX-License-Identifier: Apache-2.0
import HTTP

/// An error with the server's status, code and sentence.
struct ServerError: Error {
  var status: Int
  var code: String
  var message: String
  /// Further fields of the answer.
  var headers: HTTPHeaders = [:]

  init(_ status: Int, _ code: String, _ message: String) {
    self.status = status
    self.code = code
    self.message = message
  }

  static let accessDenied = ServerError(403, "AccessDenied", "Access Denied.")
  static let noSuchAccessKey = ServerError(
    403, "InvalidAccessKeyId",
    "The Access Key Id you provided does not exist in our records.")
  static let badSignature = ServerError(
    403, "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
  )
  static let badToken = ServerError(
    403, "InvalidTokenId", "The security token included in the request is invalid")
  static let skewed = ServerError(
    403, "RequestTimeTooSkewed",
    "The difference between the request time and the server's time is too large.")
  static let missingDate = ServerError(
    400, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
  static let badDigest = ServerError(
    400, "XAmzContentSHA256Mismatch",
    "The provided 'x-amz-content-sha256' header does not match what was computed.")
  static let badChecksum = ServerError(
    400, "XAmzContentChecksumMismatch",
    "The provided 'x-amz-checksum' header does not match what was computed.")
  static let notInitialised = ServerError(
    503, "XMinioServerNotInitialized", "Server not initialized yet, please try again.")
  static let slowDown = ServerError(503, "SlowDown", "Please reduce your request rate")
  static let slowRead = ServerError(
    503, "SlowDownRead", "Resource requested is unreadable, please reduce your request rate")
  static let slowWrite = ServerError(
    503, "SlowDownWrite", "Resource requested is unwritable, please reduce your request rate")

  static let noSuchBucket = ServerError(
    404, "NoSuchBucket", "The specified bucket does not exist")
  static let noSuchKey = ServerError(404, "NoSuchKey", "The specified key does not exist.")
  static let noSuchVersion = ServerError(
    404, "NoSuchVersion", "The specified version does not exist.")
  static let invalidBucketName = ServerError(
    400, "InvalidBucketName", "The specified bucket is not valid.")
  static let bucketIsOwn = ServerError(
    409, "BucketAlreadyOwnedByYou",
    "Your previous request to create the named bucket succeeded and you already own it.")
  static let bucketIsForeign = ServerError(
    409, "BucketAlreadyExists",
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
  )
  static let bucketNotEmpty = ServerError(
    409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
  static let noEncryption = ServerError(
    404, "ServerSideEncryptionConfigurationNotFoundError",
    "The server side encryption configuration was not found")
  static let noObjectLock = ServerError(
    404, "ObjectLockConfigurationNotFoundError",
    "Object Lock configuration does not exist for this bucket")
  static let noLockLater = ServerError(
    409, "InvalidBucketState", "Object Lock configuration cannot be enabled on existing buckets")
  static let versionsOfLocked = ServerError(
    400, "InvalidBucketState",
    "An Object Lock configuration is present on this bucket, versioning cannot be suspended.")
  static let objectLocked = ServerError(
    400, "InvalidRequest", "Object is WORM protected and cannot be overwritten")
  static let invalidVersion = ServerError(
    400, "InvalidArgument", "Invalid version id specified")
  static let markerRead = ServerError(
    405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
  static let tampered = ServerError(
    400, "XMinioObjectTampered",
    "The requested object was modified and may be compromised")

  static let noKMS = ServerError(
    501, "NotImplemented", "Server side encryption specified but KMS is not configured")

  /// Of a write: what a document or a KMS path says of it is shorter.
  static let noKMSForObjects = ServerError(
    501, "NotImplemented",
    "Server side encryption specified but KMS is not configured (KMS not configured for a server side encrypted objects)"
  )

  /// What this document alone is answered with if it is none: the server has no code for it.
  static let versioningNotXML = ServerError(
    500, "InternalError", "We encountered an internal error, please try again.: cause(EOF)")

  static func illegalVersioning(_ status: String) -> ServerError {
    ServerError(
      400, "IllegalVersioningConfigurationException",
      "Versioning configuration specified in the request is invalid. (unsupported Versioning status \(status))"
    )
  }

  static func malformedXML(_ why: String) -> ServerError {
    ServerError(
      400, "MalformedXML",
      "The XML you provided was not well-formed or did not validate against our published schema. (\(why))"
    )
  }

  static func unsupported(_ request: HTTPRequest) -> ServerError {
    ServerError(
      400, "BadRequest",
      "An unsupported API call for method: \(request.method) at '\(request.path)'")
  }

  /// What the KMS API makes of an error that it has no code for.
  static func internalError(_ why: String? = nil) -> ServerError {
    ServerError(
      500, "InternalError",
      "We encountered an internal error, please try again." + (why.map { " (\($0))" } ?? ""))
  }

  // MARK: answers

  /// XML as on S3's paths, JSON with a line's end as on the KMS API's, but for the clock, which is
  /// looked at before the path. To a HEAD there is no body, and its fields have what it would say.
  func answer(to request: HTTPRequest, json: Bool = false) -> HTTPResponse {
    var response = HTTPResponse(status, headers: headers)
    if [429, 503].contains(status) { response.headers.add("retry-after", "60") }
    if request.method == "HEAD" {
      // Nor these, where the clock is looked at.
      if code != Self.skewed.code {
        response.headers.add("x-minio-error-code", code)
        response.headers.add("x-minio-error-desc", "\"\(message)\"")
      }
      return response
    }
    let json = json && code != Self.skewed.code
    response.headers.add("content-type", json ? "application/json" : "application/xml")
    let parts = request.path.split(separator: "/", maxSplits: 1).map(String.init)
    // A name that no bucket can have is refused before it is taken for one.
    let isS3 = !request.path.hasPrefix("/minio/") && code != Self.invalidBucketName.code
    let fields: [(String, String)] =
      [
        ("Code", code), ("Message", message), ("Key", isS3 && parts.count == 2 ? parts[1] : ""),
        ("BucketName", isS3 && !parts.isEmpty ? parts[0] : ""),
      ].filter { !$0.1.isEmpty } + [
        ("Resource", request.path), ("RequestId", Self.requestID), ("HostId", Self.hostID),
      ]
    let text =
      json
      ? "{" + fields.map { "\"\($0.0)\":\(JSONText.quoted($0.1))" }.joined(separator: ",") + "}\n"
      : XMLText.prologue
        + XMLText.element("Error", fields.map { XMLText.element($0.0, text: $0.1) }.joined())
    response.body = Array(text.utf8)
    return response
  }

  /// As long as the server's.
  static var requestID: String {
    let text = String(UInt64.random(in: .min ... .max), radix: 16, uppercase: true)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  private static let hostID = "dd9025bab4ad464b049177c95eb6ebf374d3b3fd1af9251148b658df7ac2e3e8"
}

/// The text forms of answers.
enum JSONText {
  static func quoted(_ text: String) -> String {
    "\""
      + text.unicodeScalars.map { scalar in
        switch scalar {
        case "\"", "\\": "\\\(scalar)"
        case _ where scalar.value < 0x20: " "
        default: String(scalar)
        }
      }.joined() + "\""
  }
}
