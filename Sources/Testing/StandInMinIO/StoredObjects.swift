// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import Glibc
import HTTP
import Linux
import Model

/// The objects that this node was sent: nothing is spread over the drives of all nodes. With a Key Manager each is
/// encrypted under a data key of its own, which only the Key Manager decrypts (docs/facts.md, "What is bound to a key"),
/// as if MINIO_KMS_AUTO_ENCRYPTION were on.
///
/// A file for each: a line with the name of the SSE key and the encrypted data key in hexadecimal digits, neither of them
/// without encryption, and then the bytes. The cipher is one for tests: HMAC-SHA256 in counter mode, and over all of it.
struct StoredObjects: Sendable {
  private static let tagBytes = 32

  private let directory: String
  private let client: KeyManagerClient?

  /// Makes the directory on the drive if it is not there. Blocks on the disk.
  init(drive: String, client: KeyManagerClient?) throws(Errno) {
    directory = "\(drive)/.minio.sys/objects"
    self.client = client
    let (result, code) = (mkdir(directory, 0o750), errno)
    if result == -1 && code != EEXIST { throw Errno(code, "mkdir \(directory)") }
  }

  /// Takes an object; answers when it can be read. Blocks on the disk and the Key Manager.
  func put(_ path: String, _ bytes: [UInt8]) -> HTTPResponse {
    var content = Array("\n".utf8) + bytes
    if let client {
      do throws(KeyManagerClient.Failure) {
        let key = try client.generate(associatedData: Self.associatedData(path))
        let encrypted = Self.encrypted(bytes, key.plaintext)
        content = Array("\(client.keyName) \(key.ciphertext.hex)\n".utf8) + encrypted
        content += Self.tag(of: encrypted, key.plaintext)
      } catch { return Self.refusal(error, "kms:KeyGenerationFailed") }
    }
    do throws(Errno) { try write(content, to: place(of: path)) } catch {
      return Objects.error(500, "InternalError")
    }
    return HTTPResponse(200)
  }

  /// An object as it was sent. Blocks as long.
  func get(_ path: String) -> HTTPResponse {
    guard let content = try? FileReading.readIfPresent(place(of: path), limitBytes: 1 << 20) else {
      return Objects.error(404, "NoSuchKey")
    }
    let parts = content.bytes.split(
      separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
    let words = String(decoding: parts[0], as: UTF8.self).split(separator: " ")
    let bytes = Array(parts.count == 2 ? parts[1] : [])
    guard words.count == 2 else { return HTTPResponse(200, body: bytes) }
    guard let client else { return Objects.error(501, "NotImplemented") }
    let key: [UInt8]
    do throws(KeyManagerClient.Failure) {
      key = try client.decrypt(
        Backend.bytes(words[1]), keyName: String(words[0]),
        associatedData: Self.associatedData(path))
    } catch { return Self.refusal(error, "kms:DecryptionFailed") }
    let encrypted = Array(bytes.dropLast(Self.tagBytes))
    guard Self.tag(of: encrypted, key) == Array(bytes.suffix(Self.tagBytes)) else {
      return Objects.error(500, "XMinioObjectTampered")
    }
    return HTTPResponse(200, body: Self.encrypted(encrypted, key))
  }

  private static func refusal(
    _ failure: KeyManagerClient.Failure, _ code: String
  ) -> HTTPResponse {
    failure.isPermission ? Objects.error(403, "kms:NotAuthorized") : Objects.error(500, code)
  }

  private static func associatedData(_ path: String) -> String { "{\"object\":\"\(path)\"}" }

  private func place(of path: String) -> String {
    "\(directory)/\(Digest.sha256(Array(path.utf8)).hex)"
  }

  private func write(_ content: [UInt8], to path: String) throws(Errno) {
    // Nobody reads a half of it, and two who write the same do not meet.
    let new = "\(path).\(UInt64.random(in: .min ... .max))"
    let file = FileDescriptor(
      owning: try retrying("open \(new)") {
        open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      })
    var rest = content[...]
    while !rest.isEmpty {
      let count = try retrying("write \(new)") {
        rest.withUnsafeBytes { Glibc.write(file.raw, $0.baseAddress, $0.count) }
      }
      rest = rest.dropFirst(count)
    }
    _ = try retrying("rename \(new)") { rename(new, path) }
  }

  /// The same again decrypts.
  private static func encrypted(_ bytes: [UInt8], _ key: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 32) {
      let mask = MessageCode.hmacSHA256(Array("block \(start)".utf8), key: key)
      result += zip(bytes[start..<min(start + 32, bytes.count)], mask).map { $0 ^ $1 }
    }
    return result
  }

  private static func tag(of encrypted: [UInt8], _ key: [UInt8]) -> [UInt8] {
    MessageCode.hmacSHA256(Array("all ".utf8) + encrypted, key: key)
  }
}
