// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Secrets

/// A certificate; the owner of an X509.
final class Certificate {
  let pointer: OpaquePointer

  /// Takes over one reference.
  init(owning pointer: OpaquePointer) { self.pointer = pointer }
  deinit { X509_free(pointer) }

  /// Reads every certificate of a PEM text; at least one. `what` names it in the error, for example
  /// `the CA`.
  static func all(inPEM pem: String, _ what: String) throws(CertificateFailure) -> [Certificate] {
    ERR_clear_error()
    let bio = try MemoryBIO(pem)
    var certificates: [Certificate] = []
    // Without the callback OpenSSL would ask for a passphrase on the terminal, for whatever the text says.
    while let pointer = PEM_read_bio_X509(bio.pointer, nil, { _, _, _, _ in -1 }, nil) {
      certificates.append(Certificate(owning: pointer))
    }
    // The end of the text, too, is an error to PEM_read_bio: "no start line".
    let errors = OpenSSLError.drain()
    let isEnd = errors.allSatisfy { kt_error_reason($0.code) == PEM_R_NO_START_LINE }
    guard isEnd, !certificates.isEmpty else {
      throw CertificateFailure(
        "\(what): not PEM certificates (\(errors.map(\.text).joined(separator: "; ")))")
    }
    return certificates
  }

  func pem() throws(CertificateFailure) -> String {
    let bio = try MemoryBIO()
    guard PEM_write_bio_X509(bio.pointer, pointer) == 1 else {
      throw CertificateFailure("write a certificate as PEM: \(OpenSSLError.drainText())")
    }
    return bio.text
  }
}

/// What OpenSSL hands to ``givePassphrase``.
private struct Passphrase {
  var bytes: UnsafePointer<CChar>
  var count: Int
}

/// Copies the passphrase at `context` to where OpenSSL wants it; -1 if it has no room there.
private func givePassphrase(
  _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isToWrite: Int32,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let buffer, let given = context?.assumingMemoryBound(to: Passphrase.self).pointee,
    given.count <= size
  else { return -1 }
  buffer.update(from: given.bytes, count: given.count)
  return Int32(given.count)
}

/// A key pair, or the public key of a request alone; the owner of an EVP_PKEY.
final class KeyHandle {
  let pointer: OpaquePointer

  /// Takes over one reference.
  init(owning pointer: OpaquePointer) { self.pointer = pointer }
  deinit { EVP_PKEY_free(pointer) }

  /// Reads a PEM text. `what` names it in the error.
  ///
  /// - Parameter passphrase: of an encrypted key; nil if it must not be one.
  convenience init(
    pem: Secret, passphrase: Secret? = nil, _ what: String
  ) throws(CertificateFailure) {
    ERR_clear_error()
    let bio = try MemoryBIO(secret: pem)
    // Without the callback OpenSSL would ask for a passphrase on the terminal.
    let pointer =
      passphrase.map { secret in
        secret.withBytes { bytes -> OpaquePointer? in
          bytes.withMemoryRebound(to: CChar.self) { characters in
            guard let start = characters.baseAddress else { return nil }
            var given = Passphrase(bytes: start, count: characters.count)
            return PEM_read_bio_PrivateKey(bio.pointer, nil, givePassphrase, &given)
          }
        }
      } ?? PEM_read_bio_PrivateKey(bio.pointer, nil, { _, _, _, _ in -1 }, nil)
    guard let pointer else {
      throw CertificateFailure(
        passphrase == nil
          ? "\(what): not a PEM key without a passphrase (\(OpenSSLError.drainText()))"
          : "\(what): not a PEM key, or the passphrase is another one (\(OpenSSLError.drainText()))"
      )
    }
    self.init(owning: pointer)
  }

  /// Whether a PEM text is a key that needs a passphrase, by its label.
  static func isEncrypted(_ pem: Secret) -> Bool {
    pem.reveal().contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
  }

  /// SHA-256 of the DER of its SubjectPublicKeyInfo.
  var publicDigest: [UInt8] {
    var der: UnsafeMutablePointer<UInt8>?
    let count = i2d_PUBKEY(pointer, &der)
    defer { CRYPTO_free(der, nil, 0) }
    var digest = [UInt8](repeating: 0, count: 32)
    let result = EVP_Digest(der, Int(max(0, count)), &digest, nil, EVP_sha256(), nil)
    precondition(count > 0 && result == 1, "a key that was read or made has a public part")
    return digest
  }

  /// Rounds of PBKDF2: about a quarter of a second for each passphrase, also a guessed one.
  private static let passphraseRounds: Int32 = 600_000

  func pem(passphrase: Secret) throws(CertificateFailure) -> Secret {
    let bio = try MemoryBIO(secret: ())
    let encrypted = passphrase.withBytes { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        kt_encrypt_key(pointer, $0.baseAddress, Int32(clamping: $0.count), Self.passphraseRounds)
      }
    }
    defer { X509_SIG_free(encrypted) }
    guard let encrypted, PEM_write_bio_PKCS8(bio.pointer, encrypted) == 1 else {
      throw CertificateFailure("encrypt a key with a passphrase: \(OpenSSLError.drainText())")
    }
    return bio.secret
  }

  func pem() throws(CertificateFailure) -> Secret {
    let bio = try MemoryBIO(secret: ())
    guard PEM_write_bio_PKCS8PrivateKey(bio.pointer, pointer, nil, nil, 0, nil, nil) == 1 else {
      throw CertificateFailure("write a key as PEM: \(OpenSSLError.drainText())")
    }
    return bio.secret
  }
}

/// Bytes that OpenSSL reads or writes; the owner of a memory BIO.
final class MemoryBIO {
  let pointer: OpaquePointer

  /// One to write into.
  convenience init() throws(CertificateFailure) { try self.init(BIO_new(BIO_s_mem())) }

  /// One to write a secret into: its memory is wiped when it is released.
  convenience init(secret: Void) throws(CertificateFailure) {
    try self.init(BIO_new(BIO_s_secmem()))
  }

  /// One that holds a secret; its memory is wiped when it is released.
  convenience init(secret: Secret) throws(CertificateFailure) {
    try self.init(BIO_new(BIO_s_secmem()))
    let count = secret.withBytes { bytes in
      bytes.isEmpty ? 0 : BIO_write(pointer, bytes.baseAddress, Int32(clamping: bytes.count))
    }
    guard count == secret.count else { throw CertificateFailure("OpenSSL has no memory") }
  }

  /// One that holds `text`.
  convenience init(_ text: String) throws(CertificateFailure) {
    try self.init(BIO_new(BIO_s_secmem()))
    let bytes = Array(text.utf8)
    guard bytes.isEmpty || BIO_write(pointer, bytes, Int32(clamping: bytes.count)) == bytes.count
    else { throw CertificateFailure("OpenSSL has no memory") }
  }

  private init(_ pointer: OpaquePointer?) throws(CertificateFailure) {
    guard let pointer else { throw CertificateFailure("OpenSSL has no memory") }
    self.pointer = pointer
  }
  deinit { BIO_free(pointer) }

  var secret: Secret {
    var bytes: UnsafePointer<CChar>?
    let count = kt_bio_data(pointer, &bytes)
    return Secret(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  var text: String {
    var bytes: UnsafePointer<CChar>?
    let count = kt_bio_data(pointer, &bytes)
    return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
  }
}
