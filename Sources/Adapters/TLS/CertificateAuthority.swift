// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
package import Model
package import Secrets

/// A certificate and its key, as they stand in files.
package struct Credentials: Sendable, Hashable {
  package var certificatePEM: String
  /// PKCS#8 PEM; encrypted only for an authority that was made with a passphrase.
  package var keyPEM: Secret
}

/// The certificate authority of one cluster: ECDSA P-256, ten years, signs leaves only.
///
/// The one URI name of each leaf says what it entitles to: `keyturn://CLUSTER/ROLE/NAME`. Names and
/// addresses outside their small alphabets are refused, so that none of them can become an
/// extension.
package struct CertificateAuthority: Sendable {
  package let credentials: Credentials
  /// Its key without a passphrase: a passphrase is slow by design, and an authority may have much to sign.
  private let plainKeyPEM: Secret
  /// The cluster, from the O of its subject.
  package let cluster: String

  /// Makes a new authority for a cluster. Writes no files.
  ///
  /// - Parameter passphrase: encrypts the key; nil for a plain one.
  package static func create(
    cluster: String, days: Int = 3650, passphrase: Secret? = nil
  ) throws(CertificateFailure) -> CertificateAuthority {
    if let problem = Name.problem(in: cluster) {
      throw CertificateFailure("cluster \"\(cluster)\": \(problem)")
    }
    let key = try KeyHandle.generateP256()
    let draft = try CertificateDraft(
      key: key, validSeconds: try CertificateDraft.validSeconds(days: days))
    try draft.setSubject(commonName: "Keyturn CA", organization: cluster)
    try draft.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
    try draft.add(NID_key_usage, "critical,keyCertSign,cRLSign")
    try draft.add(NID_subject_key_identifier, "hash")
    try draft.add(NID_authority_key_identifier, "keyid:always")
    let keyPEM = if let passphrase { try key.pem(passphrase: passphrase) } else { try key.pem() }
    let credentials = Credentials(certificatePEM: try draft.sign(by: key).pem(), keyPEM: keyPEM)
    return CertificateAuthority(credentials, try key.pem(), cluster: cluster)
  }

  private init(_ credentials: Credentials, _ plainKeyPEM: Secret, cluster: String) {
    self.plainKeyPEM = plainKeyPEM
    self.credentials = credentials
    self.cluster = cluster
  }

  /// Whether the key of an authority, PEM, needs a passphrase.
  package static func needsPassphrase(keyPEM: Secret) -> Bool { KeyHandle.isEncrypted(keyPEM) }

  /// Reads an authority that ``create(cluster:days:passphrase:)`` made.
  package init(
    certificatePEM: String, keyPEM: Secret, passphrase: Secret? = nil
  ) throws(CertificateFailure) {
    let certificate = try Certificate.all(inPEM: certificatePEM, "the CA's certificate")[0]
    let key = try KeyHandle(pem: keyPEM, passphrase: passphrase, "the CA's key")
    ERR_clear_error()
    guard X509_check_private_key(certificate.pointer, key.pointer) == 1 else {
      throw CertificateFailure(
        "the CA's key does not belong to its certificate (\(OpenSSLError.drainText())); "
          + "give the pair that was made together")
    }
    guard X509_check_ca(certificate.pointer) == 1 else {
      throw CertificateFailure("the CA's certificate is not one of a certificate authority")
    }
    self.init(
      Credentials(certificatePEM: certificatePEM, keyPEM: keyPEM), try key.pem(),
      cluster: try Self.cluster(of: certificatePEM))
  }

  /// How long a certificate is valid where nothing else is asked for, days. A host's outlives a person's, as its key
  /// never leaves it and renewing it needs nobody's hands on the host.
  package static func days(for role: Role) -> Int {
    switch role {
    case .node, .witness: 397
    case .operator, .observer: 90
    }
  }

  /// Makes a key and a certificate for it: for a node or witness to accept and to connect, for an
  /// operator or observer to connect only. `addresses` are its DNS names and IP addresses, without
  /// ports; they are for curl and the like: Keyturn goes by the URI name alone.
  ///
  /// - Parameter days: nil for ``days(for:)``.
  package func issue(
    role: Role, name: String, addresses: [String] = [], days: Int? = nil
  ) throws(CertificateFailure) -> Credentials {
    try issue(
      role: role, name: name, addresses: addresses,
      validSeconds: try CertificateDraft.validSeconds(days: days ?? Self.days(for: role)))
  }

  /// The same for a range of seconds from now; apart from ``issue(role:name:addresses:days:)`` only
  /// for tests of certificates that are not valid.
  func issue(
    role: Role, name: String, addresses: [String] = [], validSeconds: ClosedRange<Int>
  ) throws(CertificateFailure) -> Credentials {
    let key = try KeyHandle.generateP256()
    let certificate = try certify(
      key, role: role, name: name, addresses: addresses, validSeconds: validSeconds)
    return Credentials(certificatePEM: certificate, keyPEM: try key.pem())
  }

  /// A certificate, PEM, for the key of a request (PKCS#10, PEM), in place of one that this authority, or the one that it
  /// takes the place of, has issued to `principal`. Of the request only the key counts, of the certificate in use its
  /// addresses.
  ///
  /// - Parameters:
  ///   - days: nil for ``days(for:)``.
  ///   - former: the certificate of the authority before, PEM.
  package func renew(
    _ certificatePEM: String, of principal: Principal, request: String, days: Int? = nil,
    former: String? = nil
  ) throws(CertificateFailure) -> String {
    let info = CertificateInfo(try issued(certificatePEM, to: principal, former))
    return try certify(
      CertificateRequest.key(of: request), principal, info, days: days)
  }

  /// The same for the key of the certificate itself.
  package func reissue(
    _ certificatePEM: String, of principal: Principal, days: Int? = nil, former: String
  ) throws(CertificateFailure) -> String {
    let current = try issued(certificatePEM, to: principal, former)
    guard let key = X509_get_pubkey(current.pointer) else {
      throw CertificateFailure("the certificate in use has no key (\(OpenSSLError.drainText()))")
    }
    return try certify(
      KeyHandle(owning: key), principal, CertificateInfo(current), days: days)
  }

  private func certify(
    _ key: KeyHandle, _ principal: Principal, _ info: CertificateInfo, days: Int?
  ) throws(CertificateFailure) -> String {
    try certify(
      key, role: principal.role, name: principal.name,
      addresses: info.dnsNames + info.ipAddresses.map(\.text),
      validSeconds: try CertificateDraft.validSeconds(days: days ?? Self.days(for: principal.role)))
  }

  /// A certificate of this authority, or of the one before, to `principal`.
  private func issued(
    _ certificatePEM: String, to principal: Principal, _ former: String?
  ) throws(CertificateFailure) -> Certificate {
    guard certificatePEM.utf8.count <= Limits.certificateFileChainBytes else {
      throw CertificateFailure(
        "the certificate in use has more than the \(Limits.certificateFileChainBytes) bytes that are allowed"
      )
    }
    let current = try Certificate.all(inPEM: certificatePEM, "the certificate in use")[0]
    let authorities = [credentials.certificatePEM] + [former].compactMap(\.self)
    var isIssued = false
    for authority in authorities where !isIssued {
      isIssued = try Self.isIssued(current, by: authority)
    }
    guard isIssued else {
      throw CertificateFailure(
        "the certificate in use was not issued by this CA; give the CA's directory of this cluster")
    }
    let info = CertificateInfo(current)
    guard info.principal == principal else {
      throw CertificateFailure(
        "the certificate in use is that of \(info.principal?.uri ?? info.subject), "
          + "not of \(principal.uri)")
    }
    return current
  }

  private static func isIssued(
    _ certificate: Certificate, by authority: String
  ) throws(CertificateFailure) -> Bool {
    let issuer = try Certificate.all(inPEM: authority, "the CA's certificate")[0]
    defer { ERR_clear_error() }
    return X509_verify(certificate.pointer, X509_get0_pubkey(issuer.pointer)) == 1
  }

  /// Whether the first certificate of a PEM text was issued by a CA, PEM too.
  package static func isIssued(
    _ certificatePEM: String, by authority: String
  ) throws(CertificateFailure) -> Bool {
    try isIssued(Certificate.all(inPEM: certificatePEM, "the certificate")[0], by: authority)
  }

  /// The cluster of a CA's certificate, PEM, as ``init(certificatePEM:keyPEM:passphrase:)`` takes it.
  package static func cluster(of certificatePEM: String) throws(CertificateFailure) -> String {
    let certificate = try Certificate.all(inPEM: certificatePEM, "the CA's certificate")[0]
    guard let cluster = certificate.organization, Name.problem(in: cluster) == nil else {
      throw CertificateFailure("the CA's certificate names no cluster (the O of its subject)")
    }
    return cluster
  }

  private func certify(
    _ key: KeyHandle, role: Role, name: String, addresses: [String],
    validSeconds: ClosedRange<Int>
  ) throws(CertificateFailure) -> String {
    if let problem = Name.problem(in: name) {
      throw CertificateFailure("name \"\(name)\": \(problem)")
    }
    let principal = Principal(cluster: cluster, role: role, name: name)
    var names = ["URI:\(principal.uri)"]
    for address in addresses { names.append(try Self.alternativeName(address)) }
    let caKey = try plainKey()
    let ca = try Certificate.all(inPEM: credentials.certificatePEM, "the CA's certificate")[0]

    let draft = try CertificateDraft(key: key, validSeconds: validSeconds, issuer: ca)
    try draft.setSubject(commonName: name, organization: cluster, unit: role.rawValue)
    try draft.add(NID_basic_constraints, "critical,CA:FALSE")
    try draft.add(NID_key_usage, "critical,digitalSignature")
    switch role {
    case .node, .witness: try draft.add(NID_ext_key_usage, "serverAuth,clientAuth")
    case .operator, .observer: try draft.add(NID_ext_key_usage, "clientAuth")
    }
    try draft.add(NID_subject_alt_name, names.joined(separator: ","))
    try draft.add(NID_subject_key_identifier, "hash")
    try draft.add(NID_authority_key_identifier, "keyid:always")
    return try draft.sign(by: caKey).pem()
  }

  func plainKey() throws(CertificateFailure) -> KeyHandle {
    try KeyHandle(pem: plainKeyPEM, "the CA's key")
  }

  private static func alternativeName(_ address: String) throws(CertificateFailure) -> String {
    if let octets = a2i_IPADDRESS(address) {
      ASN1_OCTET_STRING_free(octets)
      return "IP:\(address)"
    }
    let labels = address.split(separator: ".", omittingEmptySubsequences: false)
    let isName =
      address.utf8.count <= 253
      && labels.allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
          && label.utf8.allSatisfy { $0.isLetterOrDigit || $0 == 0x2D || $0 == 0x5F }
      }
    guard isName else {
      throw CertificateFailure(
        "address \"\(address)\" is neither a DNS name nor an IP address; leave out any port")
    }
    return "DNS:\(address)"
  }
}
