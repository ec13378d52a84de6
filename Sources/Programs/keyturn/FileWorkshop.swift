// SPDX-License-Identifier: Apache-2.0
import Files
import Model
import Operator
import Secrets
import TLS

/// The cluster's authority and its certificates, in files.
struct FileWorkshop: CertificateWorkshop {
  func makeAuthority(
    cluster: String, directory: String, days: Int?, passphrase: Secret?
  ) throws(Refusal) {
    do {
      let authority =
        if let days {
          try CertificateAuthority.create(cluster: cluster, days: days, passphrase: passphrase)
        } else {
          try CertificateAuthority.create(cluster: cluster, passphrase: passphrase)
        }
      let pair = authority.credentials
      try Self.makeDirectory(directory)
      // The key first: where one is already, nothing is written.
      try NewFile.create("\(directory)/ca-key.pem", pair.keyPEM.withBytes(Array.init), mode: 0o600)
      try NewFile.create("\(directory)/ca.pem", Array(pair.certificatePEM.utf8), mode: 0o644)
    } catch { throw Self.refusal("make the authority of \(cluster)", error) }
  }

  func needsPassphrase(authority: String) throws(Refusal) -> Bool {
    do {
      return CertificateAuthority.needsPassphrase(keyPEM: try Self.authorityKey(authority))
    } catch { throw Self.refusal("use the authority in \(authority)", error) }
  }

  func issue(
    role: Role, name: String, addresses: [String], days: Int?, authority: String,
    passphrase: Secret?, directory: String
  ) throws(Refusal) -> Principal {
    do {
      let certificate = try Self.text("\(authority)/ca.pem")
      let issuer = try CertificateAuthority(
        certificatePEM: certificate, keyPEM: try Self.authorityKey(authority),
        passphrase: passphrase)
      let pair =
        try days.map { days in
          try issuer.issue(role: role, name: name, addresses: addresses, days: days)
        } ?? issuer.issue(role: role, name: name, addresses: addresses)
      try Self.makeDirectory(directory)
      try NewFile.create("\(directory)/key.pem", pair.keyPEM.withBytes(Array.init), mode: 0o600)
      try NewFile.create("\(directory)/cert.pem", Array(pair.certificatePEM.utf8), mode: 0o644)
      try NewFile.create("\(directory)/ca.pem", Array(certificate.utf8), mode: 0o644)
      return Principal(cluster: issuer.cluster, role: role, name: name)
    } catch { throw Self.refusal("issue a certificate to \(name)", error) }
  }

  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts {
    do throws(CertificateFailure) {
      let info = try CertificateInfo(pem: String(decoding: certificate, as: UTF8.self))
      return CertificateFacts(
        principal: info.principal, subject: info.subject,
        validUntilMicroseconds: info.notAfter * 1_000_000)
    } catch { throw Refusal(.failed, error.description) }
  }

  /// Makes the directory if it is not there. A user who can change it could read or replace the key.
  private static func makeDirectory(_ path: String) throws {
    if let problem = try FileTrust.problem(of: path) {
      throw Refusal(
        .failed,
        "\(problem): take that right away (chmod go-w), or name another directory with --out")
    }
    try NewFile.makeDirectory(path)
  }

  /// The authority's key: with it anyone can issue any certificate.
  private static func authorityKey(_ authority: String) throws -> Secret {
    let path = "\(authority)/ca-key.pem"
    let content = try FileReading.read(path, limitBytes: Limits.recordFileBytes)
    if content.facts.mode & 0o077 != 0 {
      throw Refusal(
        .failed,
        "\(path) can be read by others than its owner (mode \(String(content.facts.mode, radix: 8))); with it anyone can issue any certificate: chmod 600 it, and make a new authority if it may have been read"
      )
    }
    return content.bytes.withUnsafeBytes(Secret.init)
  }

  private static func text(_ path: String) throws(FileFailure) -> String {
    String(
      decoding: try FileReading.read(path, limitBytes: Limits.recordFileBytes).bytes, as: UTF8.self)
  }

  private static func refusal(_ attempt: String, _ error: any Error) -> Refusal {
    Refusal(.failed, "\(attempt): \(error)")
  }
}
