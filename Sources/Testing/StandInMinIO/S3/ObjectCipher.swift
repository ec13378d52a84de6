// SPDX-License-Identifier: Apache-2.0
import OpenSSL

/// Encrypts objects under data keys of the Key Manager's, which only it decrypts. The cipher is one for
/// tests: HMAC-SHA256 in counter mode, and over all of it.
enum ObjectCipher {
  private static let tagBytes = 32

  static func seal(_ bytes: [UInt8], _ key: [UInt8]) -> [UInt8] {
    let encrypted = masked(bytes, key)
    return encrypted + tag(of: encrypted, key)
  }

  /// Nil if it is not what was sealed with this key.
  static func open(_ sealed: [UInt8], _ key: [UInt8]) -> [UInt8]? {
    let encrypted = Array(sealed.dropLast(tagBytes))
    guard tag(of: encrypted, key) == Array(sealed.suffix(tagBytes)) else { return nil }
    return masked(encrypted, key)
  }

  /// What binds a data key to the object's path.
  static func associatedData(_ path: String) -> String { "{\"object\":\"\(path)\"}" }

  /// The same again decrypts.
  private static func masked(_ bytes: [UInt8], _ key: [UInt8]) -> [UInt8] {
    var result = bytes
    for start in stride(from: 0, to: bytes.count, by: 32) {
      let mask = MessageCode.hmacSHA256(Array("block \(start)".utf8), key: key)
      for index in start..<min(start + 32, bytes.count) { result[index] ^= mask[index - start] }
    }
    return result
  }

  private static func tag(of encrypted: [UInt8], _ key: [UInt8]) -> [UInt8] {
    MessageCode.hmacSHA256(Array("all ".utf8) + encrypted, key: key)
  }
}
