// SPDX-License-Identifier: Apache-2.0
import API
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
      return FileIssuer(
        directory: directory,
        authority: try CertificateAuthority(
          certificatePEM: try Self.text("\(directory)/ca.pem"),
          keyPEM: try Self.authorityKey(directory), passphrase: passphrase))
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

  func verify(_ file: JoinFile) throws(Refusal) {
    do throws(CertificateFailure) {
      let context = try TLSContext.mutual(
        certificatePEM: file.certificate, keyPEM: file.key, caPEM: file.authority)
      _ = try context.renewed(certificatePEM: file.certificate, keyPEM: file.key)
    } catch { throw Refusal(.validation, error.description) }
  }

  /// Makes the directory if it is not there. A user who can change it could read or replace the key.
  fileprivate static func makeDirectory(_ path: String) throws {
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

  fileprivate static func refusal(_ attempt: String, _ error: any Error) -> Refusal {
    Refusal(.failed, "\(attempt): \(error)")
  }
}

private struct FileIssuer: CertificateIssuer {
  let directory: String
  let authority: CertificateAuthority

  var cluster: String { authority.cluster }
  var certificate: String { authority.credentials.certificatePEM }

  func issue(
    role: Role, name: String, addresses: [String], days: Int?, directory: String
  ) throws(Refusal) -> Principal {
    do {
      let pair = try authority.issue(role: role, name: name, addresses: addresses, days: days)
      try FileWorkshop.makeDirectory(directory)
      try NewFile.create("\(directory)/key.pem", pair.keyPEM.withBytes(Array.init), mode: 0o600)
      try NewFile.create("\(directory)/cert.pem", Array(pair.certificatePEM.utf8), mode: 0o644)
      try NewFile.create("\(directory)/ca.pem", Array(certificate.utf8), mode: 0o644)
      return Principal(cluster: cluster, role: role, name: name)
    } catch { throw FileWorkshop.refusal("issue a certificate to \(name)", error) }
  }

  func issueToJoin(
    _ inventory: Inventory, role: Role, name: String, addresses: [String], days: Int, file: String
  ) throws(Refusal) {
    do {
      let pair = try authority.issue(role: role, name: name, addresses: addresses, days: days)
      let join = JoinFile(
        inventory: inventory, authority: certificate, certificate: pair.certificatePEM,
        key: pair.keyPEM)
      try FileWorkshop.makeDirectory(
        file.lastIndex(of: "/").map { String(file[..<$0]) } ?? ".")
      try NewFile.create(file, join.bytes, mode: 0o600)
    } catch { throw FileWorkshop.refusal("write \(file)", error) }
  }

  func renew(
    _ request: CertificateRequestAnswer, of principal: Principal, days: Int?
  ) throws(Refusal) -> String {
    do throws(CertificateFailure) {
      return try authority.renew(
        request.certificate, of: principal, request: request.request, days: days)
    } catch {
      throw FileWorkshop.refusal("renew the certificate of \(principal.name)", error)
    }
  }

  private var revocationsPath: String { "\(directory)/revocations.json" }

  func revoked() throws(Refusal) -> Revocations? {
    let attempt = "use the list of revoked certificates, \(revocationsPath)"
    do {
      if let problem = try FileTrust.problem(of: revocationsPath) {
        throw Refusal(
          .failed,
          "\(problem), and what it says is signed: take that right away (chmod go-w), and look at it"
        )
      }
      guard
        let file = try FileReading.readIfPresent(
          revocationsPath, limitBytes: Limits.revocationBytes)
      else { return nil }
      let list = try JSON.decode(Revocations.self, from: file.bytes)
      if let problem = list.problem { throw Refusal(.failed, problem) }
      guard list.cluster == cluster else {
        throw Refusal(.failed, "it is of cluster \(list.cluster), not \(cluster)")
      }
      return list
    } catch { throw FileWorkshop.refusal(attempt, error) }
  }

  func revocations(
    adding holders: [(role: Role, name: String)]
  ) throws(Refusal) -> SignedRevocations? {
    let known = try revoked()
    if known == nil, holders.isEmpty { return nil }
    var list = known ?? Revocations(cluster: cluster)
    let now = Clock.realtimeMicroseconds() / 1_000_000
    do {
      // A clock that was set back would revoke less than it says.
      let begin = try CertificateInfo(pem: certificate).notBefore
      guard now >= max(begin, list.entries.map(\.issuedUntil).max() ?? begin) else {
        throw Refusal(
          .failed,
          "this machine's clock is behind the CA's certificate or the last entry of the list: set it right"
        )
      }
      for holder in holders { list.add(holder.role, holder.name, issuedUntil: now) }
      if let problem = list.problem { throw Refusal(.failed, problem) }
      guard list.number <= Limits.count else {
        throw Refusal(.failed, "its number has come to its end")
      }
      let bytes = JSON.encode(list)
      let signature = try authority.sign(bytes)
      // Before anybody gets it: a number must not be given twice.
      if !holders.isEmpty {
        try NewFile.replace(revocationsPath, bytes, mode: 0o644)
        // What is issued from now on counts: it is of a later second.
        while Clock.realtimeMicroseconds() / 1_000_000 == now {
          Clock.sleep(until: .inMilliseconds(20))
        }
      }
      return SignedRevocations(
        list: String(decoding: bytes, as: UTF8.self), signature: Base64URL.encode(signature))
    } catch {
      throw FileWorkshop.refusal("make the list of revoked certificates, \(revocationsPath)", error)
    }
  }
}
