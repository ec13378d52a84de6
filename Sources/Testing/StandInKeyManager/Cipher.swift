// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Crypto

/// AES-256-GCM under a key of an enclave. A ciphertext is nonce (12 bytes), encrypted bytes, tag
/// (16 bytes).
struct Cipher {
  private let key: [UInt8]

  init(masterKey: String, enclave: String, name: String) {
    key = Digest.sha256Bytes(Array(Digest.ofFields([masterKey, enclave, name]).hex.utf8))
  }

  func seal(_ plaintext: [UInt8], associatedData: [UInt8]) -> [UInt8] {
    let nonce = Self.random(12)
    var tag = [UInt8](repeating: 0, count: 16)
    let encrypted = run(encrypting: true, plaintext, nonce: nonce, associatedData, tag: &tag)
    guard let encrypted else { preconditionFailure("OpenSSL has no AES-256-GCM") }
    return nonce + encrypted + tag
  }

  /// Nil if it was not sealed with this key and associated data.
  func open(_ ciphertext: [UInt8], associatedData: [UInt8]) -> [UInt8]? {
    guard ciphertext.count >= 28 else { return nil }
    var tag = Array(ciphertext.suffix(16))
    return run(
      encrypting: false, Array(ciphertext[12..<(ciphertext.count - 16)]),
      nonce: Array(ciphertext.prefix(12)), associatedData, tag: &tag)
  }

  static func random(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(RAND_bytes(&bytes, Int32(count)) == 1, "OpenSSL has no random bytes")
    return bytes
  }

  private func run(
    encrypting: Bool, _ input: [UInt8], nonce: [UInt8], _ associatedData: [UInt8],
    tag: inout [UInt8]
  ) -> [UInt8]? {
    guard let context = EVP_CIPHER_CTX_new() else { return nil }
    defer {
      EVP_CIPHER_CTX_free(context)
      ERR_clear_error()
    }
    var output = [UInt8](repeating: 0, count: input.count)
    var length: Int32 = 0
    var rest = [UInt8](repeating: 0, count: 16)
    let direction: Int32 = encrypting ? 1 : 0
    guard EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce, direction) == 1,
      EVP_CipherUpdate(context, nil, &length, associatedData, Int32(associatedData.count)) == 1,
      EVP_CipherUpdate(context, &output, &length, input, Int32(input.count)) == 1,
      encrypting
        || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) == 1,
      EVP_CipherFinal_ex(context, &rest, &length) == 1,
      !encrypting
        || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), &tag) == 1
    else { return nil }
    return output
  }
}
