// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// Message authentication codes by OpenSSL. Pure functions, like ``Digest``.
package enum MessageCode {
  /// The 32 bytes of HMAC-SHA256 (RFC 2104) of `message` under `key`.
  package static func hmacSHA256(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    // An empty array has no address, which OpenSSL takes for "the key of the last call".
    let key = key.isEmpty ? [0] : key
    let result = HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &output, &length)
    precondition(result != nil && length == 32, "OpenSSL has no HMAC-SHA256")
    return output
  }
}
