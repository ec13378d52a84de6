// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
package import Model
internal import Threads

/// The certificates that count no more, as they are known at the moment: one for all contexts of a program.
package final class RevocationList: Sendable {
  private let state = Lock<Revocations?>(nil)

  package init() {}

  package var current: Revocations? { state.withLock { $0 } }

  package func replace(by list: Revocations) { state.update { $0 = list } }

  /// A certificate that does not count; nil if it does.
  package func revoked(_ principal: Principal, validFrom: Int64) -> RevokedCertificate? {
    current?.revoked(principal, validFrom: validFrom)
  }
}

extension CertificateAuthority {
  /// Signs with the CA's key: ECDSA or Ed25519, as the key is, over SHA-256 (EVP_DigestSign(3)).
  package func sign(_ bytes: [UInt8]) throws(CertificateFailure) -> [UInt8] {
    let key = try plainKey()
    let isEd25519 = EVP_PKEY_get_base_id(key.pointer) == EVP_PKEY_ED25519
    ERR_clear_error()
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    var count = 0
    guard
      EVP_DigestSignInit(context, nil, isEd25519 ? nil : EVP_sha256(), nil, key.pointer) == 1,
      EVP_DigestSign(context, nil, &count, bytes, bytes.count) == 1
    else { throw CertificateFailure("sign with the CA's key: \(OpenSSLError.drainText())") }
    var signature = [UInt8](repeating: 0, count: count)
    guard EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1 else {
      throw CertificateFailure("sign with the CA's key: \(OpenSSLError.drainText())")
    }
    return Array(signature.prefix(count))
  }
}

extension TLSContext {
  /// Whether one of the CAs that are trusted here has signed these bytes.
  package func isSigned(_ bytes: [UInt8], _ signature: [UInt8]) -> Bool {
    signer(of: bytes, signature) != nil
  }

  /// The key of the CA that is trusted here and has signed these bytes; nil if none has.
  package func signer(of bytes: [UInt8], _ signature: [UInt8]) -> [UInt8]? {
    TrustedAuthority.signer(of: bytes, signature, in: caPEM)
  }
}

extension TrustedAuthority {
  /// The key of the one of these CAs, PEM, that has signed these bytes; nil if none has.
  package static func signer(
    of bytes: [UInt8], _ signature: [UInt8], in caPEM: String
  ) -> [UInt8]? {
    let authorities = (try? Certificate.all(inPEM: caPEM, "the cluster's CA")) ?? []
    return authorities.first { authority in
      guard let key = X509_get0_pubkey(authority.pointer) else { return false }
      let isEd25519 = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519
      let context = EVP_MD_CTX_new()
      defer {
        EVP_MD_CTX_free(context)
        ERR_clear_error()
      }
      return EVP_DigestVerifyInit(context, nil, isEd25519 ? nil : EVP_sha256(), nil, key) == 1
        && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }.map { CertificateInfo($0).publicKeyDigest }
  }
}
