// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// Public keys derived from private ones, by OpenSSL. Pure functions, like ``Digest``.
package enum PublicKey {
  /// The DER SubjectPublicKeyInfo that belongs to a private key given as DER PKCS#8; nil if it is
  /// not a key, or if the scalar of an elliptic-curve key is outside 1..<order.
  package static func subjectPublicKeyInfo(ofPrivateKey pkcs8: [UInt8]) -> [UInt8]? {
    // What a failure leaves in the thread's queue would be read as some later call's error.
    defer { ERR_clear_error() }
    var cursor: UnsafePointer<UInt8>?
    let key = pkcs8.withUnsafeBufferPointer { buffer in
      cursor = buffer.baseAddress
      return d2i_AutoPrivateKey(nil, &cursor, buffer.count)
    }
    guard let key else { return nil }
    defer { EVP_PKEY_free(key) }
    if EVP_PKEY_get_base_id(key) == EVP_PKEY_EC {
      guard let context = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return nil }
      defer { EVP_PKEY_CTX_free(context) }
      guard EVP_PKEY_private_check(context) == 1 else { return nil }
    }
    let length = i2d_PUBKEY(key, nil)
    guard length > 0 else { return nil }
    var der = [UInt8](repeating: 0, count: Int(length))
    let written = der.withUnsafeMutableBufferPointer { buffer in
      var end = buffer.baseAddress
      return i2d_PUBKEY(key, &end)
    }
    return written == length ? der : nil
  }
}
