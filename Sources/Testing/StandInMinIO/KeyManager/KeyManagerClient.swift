// SPDX-License-Identifier: Apache-2.0
import Glibc
import KeyManager
import Model
import Threads

/// The server's client of the Key Manager (docs/facts.md, "Identity and TLS",
/// "Start and the Key Manager", "Key Manager frames", "Choice of endpoint").
final class KeyManagerClient: Sendable {
  struct Failure: Error {
    /// The HTTP status, nil if there was no answer.
    var status: Int?
    var text: String

    var isKeyNotFound: Bool { status == 404 && text.hasSuffix(": key does not exist") }
    var isKeyExists: Bool { status == 409 && text.hasSuffix(": key already exists") }
    var isPermission: Bool { status == 403 }

    /// As the server passes it on (docs/facts.md, "KMS errors of S3"); `code` and `message` for what
    /// has none of its own.
    func serverError(_ code: String, _ message: String) -> ServerError {
      if isPermission {
        return ServerError(
          403, "kms:NotAuthorized", "insufficient permissions to perform KMS operation")
      }
      if isKeyNotFound {
        return ServerError(404, "kms:KeyNotFound", "key with given key ID does not exist")
      }
      return ServerError(500, code, message)
    }

    var ofGeneration: ServerError {
      serverError("kms:KeyGenerationFailed", "failed to generate data key with KMS key")
    }
    var ofDecryption: ServerError {
      serverError("kms:DecryptionFailed", "failed to decrypt ciphertext with KMS key")
    }
  }

  /// As the Key Manager makes it.
  struct DataKey {
    var plaintext: [UInt8]
    var ciphertext: [UInt8]
  }

  let keyName: String
  private let hosts: [String]
  private let enclave: String
  private let transport: KeyManagerTransport
  /// Hosts that did not answer, and when they are asked again.
  private let skipped = Lock<[String: Instant]>([:])

  init(hosts: [String], enclave: String, keyName: String, transport: KeyManagerTransport) {
    self.hosts = hosts
    self.enclave = enclave
    self.keyName = keyName
    self.transport = transport
  }

  /// A key as the Key Manager lists it.
  struct ListedKey {
    var name: String
    /// Seconds since 1970-01-01 UTC, and what is beyond them.
    var createdSeconds: Int64
    var createdNanoseconds: Int64
    var createdBy: String
  }

  /// A new data key, under the default key unless another is named. Blocks until a Key Manager
  /// answers or all have failed.
  func generate(
    associatedData: String, keyName: String? = nil
  ) throws(Failure) -> DataKey {
    // KEY:GENERATE with name, associated data and the length 32.
    let message =
      Self.field(1, keyName ?? self.keyName) + Self.field(3, associatedData) + [0x20, 0x20]
    let fields = ProtobufFields(try send(207, message))
    return DataKey(plaintext: fields.bytes(2), ciphertext: fields.bytes(3))
  }

  /// Creates the default key, or another. Blocks as long.
  func create(_ name: String? = nil) throws(Failure) {
    _ = try send(201, Self.field(1, name ?? keyName))
  }

  /// The keys whose names begin so, at most 250 as the server asks for no more. Blocks as long.
  func list(prefix: String) throws(Failure) -> [ListedKey] {
    let answer = try send(208, prefix.isEmpty ? [] : Self.field(1, prefix))
    return ProtobufFields(answer).all(1).map { bytes in
      let key = ProtobufFields(bytes)
      let time = ProtobufFields(key.all(4).first ?? [])
      return ListedKey(
        name: key.text(1), createdSeconds: time.number(1), createdNanoseconds: time.number(2),
        createdBy: key.text(5))
    }
  }

  struct Versions {
    var online: [String: Bool] = [:]
    /// Of one that answers.
    var found: String?
    /// The error of one that does not, in the server's words.
    var problem = "failed to get the KMS version"
  }

  /// Which hosts answer, by the names that they give themselves, and the version of one that does.
  /// Blocks for at most 2 s: a server that waits for a host that is cut off would wait for 30 s.
  func versions() -> Versions {
    let path = "/version"
    let answers = Parallel.map(hosts, thread: "version", until: .inMilliseconds(2_000)) {
      [transport] host in
      Result { () throws(KeyManagerTransport.Problem) in try transport.get(from: host, path: path) }
    }
    var versions = Versions()
    for (host, answer) in zip(hosts, answers) {
      var fields: ProtobufFields?
      switch answer {
      case .success(let answer) where answer.status == 200: fields = ProtobufFields(answer.body)
      case .failure(let problem):
        versions.problem = "\"\(host)\": Get \"https://\(host)\(path)\": \(problem.text)"
      default: break
      }
      versions.online[fields?.text(4) ?? host] = fields != nil
      versions.found = versions.found ?? fields?.text(1)
    }
    return versions
  }

  /// In the clear what ``generate(associatedData:)`` gave. Blocks as long.
  @discardableResult
  func decrypt(
    _ ciphertext: [UInt8], keyName: String, associatedData: String
  ) throws(Failure) -> [UInt8] {
    let message = Self.field(1, keyName) + Self.field(3, ciphertext) + Self.field(4, associatedData)
    return ProtobufFields(try send(206, message)).bytes(1)
  }

  /// The Key Manager's error in /minio/health/ready as the server passes it on, or nil
  /// (docs/facts.md, "KMS errors of S3"). Blocks as long.
  func healthFailure() -> ServerError? {
    do throws(Failure) {
      _ = try generate(associatedData: #"{"healthcheck":""}"#)
      return nil
    } catch { return error.ofGeneration }
  }

  /// Sends a command to each host once, from a random one on, until one answers. Any answer is final;
  /// a host without one comes after the others for 30 s.
  private func send(_ command: UInt16, _ message: [UInt8]) throws(Failure) -> [UInt8] {
    let start = Int.random(in: 0..<hosts.count)
    let order = (hosts[start...] + hosts[..<start])
    let now = Clock.now()
    let isSkipped = skipped.withLock { skipped in order.map { skipped[$0, default: now] > now } }
    let hosts = [false, true].flatMap { wanted in
      zip(order, isSkipped).filter { $1 == wanted }.map(\.0)
    }
    var failure: Failure?
    for host in hosts {
      let answer: KeyManagerTransport.Answer
      let url = "https://\(host)/v1/kms/\(enclave)"
      do throws(KeyManagerTransport.Problem) {
        answer = try transport.post(
          to: host, path: "/v1/kms/\(enclave)", body: Self.frame(command, message))
      } catch {
        skipped.withLock { $0[host] = Clock.now().advanced(byMilliseconds: 30_000) }
        failure = Failure(text: "\"\(host)\": Post \"\(url)\": \(error.text)")
        continue
      }
      skipped.withLock { $0[host] = nil }
      if answer.status != 200 {
        let text = ProtobufFields(answer.body).text(1)
        throw Failure(status: answer.status, text: "\"\(host)\": \(text)")
      }
      return Array(answer.body.dropFirst(6))
    }
    throw failure ?? Failure(text: "no hosts")
  }

  private static func frame(_ command: UInt16, _ message: [UInt8]) -> [UInt8] {
    [command >> 8, command].map { UInt8(truncatingIfNeeded: $0) }
      + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: message.count >> $0) } + message
  }

  private static func field(_ number: UInt8, _ text: String) -> [UInt8] {
    field(number, Array(text.utf8))
  }

  private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    var (length, head) = (bytes.count, [number << 3 | 2])
    while length >= 0x80 {
      head.append(UInt8(length & 0x7F) | 0x80)
      length >>= 7
    }
    return head + [UInt8(length)] + bytes
  }
}
