// SPDX-License-Identifier: Apache-2.0
package import Model

/// What an error of an S3 server means to who asked, and what to do.
package struct S3Meaning: Sendable, Hashable {
  package var code: RefusalCode
  /// A clause: what it means; nil where the server's own sentence says it.
  package var meaning: String?
  /// What to do, an imperative.
  package var remedy: String

  /// Judges an error by its code, or by its status where it has none (as of a HEAD).
  package init(of error: S3Error, to request: S3Request) {
    if request.isOfMinIO, [404, 405].contains(error.status), error.code?.hasPrefix("kms:") != true {
      self.init(
        .keyManager, "the server has no KMS API as MinIO has it", "create keys with its own tools")
      return
    }
    switch error.keyRefusal {
    case .unsupported:
      self.init(
        .keyManager, "the server's keys come from where none can be created or listed",
        "create them where they come from, or enable encryption with a Key Manager")
      return
    case .denied:
      self.init(Self.deniedKey)
      return
    case nil: break
    }
    switch error.code {
    case "InternalError" where request.isOfMinIO:
      self.init(
        .keyManager, "the server could not do it with its Key Manager",
        "keyturn check shows which Key Manager does not answer as it must; then run this again")
    case "InvalidAccessKeyId":
      self.init(
        .notPermitted, "the server has no such access key",
        "use an access key that this server knows: mc admin user ls, or the root user's")
    case "SignatureDoesNotMatch":
      self.init(
        .notPermitted,
        "the secret key is another one than the server's, or something on the way changed the request",
        "correct the secret key; behind a proxy, see that it leaves Host and the path as they are")
    case "InvalidTokenId", "ExpiredToken", "InvalidToken":
      self.init(
        .notPermitted, "the session token is not valid, or no longer",
        "get new temporary credentials")
    case "RequestTimeTooSkewed", "RequestExpired":
      self.init(Self.skewed(error))
    case "AccessDenied", "XMinioAdminAccessDenied", "AllAccessDisabled":
      self.init(Self.denied(request))
    case "NoSuchBucket":
      self.init(
        .validation, "there is no such bucket",
        "--create-bucket makes it, or correct the name")
    case "BucketAlreadyExists":
      self.init(
        .validation, "the bucket belongs to somebody else",
        "choose another name, or sign as its owner")
    case "InvalidBucketName":
      self.init(.validation, nil, "choose a name that S3 allows")
    case "kms:KeyNotFound":
      self.init(
        .keyManager, "the Key Manager has no such key in the server's enclave",
        "--create-key creates it, or correct the name; keyturn bucket key list shows those there are"
      )
    case "kms:NotAuthorized": self.init(Self.deniedKey)
    case let code? where code.hasPrefix("kms:"):
      self.init(
        .keyManager, "the server could not do it with its Key Manager",
        "keyturn check shows which Key Manager does not answer as it must; then run this again")
    case "KMSNotConfigured":
      self.init(Self.unconfigured)
    case "NotImplemented" where error.status == 501:
      self.init(request.usesEncryption ? Self.unconfigured : Self.unsupported)
    case "SlowDown", "SlowDownWrite", "SlowDownRead", "ServerNotInitialized",
      "XMinioServerNotInitialized", "ServiceUnavailable", "XMinioStorageQuorum":
      self.init(
        .unreachable, "the server does not take it now, asked several times",
        "keyturn status shows whether it is well; then run this again")
    case nil: self.init(withoutCode: error, request)
    default:
      self.init(
        error.status >= 500 ? .unreachable : .validation, nil,
        "mend what the server says, then run this again")
    }
  }

  /// A HEAD has no document that could say more; to any other request an S3 server says it in one, so
  /// that something else has answered.
  private init(withoutCode error: S3Error, _ request: S3Request) {
    let isHead = request.method == "HEAD"
    switch error.status {
    case _ where error.hasSkewedClock: self.init(Self.skewed(error))
    case 301, 302, 307, 308:
      if let place = error.location {
        self.init(
          .validation, "it leads to \(place)",
          "give that as the endpoint if it is the server's, or correct what stands before the server"
        )
      } else {
        self.init(
          .validation, "it is in another region or at another address",
          "give the endpoint of its region, or --region")
      }
    case 401:
      self.init(
        .notPermitted, "what answers wants another proof of who asks than a signature of S3",
        "check the endpoint, and what stands before the server")
    case 400 where isHead:
      self.init(.validation, nil, "mend what it does not take: the server's log may say more")
    case 403 where isHead: self.init(Self.denied(request))
    case 404 where isHead: self.init(.validation, "it is not there", "correct the name")
    case 407: self.init(Self.foreign(error.proxy))
    case 501 where isHead: self.init(Self.unsupported)
    case 500, 502...:
      self.init(
        .unreachable,
        error.proxy.map { "the server, or the proxy \($0), is not well" }
          ?? "the server, or a proxy before it, is not well",
        "keyturn status shows whether it is; then run this again")
    default: self.init(Self.foreign(error.proxy))
    }
  }

  /// Something else than an S3 server has answered.
  private static func foreign(_ proxy: String?) -> S3Meaning {
    guard let proxy else {
      return S3Meaning(
        .unreachable, "that is no answer of an S3 server",
        "check the endpoint (it must be the server's, not its console's), and what stands before the server"
      )
    }
    return S3Meaning(
      .unreachable, "that is no answer of an S3 server, but probably of the proxy \(proxy)",
      "let the proxy lead there, or name the host in NO_PROXY if it needs none")
  }

  private static func skewed(_ error: S3Error) -> S3Meaning {
    let clock = error.clockAheadSeconds.map(Self.clock)
    return S3Meaning(
      .clock, clock ?? "the clocks of this host and of the server are too far apart",
      "set the clock that is wrong: timedatectl shows whether it is synchronised")
  }

  private static func denied(_ request: S3Request) -> S3Meaning {
    S3Meaning(
      .notPermitted, "the policy of the access key does not allow \(request.action)",
      "let it allow that, or use another access key")
  }

  private static let deniedKey = S3Meaning(
    .keyManager, "the Key Manager denies it to the server's API key",
    "let the policy of its identity allow what the server needs (minkms policy), then run this again"
  )

  private static let unconfigured = S3Meaning(
    .keyManager, "the server runs without a Key Manager: encryption is not enabled on it",
    "keyturn apply enables it on all nodes")

  private static let unsupported = S3Meaning(
    .validation, "the server does not have this", "use a server that does")

  private static func clock(ahead seconds: Int64) -> String {
    let minutes = seconds.magnitude / 60
    let text = minutes >= 2 ? "\(minutes) min" : "\(seconds.magnitude) s"
    return "this host's clock is \(text) \(seconds > 0 ? "behind" : "ahead of") the server's"
  }

  private init(_ other: S3Meaning) { self = other }

  private init(_ code: RefusalCode, _ meaning: String?, _ remedy: String) {
    self.code = code
    self.meaning = meaning
    self.remedy = remedy
  }
}

extension S3Request {
  /// Whether it is one of MinIO's own, which other servers take for an object's.
  fileprivate var isOfMinIO: Bool { path != nil }

  /// Whether the server needs its Key Manager for it.
  fileprivate var usesEncryption: Bool {
    if case .key = subject { return true }
    return action == "s3:PutEncryptionConfiguration" || action == "kms:ListKeys"
      || action == "s3:PutObject"
  }
}
