// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import Secrets
import Threads

/// The server's answers to requests that are signed as its root user: objects, whether it takes a
/// write, and its Key Manager's status. An object needs no bucket; for an upload none is there.
final class Objects: Sendable {
  private let root: AccessCredentials
  private let keyName: String?
  private let health: Health
  private let refusesFor: Int?
  private let isRootOff: Bool
  /// When it sees enough drives to write, and what is on its own; nil before the drives were looked
  /// for.
  private let drives = Lock<(writable: Instant, stored: StoredObjects)?>(nil)

  init(
    _ environment: ServerEnvironment, client: KeyManagerClient?, health: Health,
    behaviour: Behaviour
  ) {
    let user = environment.get("MINIO_ROOT_USER")
    let password = environment.get("MINIO_ROOT_PASSWORD")
    root =
      user.isEmpty || password.isEmpty
      ? .serverDefault : AccessCredentials(accessKey: Secret(user), secretKey: Secret(password))
    keyName = client?.keyName
    self.health = health
    refusesFor = behaviour.number("refuse-writes")?.value
    isRootOff = behaviour.has("root-off")
  }

  /// The server has looked for all drives. If it missed some it looks again only after 15 s.
  func begin(_ stored: StoredObjects) {
    drives.update { $0 = (.inMilliseconds(refusesFor ?? 0), stored) }
  }

  /// Nil if the request is for none of them. Blocks on the disk and the Key Manager.
  func answer(_ request: HTTPRequest) -> HTTPResponse? {
    let isUpload = request.method == "POST" && request.query("uploads") != nil
    let isStatus = request.method == "GET" && request.path == "/minio/kms/v1/status"
    let isObject =
      ["GET", "PUT"].contains(request.method) && !request.path.hasPrefix("/minio/")
      && request.path.split(separator: "/").count > 1
    guard isUpload || isStatus || isObject else { return nil }
    guard health.progress.withLock({ $0.initialised }) else {
      return Self.error(503, "XMinioServerNotInitialized", json: isStatus)
    }
    if let code = refusal(of: request) { return Self.error(403, code, json: isStatus) }
    if isStatus {
      guard let keyName else { return Self.error(501, "NotImplemented", json: true) }
      return .json(200, KeyManagerStatus(name: "MinIO KMS", defaultKeyID: keyName, endpoints: [:]))
    }
    let drives = drives.withLock(\.self)
    if isObject, request.method == "GET" {
      return drives?.stored.get(request.path) ?? Self.error(503, "SlowDownRead")
    }
    guard let drives, drives.writable <= Clock.now() else {
      return Self.error(503, "SlowDownWrite")
    }
    return isObject
      ? drives.stored.put(request.path, request.body) : Self.error(404, "NoSuchBucket")
  }

  private struct KeyManagerStatus: Encodable {
    var name: String
    var defaultKeyID: String
    var endpoints: [String: String]

    enum CodingKeys: String, CodingKey {
      case name, endpoints
      case defaultKeyID = "default-key-id"
    }
  }

  /// The code of what is wrong with the signature; nil if it is the root user's.
  private func refusal(of request: HTTPRequest) -> String? {
    let fields = (request.headers["authorization"] ?? "").split { $0 == " " || $0 == "," }
    guard fields.first == Substring(SignatureV4.algorithm) else { return "AccessDenied" }
    func value(_ name: String) -> String? {
      fields.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
    }
    guard let credential = value("Credential")?.split(separator: "/").map(String.init),
      credential.count >= 5, let signed = value("SignedHeaders"), let given = value("Signature"),
      let time = request.headers[SignatureV4.timeField], let host = request.headers["host"]
    else { return "AccessDenied" }
    let scope = credential.suffix(4)
    if isRootOff || credential.dropLast(4).joined(separator: "/") != root.accessKey.reveal() {
      return "InvalidAccessKeyId"
    }
    let signature = SignatureV4(
      time: time, region: scope[scope.startIndex + 1], service: scope[scope.startIndex + 2],
      fields: signed.split(separator: ";").map(String.init))
    return signature.text(of: request, host: host, key: root.secretKey) == given
      ? nil : "SignatureDoesNotMatch"
  }

  static func error(_ status: Int, _ code: String, json: Bool = false) -> HTTPResponse {
    let body =
      json
      ? "{\"Code\":\"\(code)\",\"Message\":\"stand-in\"}"
      : "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\(code)</Code><Message>stand-in</Message></Error>"
    return HTTPResponse(
      status, headers: ["content-type": json ? "application/json" : "application/xml"],
      body: Array(body.utf8))
  }
}
