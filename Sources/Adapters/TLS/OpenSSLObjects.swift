internal import COpenSSL
internal import Model

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
    while let pointer = PEM_read_bio_X509(bio.pointer, nil, nil, nil) {
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

  /// The certificate as PEM text.
  func pem() throws(CertificateFailure) -> String {
    let bio = try MemoryBIO()
    guard PEM_write_bio_X509(bio.pointer, pointer) == 1 else {
      throw CertificateFailure("write a certificate as PEM: \(OpenSSLError.drainText())")
    }
    return bio.text
  }
}

/// A key pair; the owner of an EVP_PKEY.
final class PrivateKey {
  let pointer: OpaquePointer

  /// Takes over one reference.
  init(owning pointer: OpaquePointer) { self.pointer = pointer }
  deinit { EVP_PKEY_free(pointer) }

  /// Reads a PEM text without a passphrase. `what` names it in the error.
  convenience init(pem: Secret, _ what: String) throws(CertificateFailure) {
    ERR_clear_error()
    let bio = try MemoryBIO(pem.reveal())
    // Without the callback OpenSSL would ask for a passphrase on the terminal.
    guard let pointer = PEM_read_bio_PrivateKey(bio.pointer, nil, { _, _, _, _ in -1 }, nil) else {
      throw CertificateFailure(
        "\(what): not a PEM key without a passphrase (\(OpenSSLError.drainText()))")
    }
    self.init(owning: pointer)
  }

  /// The key as PKCS#8 PEM text.
  func pem() throws(CertificateFailure) -> Secret {
    let bio = try MemoryBIO(secret: ())
    guard PEM_write_bio_PKCS8PrivateKey(bio.pointer, pointer, nil, nil, 0, nil, nil) == 1 else {
      throw CertificateFailure("write a key as PEM: \(OpenSSLError.drainText())")
    }
    return Secret(bio.text)
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

  /// What is in it.
  var text: String {
    var bytes: UnsafePointer<CChar>?
    let count = kt_bio_data(pointer, &bytes)
    return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
  }
}
