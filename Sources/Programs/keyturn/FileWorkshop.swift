// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import Files
import JSONCoding
import Model
import Operator
import Secrets
import TLS
import Threads

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

  func authority(
    in directory: String, passphrase: Secret?
  ) throws(Refusal) -> any CertificateIssuer {
    do {
      let authority = try CertificateAuthority(
        certificatePEM: try Self.text("\(directory)/ca.pem"),
        keyPEM: try Self.authorityKey(directory), passphrase: passphrase)
      return FileIssuer(
        directory: directory, authority: authority,
        certificate: try Self.certificate(authority.credentials.certificatePEM))
    } catch { throw Self.refusal("use the authority in \(directory)", error) }
  }

  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts {
    do throws(CertificateFailure) {
      let info = try CertificateInfo(pem: String(decoding: certificate, as: UTF8.self))
      return CertificateFacts(
        principal: info.principal, subject: info.subject,
        validFromMicroseconds: info.notBefore * 1_000_000,
        validUntilMicroseconds: info.notAfter * 1_000_000)
    } catch { throw Refusal(.failed, error.description) }
  }

  func authorityCertificate(in directory: String) throws(Refusal) -> AuthorityCertificate? {
    let path = "\(directory)/ca.pem"
    do {
      guard
        let file = try FileReading.readIfPresent(path, limitBytes: Limits.recordFileBytes)
      else {
        // The key is written first.
        if try FileReading.readIfPresent(
          "\(directory)/ca-key.pem", limitBytes: Limits.recordFileBytes) == nil
        {
          return nil
        }
        throw Refusal(
          .failed,
          "there is a ca-key.pem without a ca.pem, of an attempt that was broken off: nobody trusts that CA; remove \(directory)/ca-key.pem and run it again"
        )
      }
      return try Self.certificate(String(decoding: file.bytes, as: UTF8.self))
    } catch { throw Self.refusal("use the CA in \(directory)", error) }
  }

  /// The first of a text.
  static func certificate(_ pem: String) throws -> AuthorityCertificate {
    guard let first = CertificateInfo.blocks(inPEM: Array(pem.utf8)).first,
      let key = Digest(bytes: try TrustedAuthority(certificatePEM: first).key)
    else { throw Refusal(.failed, "it holds no certificate") }
    return AuthorityCertificate(
      cluster: try CertificateAuthority.cluster(of: first), pem: first, key: key)
  }

  func isIssued(
    _ certificate: [UInt8], by authority: AuthorityCertificate
  ) throws(Refusal) -> Bool {
    do throws(CertificateFailure) {
      return try CertificateAuthority.isIssued(
        String(decoding: certificate, as: UTF8.self), by: authority.pem)
    } catch { throw Refusal(.failed, error.description) }
  }

  func replace(_ path: String, _ certificates: [UInt8]) throws(Refusal) {
    do throws(FileFailure) {
      if let problem = try FileTrust.problem(of: path) {
        throw FileFailure(.notPermitted, path, "\(problem): take that right away (chmod go-w)")
      }
      try NewFile.replace(path, certificates, mode: 0o644)
    } catch { throw Self.refusal("write \(path)", error) }
  }

  func verify(_ file: JoinFile) throws(Refusal) -> Revocations? {
    let context: TLSContext
    do throws(CertificateFailure) {
      context = try TLSContext.mutual(
        certificatePEM: file.certificate, keyPEM: file.key, caPEM: file.authority)
      _ = try context.renewed(certificatePEM: file.certificate, keyPEM: file.key)
    } catch { throw Refusal(.validation, error.description) }
    guard let revocations = file.revocations else { return nil }
    return try verify(revocations, of: file.inventory.cluster, by: file.authority)
  }

  func verify(
    _ list: SignedRevocations, of cluster: String, by authorities: String
  ) throws(Refusal) -> Revocations {
    try list.verified(cluster: cluster) {
      TrustedAuthority.signer(of: $0, $1, in: authorities) != nil
    }
  }

  /// Makes the directory if it is not there. A user who can change it could read or replace the key.
  static func makeDirectory(_ path: String) throws {
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

  static func text(_ path: String) throws(FileFailure) -> String {
    String(
      decoding: try FileReading.read(path, limitBytes: Limits.recordFileBytes).bytes, as: UTF8.self)
  }

  static func refusal(_ attempt: String, _ error: any Error) -> Refusal {
    Refusal(.failed, "\(attempt): \(error)")
  }
}

struct FileIssuer: CertificateIssuer {
  let directory: String
  let authority: CertificateAuthority
  let certificate: AuthorityCertificate

  var cluster: String { authority.cluster }

  func issue(
    role: Role, name: String, addresses: [String], days: Int?, directory: String
  ) throws(Refusal) -> Principal {
    try requireCounts(role, name)
    do {
      let pair = try authority.issue(role: role, name: name, addresses: addresses, days: days)
      try FileWorkshop.makeDirectory(directory)
      try NewFile.create("\(directory)/key.pem", pair.keyPEM.withBytes(Array.init), mode: 0o600)
      try NewFile.create("\(directory)/cert.pem", Array(pair.certificatePEM.utf8), mode: 0o644)
      try NewFile.create("\(directory)/ca.pem", Array(trusted().utf8), mode: 0o644)
      return Principal(cluster: cluster, role: role, name: name)
    } catch { throw FileWorkshop.refusal("issue a certificate to \(name)", error) }
  }

  func issueToJoin(
    _ inventory: Inventory, role: Role, name: String, addresses: [String], days: Int, file: String,
    replaces: Bool
  ) throws(Refusal) {
    try requireCounts(role, name)
    let list = try revocations()
    do {
      let pair = try authority.issue(role: role, name: name, addresses: addresses, days: days)
      let join = JoinFile(
        inventory: inventory, authority: try trusted(), certificate: pair.certificatePEM,
        key: pair.keyPEM, revocations: list)
      try FileWorkshop.makeDirectory(
        file.lastIndex(of: "/").map { String(file[..<$0]) } ?? ".")
      if replaces {
        try NewFile.replace(file, join.bytes, mode: 0o600)
      } else {
        try NewFile.create(file, join.bytes, mode: 0o600)
      }
    } catch { throw FileWorkshop.refusal("write \(file)", error) }
  }
}
