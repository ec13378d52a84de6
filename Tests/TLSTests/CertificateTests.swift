// SPDX-License-Identifier: Apache-2.0
import Model
import Secrets
@testable import TLS
import TestSupport
import Testing
import Threads

@Suite struct CertificateTests {
  @Test("a certificate says who its holder is, until when, and what for", arguments: Role.allCases)
  func issue(_ role: Role) throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let own = try ca.issue(
      role: role, name: "n-1", addresses: ["n-1.example.net", "10.0.0.1", "fd00::1"])
    let info = try CertificateInfo(pem: own.certificatePEM)
    #expect(info.principal == Principal(cluster: "prod", role: role, name: "n-1"))
    #expect(info.subject == "CN=n-1,OU=\(role.rawValue),O=prod")
    #expect(info.issuer == "CN=Keyturn CA,O=prod")
    #expect(info.dnsNames == ["n-1.example.net"])
    let days = (info.notAfter - Clock.realtimeMicroseconds() / 1_000_000) / 86_400
    #expect((823...825).contains(days))

    let directory = try TemporaryDirectory()
    let text = try openssl(own.certificatePEM, ["x509", "-noout", "-text"], directory)
    #expect(text.contains("IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1"))
    #expect(text.contains("TLS Web Server Authentication") == [.node, .witness].contains(role))
    #expect(text.contains("TLS Web Client Authentication"))
    #expect(text.contains("X509v3 Authority Key Identifier"))
    #expect(text.contains("X509v3 Key Usage: critical\n                Digital Signature\n"))
    let authority = try openssl(
      ca.credentials.certificatePEM, ["x509", "-noout", "-text"], directory)
    #expect(authority.contains("CA:TRUE, pathlen:0"))
    #expect(authority.contains("Certificate Sign, CRL Sign"))
  }

  private func openssl(
    _ input: String, _ arguments: [String], _ directory: TemporaryDirectory
  ) throws -> String {
    let outcome = try Subprocess.run(
      "/usr/bin/openssl", arguments, input: input, until: .inMilliseconds(10_000))
    #expect(outcome.status == 0, "\(outcome.stderr)")
    return outcome.stdout
  }

  @Test("a CA read from its files issues as before, and serial numbers differ")
  func reread() throws {
    let made = try CertificateAuthority.create(cluster: "prod")
    let ca = try CertificateAuthority(
      certificatePEM: made.credentials.certificatePEM, keyPEM: made.credentials.keyPEM)
    #expect(ca.cluster == "prod")
    let (first, second) = try (
      ca.issue(role: .node, name: "a"), made.issue(role: .node, name: "a")
    )
    #expect(first.certificatePEM != second.certificatePEM)
  }

  @Test(
    "a CA's key may have a passphrase: OpenSSL reads it with that, nobody without or with another")
  func passphrase() throws {
    let passphrase = Secret("correct horse")
    let made = try CertificateAuthority.create(cluster: "prod", passphrase: passphrase)
    let pair = made.credentials
    #expect(CertificateAuthority.needsPassphrase(keyPEM: pair.keyPEM))
    #expect(
      try !CertificateAuthority.needsPassphrase(
        keyPEM: CertificateAuthority.create(cluster: "prod").credentials.keyPEM))
    let ca = try CertificateAuthority(
      certificatePEM: pair.certificatePEM, keyPEM: pair.keyPEM, passphrase: passphrase)
    _ = try ca.issue(role: .node, name: "a")
    _ = try made.issue(role: .node, name: "a")
    for wrong in [nil, Secret("correct horsf"), Secret("correct hors"), Secret("")] {
      let failure = #expect(throws: CertificateFailure.self) {
        try CertificateAuthority(
          certificatePEM: pair.certificatePEM, keyPEM: pair.keyPEM, passphrase: wrong)
      }
      #expect(failure?.description.contains("correct hors") == false)
    }
    let directory = try TemporaryDirectory()
    let key = try openssl(
      pair.keyPEM.reveal(), ["pkey", "-passin", "pass:correct horse", "-noout", "-text"], directory)
    #expect(key.contains("prime256v1"))
    let form = try openssl(pair.keyPEM.reveal(), ["asn1parse"], directory)
    #expect(
      form.contains("PBKDF2") && form.contains("aes-256-cbc") && form.contains("hmacWithSHA256"))
  }

  @Test("a leaf does not outlive its CA")
  func clamped() throws {
    let ca = try CertificateAuthority.create(cluster: "prod", days: 10)
    let own = try ca.issue(role: .node, name: "a")
    #expect(
      try CertificateInfo(pem: own.certificatePEM).notAfter
        == CertificateInfo(pem: ca.credentials.certificatePEM).notAfter)
  }

  @Test(
    "names and addresses outside their alphabets are refused",
    arguments: [
      ("", "localhost"), ("a b", "localhost"), ("a", ""), ("a", "h:7377"), ("a", "a,URI:x"),
      ("a", "a..b"), ("a", "-a"), ("a", "*.example.net"), ("a", "a\nb"), ("a", "URI:keyturn://x"),
    ])
  func refused(_ name: String, _ address: String) throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    #expect(throws: CertificateFailure.self) {
      try ca.issue(role: .node, name: name, addresses: [address])
    }
    #expect(throws: CertificateFailure.self) { try CertificateAuthority.create(cluster: "a/b") }
    #expect(throws: CertificateFailure.self) { try ca.issue(role: .node, name: "a", days: 0) }
  }

  @Test("pairs that do not belong together, and what is no PEM, are refused with words")
  func mismatches() throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let (a, b) = try (ca.issue(role: .node, name: "a"), ca.issue(role: .node, name: "b"))
    let caPEM = ca.credentials.certificatePEM
    func message(_ certificate: String, _ key: Secret, _ ca: String) -> String? {
      do throws(CertificateFailure) {
        _ = try TLSContext.mutual(certificatePEM: certificate, keyPEM: key, caPEM: ca)
        return nil
      } catch { return error.description }
    }
    #expect(message(a.certificatePEM, a.keyPEM, caPEM) == nil)
    #expect(message(a.certificatePEM, b.keyPEM, caPEM)?.contains("does not belong") == true)
    #expect(message("x", a.keyPEM, caPEM)?.contains("the own certificate") == true)
    #expect(message(a.certificatePEM, Secret("x"), caPEM)?.contains("the own key") == true)
    #expect(message(a.certificatePEM, a.keyPEM, "")?.contains("the cluster's CA") == true)
    let damaged = String(caPEM.dropLast(40))
    #expect(message(a.certificatePEM, a.keyPEM, damaged)?.contains("the cluster's CA") == true)
    #expect(message(caPEM, ca.credentials.keyPEM, caPEM)?.contains("names no keyturn") == true)
    #expect(throws: CertificateFailure.self) {
      try CertificateAuthority(certificatePEM: a.certificatePEM, keyPEM: a.keyPEM)
    }
    #expect(throws: CertificateFailure.self) {
      try CertificateAuthority(certificatePEM: caPEM, keyPEM: a.keyPEM)
    }
  }
}
