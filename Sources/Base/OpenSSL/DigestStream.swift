// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
package import Crypto

/// SHA-256 over bytes that come one part after the other. The owner of its OpenSSL context.
package struct DigestStream: ~Copyable {
  private let context: OpaquePointer

  package init() {
    guard let context = EVP_MD_CTX_new(),
      EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
    else { preconditionFailure("OpenSSL has no SHA-256") }
    self.context = context
  }

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let result = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(result == 1, "SHA-256 takes any bytes")
  }

  /// Of all that was added.
  package consuming func digest() -> Digest {
    var output = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    let result = EVP_DigestFinal_ex(context, &output, &length)
    guard result == 1, length == 32, let digest = Digest(bytes: output) else {
      preconditionFailure("a SHA-256 digest has 32 bytes")
    }
    return digest
  }

  deinit { EVP_MD_CTX_free(context) }
}
