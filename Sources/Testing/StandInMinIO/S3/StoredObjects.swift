// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import HTTP
import Linux
import Model

/// The objects of the bucket `lab`, which is there without being made, for tests of what outlives
/// starts: each stays on the node that was sent it. With a Key Manager each is encrypted under a data
/// key of its own (docs/facts.md, "What is bound to a key"), as if MINIO_KMS_AUTO_ENCRYPTION were on.
///
/// A file for each: a line with the name of the SSE key and the encrypted data key in hexadecimal
/// digits, neither of them without encryption, and then the bytes.
struct StoredObjects: Sendable {
  /// Where they are.
  static let bucket = "lab"

  private let directory: String
  private let client: KeyManagerClient?

  /// Makes the directory on the drive if it is not there. Blocks on the disk.
  init(drive: String, client: KeyManagerClient?) throws(Errno) {
    directory = "\(drive)/.minio.sys/objects"
    self.client = client
    try DriveFile.makeDirectory(directory)
  }

  /// Takes an object; answers when it can be read. Blocks on the disk and the Key Manager.
  func put(_ path: String, _ bytes: [UInt8]) throws(ServerError) -> HTTPResponse {
    var content = Array("\n".utf8) + bytes
    if let client {
      do throws(KeyManagerClient.Failure) {
        let key = try client.generate(associatedData: ObjectCipher.associatedData(path))
        content = Array("\(client.keyName) \(key.ciphertext.hex)\n".utf8)
        content += ObjectCipher.seal(bytes, key.plaintext)
      } catch { throw error.ofGeneration }
    }
    do throws(Errno) { try DriveFile.write(content, to: place(of: path)) } catch {
      throw ServerError.internalError()
    }
    return HTTPResponse(200)
  }

  /// An object as it was sent. Blocks as long.
  func get(_ path: String) throws(ServerError) -> HTTPResponse {
    guard let content = try? FileReading.readIfPresent(place(of: path), limitBytes: 8 << 20) else {
      throw .noSuchKey
    }
    let parts = content.bytes.split(
      separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
    let words = String(decoding: parts[0], as: UTF8.self).split(separator: " ")
    let bytes = Array(parts.count == 2 ? parts[1] : [])
    guard words.count == 2 else { return HTTPResponse(200, body: bytes) }
    guard let client else { throw .noKMS }
    let key: [UInt8]
    do throws(KeyManagerClient.Failure) {
      key = try client.decrypt(
        Backend.bytes(words[1]), keyName: String(words[0]),
        associatedData: ObjectCipher.associatedData(path))
    } catch { throw error.ofDecryption }
    guard let opened = ObjectCipher.open(bytes, key) else { throw .tampered }
    return HTTPResponse(200, body: opened)
  }

  private func place(of path: String) -> String {
    "\(directory)/\(Digest.sha256(Array(path.utf8)).hex)"
  }
}
