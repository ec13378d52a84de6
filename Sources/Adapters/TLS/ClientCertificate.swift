// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// The certificate with which a client shows an API key to a Key Manager (docs/facts.md,
/// "Identity and TLS" and "API keys in OpenSSL"): signed by its own key; the server knows it by the
/// public key alone.
package enum ClientCertificate {
  /// A private key as its bare number.
  package enum RawKey: Sendable {
    /// The 32 bytes of an Ed25519 seed (RFC 8032, 5.1.5).
    case ed25519(seed: [UInt8])
    /// The big-endian scalar of an ECDSA key: 32, 48 or 66 bytes for P-256, P-384 and P-521.
    case ecdsa(scalar: [UInt8])
  }

  /// Makes the certificate: for clientAuth and digital signatures, not a CA. Reads and writes no
  /// files.
  package static func selfSigned(
    _ key: RawKey, commonName: String, days: Int = 90
  ) throws(CertificateFailure) -> Credentials {
    let key = try KeyHandle(key)
    let draft = try CertificateDraft(
      key: key, validSeconds: try CertificateDraft.validSeconds(days: days))
    try draft.setSubject(commonName: commonName)
    try draft.add(NID_basic_constraints, "critical,CA:FALSE")
    try draft.add(NID_key_usage, "critical,digitalSignature")
    try draft.add(NID_ext_key_usage, "clientAuth")
    return Credentials(certificatePEM: try draft.sign(by: key).pem(), keyPEM: try key.pem())
  }
}

extension KeyHandle {
  fileprivate convenience init(_ key: ClientCertificate.RawKey) throws(CertificateFailure) {
    ERR_clear_error()
    let pointer: OpaquePointer?
    switch key {
    case .ed25519(let seed):
      pointer = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
    case .ecdsa(let scalar):
      // ECPrivateKey of RFC 5915 without its public part, which OpenSSL computes.
      let curve: [UInt8]
      switch scalar.count {
      case 32: curve = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
      case 48: curve = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]
      case 66: curve = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23]
      default:
        throw CertificateFailure("an ECDSA key of \(scalar.count) bytes is of no known curve")
      }
      let content =
        [0x02, 0x01, 0x01, 0x04, UInt8(scalar.count)] + scalar + [0xA0, UInt8(curve.count)] + curve
      let der = [0x30, UInt8(content.count)] + content
      pointer = der.withUnsafeBufferPointer { bytes in
        var next = bytes.baseAddress
        return d2i_PrivateKey(EVP_PKEY_EC, nil, &next, bytes.count)
      }
    }
    guard let pointer else {
      throw CertificateFailure("read the raw key: \(OpenSSLError.drainText())")
    }
    self.init(owning: pointer)
    let check = EVP_PKEY_CTX_new(pointer, nil)
    defer { EVP_PKEY_CTX_free(check) }
    guard EVP_PKEY_check(check) == 1 else {
      throw CertificateFailure("the raw key is not valid: \(OpenSSLError.drainText())")
    }
  }
}
