// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model

/// MinIO's KMS API (docs/facts.md, "Default encryption of buckets"): keys of the Key Manager through the
/// server.
struct KMSService: Sendable {
  /// Nil without a KMS.
  let client: KeyManagerClient?

  /// Its older path for a new key; all others begin with ``prefix``.
  private static let oldCreate = "/minio/admin/v3/kms/key/create"
  private static let prefix = "/minio/kms/v1/"

  static func has(_ path: String) -> Bool { path.hasPrefix(prefix) || path == oldCreate }

  /// Whether errors are JSON: what no route takes is refused in XML.
  static func isRoute(_ request: HTTPRequest) -> Bool {
    switch (request.method, String(request.path.dropFirst(prefix.utf8.count))) {
    case ("POST", "key/create"): request.query("key-id") != nil
    case ("GET", "key/list"): request.query("pattern") != nil
    case ("GET", "key/status"), ("GET", "status"), ("GET", "version"), ("GET", "apis"): true
    default: request.path == oldCreate && request.query("key-id") != nil
    }
  }

  /// Blocks on the Key Manager.
  func answer(
    _ request: HTTPRequest, _ user: SignedUsers.User
  ) throws(ServerError) -> HTTPResponse {
    guard Self.isRoute(request) else { throw .unsupported(request) }
    let route =
      request.path == Self.oldCreate
      ? "key/create" : String(request.path.dropFirst(Self.prefix.utf8.count))
    let action =
      switch route {
      case "key/create": "kms:CreateKey"
      case "key/list": "kms:ListKeys"
      case "key/status": "kms:KeyStatus"
      case "version": "kms:Version"
      case "apis": "kms:API"
      default: "kms:Status"
      }
    try user.mustBeAllowed(action)
    guard let client else { throw .noKMS }
    switch route {
    case "key/create": return try create(request.query("key-id") ?? "", client)
    case "key/list": return try list(request.query("pattern") ?? "", client)
    case "key/status": return status(ofKey: request.query("key-id") ?? "", client)
    case "version":
      let versions = client.versions()
      guard let version = versions.found else { throw .internalError(versions.problem) }
      return Self.json("{\"version\":\(JSONText.quoted(version))}")
    case "apis": throw .internalError("requested functionality is not supported")
    default: return status(client)
    }
  }

  private func create(
    _ name: String, _ client: KeyManagerClient
  ) throws(ServerError) -> HTTPResponse {
    do throws(KeyManagerClient.Failure) { try client.create(name) } catch {
      // The server has no code for any of these on this path; the slip is its own.
      if error.isKeyExists { throw .internalError("key with given key ID already exits") }
      if error.isPermission {
        throw .internalError("insufficient permissions to perform KMS operation")
      }
      throw .internalError("failed to create KMS key: \(error.text)")
    }
    return HTTPResponse(200)
  }

  private func list(
    _ pattern: String, _ client: KeyManagerClient
  ) throws(ServerError) -> HTTPResponse {
    do throws(KeyManagerClient.Failure) {
      let keys = try client.list(prefix: pattern == "*" ? "" : pattern)
      let items = keys.map { key in
        "{\"createdAt\":\(JSONText.quoted(Self.time(key))),"
          + "\"createdBy\":\(JSONText.quoted(key.createdBy)),\"name\":\(JSONText.quoted(key.name))}"
      }
      return Self.json("[\(items.joined(separator: ","))]")
    } catch { throw .internalError("failed to list keys at the KMS: \(error.text)") }
  }

  /// RFC 3339 with as many digits of the second as it takes.
  private static func time(_ key: KeyManagerClient.ListedKey) -> String {
    let seconds = CalendarTime.text(seconds: key.createdSeconds)
    if key.createdNanoseconds == 0 { return seconds }
    var digits = "\(1_000_000_000 + key.createdNanoseconds)".dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return "\(seconds.dropLast()).\(digits)Z"
  }

  /// A data key is made with it and decrypted; what fails is in the answer, which is 200.
  private func status(ofKey name: String, _ client: KeyManagerClient) -> HTTPResponse {
    let name = name.isEmpty ? client.keyName : name
    let data = #"{"MinIO admin API":"KMSKeyStatusHandler"}"#
    var problem = ""
    do throws(KeyManagerClient.Failure) {
      let key = try client.generate(associatedData: data, keyName: name)
      do throws(KeyManagerClient.Failure) {
        let opened = try client.decrypt(key.ciphertext, keyName: name, associatedData: data)
        if opened != key.plaintext {
          problem = "decryption-error:The generated and the decrypted data key do not match"
        }
      } catch { problem = "decryption-error:\(Self.words(error, error.ofDecryption))" }
    } catch { problem = "encryption-error:\(Self.words(error, error.ofGeneration))" }
    let parts = problem.split(separator: ":", maxSplits: 1)
    let field =
      parts.count == 2
      ? ",\(JSONText.quoted(String(parts[0]))):\(JSONText.quoted(String(parts[1])))"
      : ""
    return Self.json("{\"key-id\":\(JSONText.quoted(name))\(field)}")
  }

  /// With the cause where the server's error has one.
  private static func words(_ failure: KeyManagerClient.Failure, _ error: ServerError) -> String {
    error.status == 500 ? "\(error.message): \(failure.text)" : error.message
  }

  private func status(_ client: KeyManagerClient) -> HTTPResponse {
    let hosts = client.versions().online.sorted { $0.key < $1.key }.map {
      "\(JSONText.quoted($0.key)):\"\($0.value ? "online" : "offline")\""
    }
    return Self.json(
      "{\"name\":\"MinIO KMS\",\"default-key-id\":\(JSONText.quoted(client.keyName)),"
        + "\"endpoints\":{\(hosts.joined(separator: ","))},\"state\":\(Self.state)}")
  }

  /// Of a predecessor of the Key Manager's; with this one nothing of it is known.
  private static let state =
    "{\"Version\":\"\",\"KeyStoreLatency\":0,\"KeyStoreReachable\":false,\"KeystoreAvailable\":false,"
    + "\"OS\":\"\",\"Arch\":\"\",\"UpTime\":0,\"CPUs\":0,\"UsableCPUs\":0,\"HeapAlloc\":0,\"StackAlloc\":0}"

  private static func json(_ text: String) -> HTTPResponse {
    HTTPResponse(200, headers: ["content-type": "application/json"], body: Array(text.utf8))
  }
}
