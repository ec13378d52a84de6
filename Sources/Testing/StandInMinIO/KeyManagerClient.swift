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

  /// A new data key. Blocks until a Key Manager answers or all have failed.
  func generate(associatedData: String) throws(Failure) -> DataKey {
    // KEY:GENERATE with name, associated data and the length 32.
    let message = Self.field(1, keyName) + Self.field(3, associatedData) + [0x20, 0x20]
    let answer = try send(207, message)
    return DataKey(plaintext: Self.element(2, of: answer), ciphertext: Self.element(3, of: answer))
  }

  /// Creates the default key. Blocks as long.
  func create() throws(Failure) { _ = try send(201, Self.field(1, keyName)) }

  /// In the clear what ``generate(associatedData:)`` gave. Blocks as long.
  @discardableResult
  func decrypt(
    _ ciphertext: [UInt8], keyName: String, associatedData: String
  ) throws(Failure) -> [UInt8] {
    let message = Self.field(1, keyName) + Self.field(3, ciphertext) + Self.field(4, associatedData)
    return Self.element(1, of: try send(206, message))
  }

  /// The Key Manager's error in /minio/health/ready as the server passes it on, or nil
  /// (docs/facts.md, "KMS errors of S3"). Blocks as long.
  func healthFailure() -> (status: Int, code: String)? {
    do throws(Failure) {
      _ = try generate(associatedData: #"{"healthcheck":""}"#)
      return nil
    } catch {
      if error.isPermission { return (403, "kms:NotAuthorized") }
      return error.isKeyNotFound
        ? (404, "kms:KeyNotFound") : (500, "kms:KeyGenerationFailed")
    }
  }

  /// Sends a command to the hosts in turn, from a random one on. Any answer is final; a host
  /// without one is left out for 30 s.
  private func send(_ command: UInt16, _ message: [UInt8]) throws(Failure) -> [UInt8] {
    let start = Int.random(in: 0..<hosts.count)
    let order = (hosts[start...] + hosts[..<start])
    let now = Clock.now()
    let rested = skipped.withLock { skipped in order.filter { skipped[$0, default: now] <= now } }
    var failure: Failure?
    for host in rested.isEmpty ? Array(order) : rested {
      let answer: (status: Int, body: [UInt8])
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
        let text = String(decoding: Self.element(1, of: answer.body), as: UTF8.self)
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

  /// Empty if the message has no such field.
  private static func element(_ wanted: UInt64, of message: [UInt8]) -> [UInt8] {
    var rest = message[...]
    func varint() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard let byte = rest.popFirst() else { return nil }
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }
    while let tag = varint(), let value = varint() {
      guard tag & 7 == 2 else { continue }
      guard value <= rest.count else { return [] }
      if tag >> 3 == wanted { return Array(rest.prefix(Int(value))) }
      rest = rest.dropFirst(Int(value))
    }
    return []
  }
}
