// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import FoundationEssentials

/// Authenticated encryption under a version of a key: AES-256-GCM, or ChaCha20-Poly1305. A
/// ciphertext is the version's number (4 bytes, big-endian), nonce (12 bytes), encrypted bytes, tag
/// (16 bytes).
struct Cipher {
  private static let overhead = 4 + 12 + 16

  private let version: State.Version

  init(_ version: State.Version) { self.version = version }

  /// The number of the version that a ciphertext was made with; nil if it is none.
  static func versionNumber(of ciphertext: [UInt8]) -> UInt64? {
    guard ciphertext.count >= overhead else { return nil }
    return ciphertext.prefix(4).reduce(0) { $0 << 8 | UInt64($1) }
  }

  func seal(_ plaintext: [UInt8], associatedData: [UInt8]) -> [UInt8] {
    let nonce = Self.random(12)
    var tag = [UInt8](repeating: 0, count: 16)
    let encrypted = run(.seal, plaintext, nonce: nonce, associatedData, tag: &tag)
    guard let encrypted else { preconditionFailure("OpenSSL cannot encrypt with \(version.type)") }
    let number = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: version.number >> $0) }
    return number + nonce + encrypted + tag
  }

  /// Nil if it was not sealed with this version and associated data. Unverified it is opened all
  /// the same: of another key that gives another plaintext.
  func open(_ ciphertext: [UInt8], associatedData: [UInt8], verified: Bool = true) -> [UInt8]? {
    guard ciphertext.count >= Self.overhead else { return nil }
    var tag = Array(ciphertext.suffix(16))
    return run(
      verified ? .open : .openUnverified, Array(ciphertext[16..<(ciphertext.count - 16)]),
      nonce: Array(ciphertext[4..<16]), associatedData, tag: &tag)
  }

  static func random(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(RAND_bytes(&bytes, Int32(count)) == 1, "OpenSSL has no random bytes")
    return bytes
  }

  private enum Mode { case seal, open, openUnverified }

  private func run(
    _ mode: Mode, _ input: [UInt8], nonce: [UInt8], _ associatedData: [UInt8], tag: inout [UInt8]
  ) -> [UInt8]? {
    guard let context = EVP_CIPHER_CTX_new() else { return nil }
    defer {
      EVP_CIPHER_CTX_free(context)
      ERR_clear_error()
    }
    let algorithm = version.type == "ChaCha20" ? EVP_chacha20_poly1305() : EVP_aes_256_gcm()
    var output = [UInt8](repeating: 0, count: input.count)
    var length: Int32 = 0
    var rest = [UInt8](repeating: 0, count: 16)
    guard
      EVP_CipherInit_ex(
        context, algorithm, nil, Array(version.bytes), nonce, mode == .seal ? 1 : 0) == 1,
      EVP_CipherUpdate(context, nil, &length, associatedData, Int32(associatedData.count)) == 1,
      EVP_CipherUpdate(context, &output, &length, input, Int32(input.count)) == 1
    else { return nil }
    if mode == .openUnverified { return output }
    guard
      mode == .seal
        || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) == 1,
      EVP_CipherFinal_ex(context, &rest, &length) == 1,
      mode == .open
        || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), &tag) == 1
    else { return nil }
    return output
  }
}
