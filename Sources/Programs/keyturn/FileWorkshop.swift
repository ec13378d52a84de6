import LinuxIO
import Model
import Operator
import TLS

/// The cluster's authority and its certificates, in files.
struct FileWorkshop: CertificateWorkshop {
  func makeAuthority(cluster: String, directory: String, days: Int?) throws(Refusal) {
    do {
      let authority =
        try days.map { try CertificateAuthority.create(cluster: cluster, days: $0) }
        ?? CertificateAuthority.create(cluster: cluster)
      let pair = authority.credentials
      try NewFile.makeDirectory(directory)
      // The key first: where one is already, nothing is written.
      try NewFile.create(
        "\(directory)/ca-key.pem", Array(pair.keyPEM.reveal().utf8), mode: 0o600)
      try NewFile.create("\(directory)/ca.pem", Array(pair.certificatePEM.utf8), mode: 0o644)
    } catch { throw Self.refusal("make the authority of \(cluster)", error) }
  }

  func issue(
    role: Role, name: String, addresses: [String], days: Int?, authority: String, directory: String
  ) throws(Refusal) -> Principal {
    do {
      let certificate = try Self.text("\(authority)/ca.pem")
      let issuer = try CertificateAuthority(
        certificatePEM: certificate, keyPEM: Secret(try Self.text("\(authority)/ca-key.pem")))
      let pair =
        try days.map { days in
          try issuer.issue(role: role, name: name, addresses: addresses, days: days)
        } ?? issuer.issue(role: role, name: name, addresses: addresses)
      try NewFile.makeDirectory(directory)
      try NewFile.create("\(directory)/key.pem", Array(pair.keyPEM.reveal().utf8), mode: 0o600)
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

  private static func text(_ path: String) throws(FileFailure) -> String {
    String(
      decoding: try FileReading.read(path, limitBytes: Limits.recordFileBytes).bytes, as: UTF8.self)
  }

  private static func refusal(_ attempt: String, _ error: any Error) -> Refusal {
    Refusal(.failed, "\(attempt): \(error)")
  }
}
