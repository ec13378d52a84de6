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
    // Asked for the length first, OpenSSL would encode it twice.
    var der: UnsafeMutablePointer<UInt8>?
    let length = i2d_PUBKEY(key, &der)
    guard length > 0, let der else { return nil }
    defer { CRYPTO_free(der, nil, 0) }
    return Array(UnsafeBufferPointer(start: der, count: Int(length)))
  }
}
