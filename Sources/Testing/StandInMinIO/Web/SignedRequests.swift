// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTP
import Model
import Threads

/// The server's answers to signed requests: S3, and its KMS API.
final class SignedRequests: Sendable {
  private let users: SignedUsers
  private let client: KeyManagerClient?
  private let kms: KMSService
  private let health: Health
  private let refusesFor: Int?
  private let domain: String
  /// What is on the drives, and when it sees enough of them to write; nil before they were looked for.
  private let drives = Lock<Drives?>(nil)
  /// How many requests each line of the behaviour file has seen.
  private let seen = Lock<[String: Int]>([:])

  private struct Drives {
    var writable: Instant
    var stored: StoredObjects
    var records: SharedRecords
  }

  init(
    _ environment: ServerEnvironment, client: KeyManagerClient?, health: Health,
    behaviour: Behaviour
  ) {
    users = SignedUsers(environment, isRootOff: behaviour.has("root-off"))
    self.client = client
    kms = KMSService(client: client)
    self.health = health
    refusesFor = behaviour.number("refuse-writes")?.value
    domain = environment.get("MINIO_DOMAIN")
  }

  /// The server has looked for all drives. If it missed some it looks again only after 15 s.
  func begin(_ stored: StoredObjects, _ records: SharedRecords) {
    drives.update {
      $0 = Drives(
        writable: .inMilliseconds(refusesFor ?? 0), stored: stored, records: records)
    }
  }

  /// Another node's question; 503 before this node's drive is there. Blocks on the disk.
  func answer(peer request: HTTPRequest) -> HTTPResponse {
    drives.withLock { $0?.records }?.answer(request) ?? HTTPResponse(503)
  }

  /// Blocks on the drives and the Key Manager.
  func answer(_ received: HTTPRequest) -> HTTPResponse {
    let request = withBucketInPath(received)
    let json = KMSService.has(request.path) && KMSService.isRoute(request)
    let behaviour = Behaviour(isOfRequest: true)
    do throws(ServerError) {
      guard health.progress.withLock({ $0.initialised }) else { throw .notInitialised }
      let user = try users.user(of: received, behaviour)
      let isOfAgent = request.path == "/minio/kms/v1/status" || request.query("uploads") != nil
      if !isOfAgent, isDue("slow-down", behaviour, upTo: true) { throw .slowDown }
      let response = try answer(request, user, behaviour)
      if !isOfAgent, isDue("s3-exit-after", behaviour, upTo: false) { _exit(1) }
      return response
    } catch { return error.answer(to: request, json: json) }
  }

  private func answer(
    _ request: HTTPRequest, _ user: SignedUsers.User, _ behaviour: Behaviour
  ) throws(ServerError) -> HTTPResponse {
    if KMSService.has(request.path) { return try kms.answer(request, user) }
    if request.path.hasPrefix("/minio/") { throw .accessDenied }
    let writes = request.method != "GET" && request.method != "HEAD"
    guard let drives = drives.withLock(\.self) else { throw writes ? .slowWrite : .slowRead }
    if writes, drives.writable > Clock.now() { throw .slowWrite }
    // An upload in parts: what an agent asks for, in a bucket that is not there.
    if request.query("uploads") != nil { throw .noSuchBucket }
    if request.path.hasPrefix("/\(StoredObjects.bucket)/") {
      switch request.method {
      case "GET": return try drives.stored.get(request.path)
      case "PUT": return try drives.stored.put(request.path, request.body)
      default: throw .unsupported(request)
      }
    }
    return try S3Service(records: drives.records, client: client).answer(request, user, behaviour)
  }

  /// Counts a request for a line `NAME COUNT`: whether it is one of the first so many, or comes after
  /// them.
  private func isDue(_ name: String, _ behaviour: Behaviour, upTo: Bool) -> Bool {
    guard let count = behaviour.number(name)?.value else { return false }
    let number = seen.update { seen in
      seen["\(name) \(count)", default: 0] += 1
      return seen["\(name) \(count)", default: 0]
    }
    return upTo ? number <= count : number > count
  }

  /// The bucket of a virtual host (MINIO_DOMAIN) stands in the path from here on.
  private func withBucketInPath(_ request: HTTPRequest) -> HTTPRequest {
    guard !domain.isEmpty, let host = request.headers["host"]?.prefix(while: { $0 != ":" }),
      host.hasSuffix(".\(domain)"), !request.path.hasPrefix("/minio/")
    else { return request }
    var changed = request
    changed.path = "/\(host.dropLast(domain.utf8.count + 1))\(request.path)"
    return changed
  }
}
