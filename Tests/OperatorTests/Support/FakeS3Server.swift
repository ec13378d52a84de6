// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import Operator
import S3
import Secrets
import Threads

/// Ways to one server in memory.
struct FakeStores: S3Network {
  var server = FakeS3Server()
  /// Why the authorities cannot be used.
  var obstacle: Refusal?
  /// What was opened.
  let opened = Lock<[S3Authorities]>([])

  func open(_ authorities: S3Authorities) throws(Refusal) -> any S3Link {
    if let obstacle { throw obstacle }
    opened.update { $0.append(authorities) }
    return server
  }

  func local(unit: String) throws(Refusal) -> LocalS3Server {
    if let obstacle { throw obstacle }
    return LocalS3Server(
      endpoint: S3Endpoint(isSecure: false, place: HostPort(host: "127.0.0.1", port: 9000)),
      credentials: S3Credentials(.serverDefault), link: server)
  }
}

/// An S3 server in memory, by the recorded answers of the open-source server: buckets, default
/// encryption, versions, keys. It believes every signature.
final class FakeS3Server: S3Link, Sendable {
  struct Object: Sendable {
    var version: String
    var bytes: [UInt8]
    var encryption: BucketEncryption
    var isMarker = false
  }
  struct Bucket: Sendable {
    var encryption = BucketEncryption.none
    var versioning = BucketVersioning.off
    var retention: ObjectRetention?
    var objects: [String: [Object]] = [:]
  }
  /// A request without an answer.
  struct Loss: Sendable {
    /// The beginning of method and path with query.
    var request: String
    /// It went over a connection that had ended.
    var isStale = false
    /// The host's name gave no address.
    var isUnknownHost = false
    /// It was carried out all the same.
    var hasHappened = false
    /// The server is gone afterwards.
    var ends = false
  }
  struct State: Sendable {
    var buckets: [String: Bucket] = [:]
    var keys: Set<String> = ["primary-key"]
    /// What the next requests of a kind are answered with, each once: by method and path with query.
    var answers: [(request: String, answer: HTTPResponse?)] = []
    /// What the next requests of a kind meet instead of an answer, each once, before ``answers``.
    var losses: [Loss] = []
    /// No connection is accepted any more.
    var isGone = false
    /// Called with every request before it is answered.
    var onRequest: (@Sendable (String) -> Void)?
    /// How many buckets a page of their list has; nil: all of them.
    var pageSize: Int?
    /// The proxy that requests go through.
    var proxy: String?
    /// Whether the first label of the host is the bucket.
    var isVirtual = false
    /// Whether objects are stored as they are, whatever the bucket says.
    var ignoresEncryption = false
    var spoilsBytes = false
    /// The server encrypts by itself what a bucket without a default gets.
    var encryptsByItself = false
    var keyProblem: String?
    /// Every request: method and target.
    var log: [String] = []
    var hosts: [String] = []
    var versions = 0
  }
  let state: Lock<State>

  init(_ prepare: (inout State) -> Void = { _ in }) {
    var state = State()
    prepare(&state)
    self.state = Lock(state)
  }

  var log: [String] { state.withLock { $0.log } }
  /// Changing requests only.
  var changes: [String] { log.filter { !$0.hasPrefix("GET") && !$0.hasPrefix("HEAD") } }
  func bucket(_ name: String) -> Bucket? { state.withLock { $0.buckets[name] } }

  static func error(_ status: Int, _ code: String, _ message: String = "as it is") -> HTTPResponse {
    HTTPResponse(
      status,
      body: Array(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\(code)</Code><Message>\(message)</Message></Error>"
          .utf8))
  }

  static func jsonError(_ status: Int, _ code: String, _ message: String) -> HTTPResponse {
    HTTPResponse(
      status, body: Array("{\"Code\":\"\(code)\",\"Message\":\"\(message)\"}".utf8))
  }

  func proxy(to target: S3Target) -> String? { state.withLock { $0.proxy } }

  func exchange(
    _ request: HTTPRequest, with target: S3Target, until deadline: Instant
  ) throws(S3LinkFailure) -> HTTPResponse {
    let query = request.query.map { $0.value.isEmpty ? $0.name : "\($0.name)=\($0.value)" }
    let text =
      "\(request.method) \(request.path)"
      + (query.isEmpty ? "" : "?\(query.joined(separator: "&"))")
    state.withLock { $0.onRequest }?(text)
    if state.withLock({ $0.isGone }) {
      throw S3LinkFailure(
        "connect to \(target.hostField): connection refused", mayHaveArrived: false)
    }
    let loss = state.update { state -> Loss? in
      guard let index = state.losses.firstIndex(where: { text.hasPrefix($0.request) }) else {
        return nil
      }
      state.log.append(text)
      let loss = state.losses.remove(at: index)
      if loss.hasHappened { _ = Self.answer(request, &state) }
      state.isGone = loss.ends
      return loss
    }
    if loss?.isUnknownHost == true {
      throw S3LinkFailure(
        "look up \(target.hostField): no such host", mayHaveArrived: false, kind: .unknownHost)
    }
    if let loss {
      throw S3LinkFailure(
        "\(target.hostField): the connection was closed", mayHaveArrived: true,
        kind: loss.isStale ? .staleConnection : .other)
    }
    let answer: HTTPResponse? = state.update { state in
      state.log.append(text)
      state.hosts.append(target.hostField)
      var request = request
      if state.isVirtual, let bucket = target.place.host.split(separator: ".").first {
        request.path = "/\(bucket)" + (request.path == "/" ? "" : request.path)
      }
      if let index = state.answers.firstIndex(where: { text.hasPrefix($0.request) }) {
        return state.answers.remove(at: index).answer
      }
      return Self.answer(request, &state)
    }
    guard let answer else {
      throw S3LinkFailure("\(target.hostField): the connection was closed", mayHaveArrived: true)
    }
    return answer
  }

  private static func answer(_ request: HTTPRequest, _ state: inout State) -> HTTPResponse {
    if request.path.hasPrefix("/minio/kms/v1/") { return kms(request, &state) }
    let parts = request.path.dropFirst().split(separator: "/", maxSplits: 1).map(String.init)
    guard let name = parts.first else {
      let rest = state.buckets.keys.sorted().filter {
        $0 > request.query("continuation-token") ?? ""
      }
      let page = rest.prefix(state.pageSize ?? .max)
      let names = page.map { "<Bucket><Name>\($0)</Name></Bucket>" }
      let next =
        page.count < rest.count
        ? "<ContinuationToken>\(page.last ?? "")</ContinuationToken>" : ""
      return HTTPResponse(
        200,
        body: Array(
          "<ListAllMyBucketsResult><Buckets>\(names.joined())</Buckets>\(next)</ListAllMyBucketsResult>"
            .utf8))
    }
    guard var bucket = state.buckets[name] else {
      if request.method == "PUT", parts.count == 1, request.query.isEmpty {
        state.buckets[name] = Bucket()
        return HTTPResponse(200)
      }
      return request.method == "HEAD" ? HTTPResponse(404) : error(404, "NoSuchBucket")
    }
    defer { state.buckets[name] = bucket }
    if parts.count == 2 { return object(request, parts[1], &bucket, &state) }
    switch (request.method, request.query.first?.name) {
    case ("HEAD", _): return HTTPResponse(200)
    case ("PUT", nil): return error(409, "BucketAlreadyOwnedByYou")
    case ("GET", "encryption"):
      guard let document = bucket.encryption.document else {
        return error(404, "ServerSideEncryptionConfigurationNotFoundError")
      }
      return HTTPResponse(200, body: document)
    case ("PUT", "encryption"):
      guard let wanted = try? BucketEncryption(document: request.body) else {
        return error(400, "MalformedXML")
      }
      if let key = wanted.key, !state.keys.contains(key) { return error(404, "kms:KeyNotFound") }
      bucket.encryption = wanted
      return HTTPResponse(200)
    case ("GET", "list-type"):
      return HTTPResponse(200, body: Array("<ListBucketResult></ListBucketResult>".utf8))
    case ("GET", "versioning"):
      let status = ["off": "", "enabled": "<Status>Enabled</Status>"][bucket.versioning.rawValue]
      return HTTPResponse(
        200,
        body: Array(
          "<VersioningConfiguration>\(status ?? "<Status>Suspended</Status>")</VersioningConfiguration>"
            .utf8))
    case ("GET", "object-lock"):
      guard let retention = bucket.retention else {
        return error(404, "ObjectLockConfigurationNotFoundError")
      }
      let days = retention.time.split(separator: " ")[0]
      return HTTPResponse(
        200,
        body: Array(
          "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>\(retention.mode)</Mode><Days>\(days)</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
            .utf8))
    case ("GET", "versions"):
      let prefix = request.query("prefix") ?? ""
      let entries = bucket.objects.filter { $0.key.hasPrefix(prefix) }.flatMap { key, objects in
        objects.map { object in
          let tag = object.isMarker ? "DeleteMarker" : "Version"
          return "<\(tag)><Key>\(key)</Key><VersionId>\(object.version)</VersionId></\(tag)>"
        }
      }
      return HTTPResponse(
        200, body: Array("<ListVersionsResult>\(entries.joined())</ListVersionsResult>".utf8))
    default: return error(501, "NotImplemented")
    }
  }

  private static func object(
    _ request: HTTPRequest, _ key: String, _ bucket: inout Bucket, _ state: inout State
  ) -> HTTPResponse {
    let isVersioned = bucket.versioning == .enabled
    func headers(_ object: Object) -> HTTPHeaders {
      var headers: HTTPHeaders = [:]
      if isVersioned { headers.add("x-amz-version-id", object.version) }
      switch object.encryption {
      case .sseKMS(let name):
        headers.add("x-amz-server-side-encryption", "aws:kms")
        headers.add("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:\(name)")
      case .sseS3: headers.add("x-amz-server-side-encryption", "AES256")
      case .none, .other: break
      }
      return headers
    }
    switch request.method {
    case "PUT":
      state.versions += 1
      let object = Object(
        version: isVersioned ? "v\(state.versions)" : "null", bytes: request.body,
        encryption: state.ignoresEncryption
          ? .none
          : bucket.encryption == .none && state.encryptsByItself
            ? .sseKMS(key: "primary-key") : bucket.encryption)
      bucket.objects[key] = isVersioned ? (bucket.objects[key] ?? []) + [object] : [object]
      return HTTPResponse(200, headers: headers(object))
    case "HEAD", "GET":
      guard let object = bucket.objects[key]?.last, !object.isMarker else {
        return request.method == "HEAD" ? HTTPResponse(404) : error(404, "NoSuchKey")
      }
      let bytes =
        state.spoilsBytes && !object.bytes.isEmpty ? [0] + object.bytes.dropFirst() : object.bytes
      return HTTPResponse(
        200, headers: headers(object), body: request.method == "HEAD" ? [] : bytes)
    case "DELETE":
      if bucket.retention != nil, request.query("versionId") != nil {
        return error(403, "AccessDenied", "Object is WORM protected and cannot be overwritten")
      }
      if let version = request.query("versionId") {
        bucket.objects[key]?.removeAll { $0.version == version }
      } else if isVersioned {
        state.versions += 1
        bucket.objects[key, default: []].append(
          Object(version: "v\(state.versions)", bytes: [], encryption: .none, isMarker: true))
      } else {
        bucket.objects[key] = nil
      }
      if bucket.objects[key]?.isEmpty == true { bucket.objects[key] = nil }
      return HTTPResponse(204)
    default: return error(405, "MethodNotAllowed")
    }
  }

  private static func kms(_ request: HTTPRequest, _ state: inout State) -> HTTPResponse {
    let name = request.query("key-id") ?? ""
    switch (request.method, request.path.dropFirst("/minio/kms/v1/".count)) {
    case ("POST", "key/create"):
      if state.keys.insert(name).inserted { return HTTPResponse(200) }
      return jsonError(
        500, "InternalError",
        "We encountered an internal error, please try again. (key with given key ID already exits)")
    case ("GET", "key/status"):
      let problem =
        state.keyProblem
        ?? (name.isEmpty || state.keys.contains(name)
          ? nil : "key with given key ID does not exist")
      let field = problem.map { ",\"encryption-error\":\"\($0)\"" } ?? ""
      return HTTPResponse(200, body: Array("{\"key-id\":\"\(name)\"\(field)}".utf8))
    case ("GET", "key/list"):
      let pattern = request.query("pattern") ?? ""
      let names = state.keys.sorted().filter { pattern == "*" || $0.hasPrefix(pattern) }
      let keys = names.map { "{\"name\":\"\($0)\",\"createdAt\":\"2026-01-01T00:00:00Z\"}" }
      return HTTPResponse(200, body: Array("[\(keys.joined(separator: ","))]".utf8))
    default: return jsonError(500, "XMinioAdminNotSupported", "not here")
    }
  }
}
