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
    #expect(([.node, .witness].contains(role) ? 396...397 : 89...90).contains(days))

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

  // MARK: renewal

  private static let minio1 = Principal(cluster: "prod", role: .node, name: "minio-1")

  @Test("a renewed certificate is for the request's key, with the addresses of the one before")
  func renewed() throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let own = try ca.issue(
      role: .node, name: "minio-1", addresses: ["m-1.example.net", "10.0.0.1", "fd00::1"], days: 1)
    let request = try CertificateRequest(for: Self.minio1)
    let pem = try ca.renew(own.certificatePEM, of: Self.minio1, request: request.pem)
    let (before, after) = try (
      CertificateInfo(pem: own.certificatePEM), CertificateInfo(pem: pem)
    )
    #expect(after.principal == Self.minio1 && after.subject == before.subject)
    #expect(after.dnsNames == before.dnsNames && after.ipAddresses == before.ipAddresses)
    #expect(after.ipAddresses.count == 2)
    #expect(after.publicKeyDigest != before.publicKeyDigest)
    #expect((396...397).contains(after.daysLeft(at: Clock.realtimeMicroseconds() / 1_000_000)))
    let context = try TLSContext.mutual(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
      caPEM: ca.credentials.certificatePEM)
    let renewed = try context.renewed(certificatePEM: pem, keyPEM: request.keyPEM)
    #expect(renewed.own == after)
    // OpenSSL's own program makes requests too, and reads ours.
    let directory = try TemporaryDirectory()
    let text = try openssl(request.pem, ["req", "-noout", "-verify", "-text"], directory)
    #expect(text.contains("CN = minio-1") && text.contains("prime256v1"))
    let foreign = try openssl(
      "",
      [
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", "/dev/null", "-subj", "/CN=somebody",
      ], directory)
    let named = try ca.renew(own.certificatePEM, of: Self.minio1, request: foreign)
    #expect(try CertificateInfo(pem: named).principal == Self.minio1)
  }

  @Test(
    "requests that are altered, of another kind of key, too large or none are refused",
    arguments: [
      ["-newkey", "rsa:2048"], ["-newkey", "ed25519"],
      ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
      ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    ])
  func otherKeys(_ key: [String]) throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let own = try ca.issue(role: .node, name: "minio-1")
    let directory = try TemporaryDirectory()
    let other = try openssl(
      "", ["req", "-new"] + key + ["-nodes", "-keyout", "/dev/null", "-subj", "/CN=minio-1"],
      directory)
    var altered = try CertificateRequest(for: Self.minio1).pem
    // Within the signature, near the end.
    let place = altered.index(altered.endIndex, offsetBy: -60)
    altered.replaceSubrange(place...place, with: altered[place] == "A" ? "B" : "A")
    for request in [other, altered, "", "x", other + String(repeating: "x", count: 9_000)] {
      #expect(throws: CertificateFailure.self) {
        try ca.renew(own.certificatePEM, of: Self.minio1, request: request)
      }
    }
  }

  @Test("nothing is renewed for another name, another role, or a certificate of another CA")
  func notTheirs() throws {
    let (ca, other) = try (
      CertificateAuthority.create(cluster: "prod"), CertificateAuthority.create(cluster: "prod")
    )
    let request = try CertificateRequest(for: Self.minio1).pem
    let foreign = try other.issue(role: .node, name: "minio-1").certificatePEM
    #expect(throws: CertificateFailure.self) {
      try ca.renew(foreign, of: Self.minio1, request: request)
    }
    for (role, name) in [(Role.operator, "minio-1"), (.node, "minio-2")] {
      let own = try ca.issue(role: role, name: name).certificatePEM
      #expect(throws: CertificateFailure.self) {
        try ca.renew(own, of: Self.minio1, request: request)
      }
    }
  }

  @Test(
    "a certificate that the others would refuse does not take the place of the one in use: of another CA, name, role or key, expired, still to come"
  )
  func notInstalled() throws {
    let (ca, other) = try (
      CertificateAuthority.create(cluster: "prod"), CertificateAuthority.create(cluster: "prod")
    )
    let own = try ca.issue(role: .node, name: "minio-1")
    let context = try TLSContext.mutual(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
      caPEM: ca.credentials.certificatePEM)
    func problem(_ pair: Credentials, key: Secret? = nil) -> String? {
      do throws(CertificateFailure) {
        _ = try context.renewed(
          certificatePEM: pair.certificatePEM, keyPEM: key ?? pair.keyPEM)
        return nil
      } catch { return error.description }
    }
    #expect(try problem(ca.issue(role: .node, name: "minio-1")) == nil)
    #expect(try problem(other.issue(role: .node, name: "minio-1")) != nil)
    #expect(try problem(ca.issue(role: .node, name: "minio-2"))?.contains("minio-2") == true)
    #expect(try problem(ca.issue(role: .operator, name: "minio-1")) != nil)
    #expect(try problem(ca.issue(role: .node, name: "minio-1"), key: own.keyPEM) != nil)
    #expect(
      try problem(ca.issue(role: .node, name: "minio-1", validSeconds: -20...(-10)))?
        .contains("expired") == true)
    #expect(try problem(ca.issue(role: .node, name: "minio-1", validSeconds: 10...20)) != nil)
  }

  @Test("a key that stands in the same text as the certificate is not shown with it")
  func shownWithoutKey() throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let own = try ca.issue(role: .node, name: "minio-1")
    let both = own.certificatePEM + own.keyPEM.reveal()
    let context = try TLSContext.mutual(
      certificatePEM: both, keyPEM: Secret(both), caPEM: ca.credentials.certificatePEM)
    #expect(context.certificatePEM == own.certificatePEM)
    #expect(!context.certificatePEM.contains("PRIVATE"))
  }

  @Test(
    "a request that is too large, or asks for a passphrase, is refused; nobody is asked for one")
  func hostileRequests() throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let own = try ca.issue(role: .node, name: "minio-1")
    let good = try CertificateRequest(for: Self.minio1).pem
    _ = try ca.renew(own.certificatePEM, of: Self.minio1, request: good)
    let padded = good + String(repeating: "\n", count: Limits.certificateBytes)
    #expect(throws: CertificateFailure.self) {
      try ca.renew(own.certificatePEM, of: Self.minio1, request: padded)
    }
    func asking(_ pem: String) -> String {
      var lines = pem.split(separator: "\n").map(String.init)
      lines.insert(
        contentsOf: [
          "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,\(String(repeating: "0", count: 32))",
          "",
        ], at: 1)
      return lines.joined(separator: "\n") + "\n"
    }
    #expect(throws: CertificateFailure.self) {
      try ca.renew(own.certificatePEM, of: Self.minio1, request: asking(good))
    }
    #expect(throws: CertificateFailure.self) {
      try ca.renew(asking(own.certificatePEM), of: Self.minio1, request: good)
    }
  }

  @Test("of two certificates the one in use is valid, and the one that was issued last")
  func chosen() throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    func context(_ seconds: ClosedRange<Int>) throws -> TLSContext {
      let own = try ca.issue(role: .node, name: "minio-1", validSeconds: seconds)
      return try .mutual(
        certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
        caPEM: ca.credentials.certificatePEM)
    }
    for (issued, renewed, isRenewed) in [
      (-300...100, -200...100, true), (-200...100, -300...100, false),
      // The later one is no more valid, or not yet.
      (-200...(-100), -300...100, true), (50...100, -300...100, true),
      (-300...100, -200...(-100), false), (-300...100, 50...100, false),
      // Neither is: the one that ends last.
      (-300...(-50), -200...(-100), false), (-300...(-100), -200...(-50), true),
    ] {
      let identity = try TLSIdentity(context(issued), renewed: context(renewed))
      #expect(identity.isRenewed == isRenewed, "\(issued) \(renewed)")
    }
    #expect(try !TLSIdentity(context(-300...100)).isRenewed)
    // A revoked one counts no more than one that has ended.
    let identity = try TLSIdentity(context(-90...100), renewed: context(-300...1_000))
    #expect(!identity.isRenewed)
    let expired = try TLSIdentity(context(-90...(-10)), renewed: context(-300...1_000))
    #expect(expired.isRenewed)
    let later = try TLSIdentity(context(-300...100), renewed: context(-200...100))
    var list = Revocations(cluster: "prod")
    list.add(.node, "minio-1", issuedUntil: Clock.realtimeMicroseconds() / 1_000_000 + 300 - 250)
    later.revocations.replace(by: list)
    #expect(later.isRenewed)
    let earlier = try TLSIdentity(context(-100...100), renewed: context(-300...1_000))
    earlier.revocations.replace(by: list)
    #expect(!earlier.isRenewed)
  }

  @Test(
    "during a change of the CA trust and certificates go over one after the other; both CAs have the same name"
  )
  func changedAuthority() throws {
    let (old, new) = try (
      CertificateAuthority.create(cluster: "prod"), CertificateAuthority.create(cluster: "prod")
    )
    let (oldPEM, newPEM) = (old.credentials.certificatePEM, new.credentials.certificatePEM)
    let both = oldPEM + newPEM
    func key(_ pem: String) throws -> [UInt8] { try TrustedAuthority(certificatePEM: pem).key }
    let own = try old.issue(role: .node, name: "minio-1", addresses: ["minio-1", "10.0.0.1"])
    let issued = try TLSContext.mutual(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM, caPEM: oldPEM)
    #expect(try issued.authority == key(oldPEM))
    let identity = TLSIdentity(issued)
    // By the new CA, for the key of a request; before it is trusted it is not taken.
    let request = try CertificateRequest(for: Self.minio1)
    #expect(throws: CertificateFailure.self) {
      try new.renew(own.certificatePEM, of: Self.minio1, request: request.pem)
    }
    let renewed = try new.renew(
      own.certificatePEM, of: Self.minio1, request: request.pem, former: oldPEM)
    #expect(throws: CertificateFailure.self) {
      try issued.renewed(certificatePEM: renewed, keyPEM: request.keyPEM)
    }
    try identity.trust(both)
    #expect(!identity.isRenewed && identity.context.authorities.count == 2)
    identity.renew(
      with: try identity.context.renewed(certificatePEM: renewed, keyPEM: request.keyPEM))
    #expect(try identity.isRenewed && identity.context.authority == key(newPEM))
    #expect(try CertificateInfo(pem: renewed).dnsNames == ["minio-1"])
    try identity.trust(newPEM)
    #expect(identity.isRenewed)
    // One of a CA that is trusted no more is not chosen, although it was issued last.
    let later = try old.issue(role: .node, name: "minio-1", validSeconds: 0...100_000)
    let wrong = TLSIdentity(
      try .mutual(certificatePEM: later.certificatePEM, keyPEM: later.keyPEM, caPEM: both),
      renewed: try .mutual(certificatePEM: renewed, keyPEM: request.keyPEM, caPEM: both))
    #expect(!wrong.isRenewed)
    try wrong.trust(newPEM)
    #expect(wrong.isRenewed)
    // Others' certificates of it are refused.
    let alice = Principal(cluster: "prod", role: .operator, name: "alice")
    #expect(try identity.problem(of: alice, validFrom: 0, authority: key(newPEM)) == nil)
    let problem = try identity.problem(of: alice, validFrom: 0, authority: key(oldPEM))
    #expect(problem?.contains("not trusted any more") == true)
    // The operator's own: the same key.
    let person = try old.issue(role: .operator, name: "alice")
    let reissued = try new.reissue(person.certificatePEM, of: alice, former: oldPEM)
    #expect(
      try CertificateInfo(pem: reissued).publicKeyDigest
        == CertificateInfo(pem: person.certificatePEM).publicKeyDigest)
    #expect(try CertificateAuthority.isIssued(reissued, by: newPEM))
    #expect(throws: CertificateFailure.self) {
      try new.reissue(person.certificatePEM, of: Self.minio1, former: oldPEM)
    }
    #expect(throws: CertificateFailure.self) { try TrustedAuthority(certificatePEM: both) }
    #expect(throws: CertificateFailure.self) { try TrustedAuthority(certificatePEM: renewed) }
  }

  @Test("of each person the last certificate of each CA is remembered, and no more than so many")
  func sightings() throws {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let own = try ca.issue(role: .node, name: "minio-1")
    let identity = TLSIdentity(
      try .mutual(
        certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
        caPEM: ca.credentials.certificatePEM))
    func see(_ name: String, _ authority: UInt8, _ at: Int64) {
      identity.note(
        Sighting(
          principal: Principal(cluster: "prod", role: .operator, name: name),
          authority: [authority], at: at, validUntil: 9))
    }
    see("alice", 1, 1)
    see("alice", 1, 3)
    see("alice", 2, 2)
    #expect(identity.sightings.map(\.at) == [2, 3])
    for index in 0..<Limits.sightings { see("p\(index)", 1, 10 + Int64(index)) }
    #expect(identity.sightings.count == Limits.sightings)
    #expect(!identity.sightings.contains { $0.principal.name == "alice" })
  }

  @Test(
    "what the CA has signed is told from anything else, also where the CA's key is another kind")
  func signatures() throws {
    let (ca, other) = try (
      CertificateAuthority.create(cluster: "prod"), CertificateAuthority.create(cluster: "prod")
    )
    let own = try ca.issue(role: .node, name: "minio-1")
    let context = try TLSContext.mutual(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
      caPEM: other.credentials.certificatePEM + ca.credentials.certificatePEM)
    let bytes = Array("a list".utf8)
    let signature = try ca.sign(bytes)
    #expect(context.isSigned(bytes, signature))
    #expect(try context.isSigned(bytes, other.sign(bytes)), "during a change of the CA both count")
    #expect(!context.isSigned(bytes + [0], signature))
    #expect(!context.isSigned(bytes, Array(signature.dropLast())))
    #expect(!context.isSigned(bytes, []))
    let stranger = try CertificateAuthority.create(cluster: "prod")
    #expect(try !context.isSigned(bytes, stranger.sign(bytes)))
  }

  /// Made with `openssl x509 -req -days -1`.
  private static let endsBeforeItBegins = """
    -----BEGIN CERTIFICATE-----
    MIICDTCCAbOgAwIBAgIBTTAKBggqhkjOPQQDAjAjMQwwCgYDVQQKDANsYWIxEzAR
    BgNVBAMMCktleXR1cm4gQ0EwHhcNMjYxMTMwMjIyNjE1WhcNMjYxMTI5MjIyNjE1
    WjAvMQwwCgYDVQQKDANsYWIxDTALBgNVBAsMBG5vZGUxEDAOBgNVBAMMB21pbmlv
    LTIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARVQI3K6p4YbGPoRFfpjDk6priT
    OqABm4M5QrJfFoahvI2CEyhDvdIX2XU8lEVe+aGT5sFKEEePOFGnPxepyhZNo4HL
    MIHIMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeAMB0GA1UdJQQWMBQGCCsG
    AQUFBwMBBggrBgEFBQcDAjBJBgNVHREEQjBAhhprZXl0dXJuOi8vbGFiL25vZGUv
    bWluaW8tMoIHbWluaW8tMoITbWluaW8tMi5leGFtcGxlLm5ldIcECk0ADDAdBgNV
    HQ4EFgQUsRjB3oHQFriy/P9778V/20U74VQwHwYDVR0jBBgwFoAUmsi/Cr4sNo1g
    QYj8WgShK2dC56UwCgYIKoZIzj0EAwIDSAAwRQIhAMDQdp9xWvfBcjzgCVUsqfPI
    TnWWElIik3VSsC5E1V+bAiByEQvOewR+NAeiL/no0TNO0X1IwZTX+OENUnDG4udA
    MQ==
    -----END CERTIFICATE-----
    """

  @Test("a certificate that ends before it begins is valid at no time")
  func endsBeforeItBegins() throws {
    let info = try CertificateInfo(pem: Self.endsBeforeItBegins)
    #expect(info.notAfter < info.notBefore)
    for seconds in [info.notAfter, info.notAfter + 1, info.notBefore, info.notBefore + 1] {
      #expect(!info.isValid(at: seconds))
    }
  }

  @Test("a revoked holder is not connected to, until it has a certificate that was issued later")
  func revoked() throws {
    let list = RevocationList()
    let principal = Principal(cluster: "prod", role: .node, name: "minio-1")
    #expect(list.revoked(principal, validFrom: 0) == nil)
    var revocations = Revocations(cluster: "prod")
    revocations.add(.node, "minio-1", issuedUntil: 1_000)
    list.replace(by: revocations)
    #expect(list.revoked(principal, validFrom: 700)?.text.contains("was revoked") == true)
    #expect(list.revoked(principal, validFrom: 701) == nil)
  }
}
