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
  private let passphrase: Secret?
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
    let key = try PrivateKey.generateP256()
    let draft = try CertificateDraft(
      key: key, validSeconds: try CertificateDraft.validSeconds(days: days))
    try draft.setSubject(commonName: "Keyturn CA", organization: cluster)
    try draft.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
    try draft.add(NID_key_usage, "critical,keyCertSign,cRLSign")
    try draft.add(NID_subject_key_identifier, "hash")
    try draft.add(NID_authority_key_identifier, "keyid:always")
    let keyPEM = if let passphrase { try key.pem(passphrase: passphrase) } else { try key.pem() }
    let credentials = Credentials(certificatePEM: try draft.sign(by: key).pem(), keyPEM: keyPEM)
    return CertificateAuthority(credentials, passphrase, cluster: cluster)
  }

  private init(_ credentials: Credentials, _ passphrase: Secret?, cluster: String) {
    self.passphrase = passphrase
    self.credentials = credentials
    self.cluster = cluster
  }

  /// Whether the key of an authority, PEM, needs a passphrase.
  package static func needsPassphrase(keyPEM: Secret) -> Bool { PrivateKey.isEncrypted(keyPEM) }

  /// Reads an authority that ``create(cluster:days:passphrase:)`` made.
  package init(
    certificatePEM: String, keyPEM: Secret, passphrase: Secret? = nil
  ) throws(CertificateFailure) {
    let certificate = try Certificate.all(inPEM: certificatePEM, "the CA's certificate")[0]
    let key = try PrivateKey(pem: keyPEM, passphrase: passphrase, "the CA's key")
    ERR_clear_error()
    guard X509_check_private_key(certificate.pointer, key.pointer) == 1 else {
      throw CertificateFailure(
        "the CA's key does not belong to its certificate (\(OpenSSLError.drainText())); "
          + "give the pair that was made together")
    }
    guard X509_check_ca(certificate.pointer) == 1 else {
      throw CertificateFailure("the CA's certificate is not one of a certificate authority")
    }
    guard let cluster = certificate.organization, Name.problem(in: cluster) == nil else {
      throw CertificateFailure("the CA's certificate names no cluster (the O of its subject)")
    }
    self.init(
      Credentials(certificatePEM: certificatePEM, keyPEM: keyPEM), passphrase, cluster: cluster)
  }

  /// Makes a key and a certificate for it: for a node or witness to accept and to connect, for an
  /// operator or observer to connect only. `addresses` are its DNS names and IP addresses, without
  /// ports; they are for curl and the like: Keyturn goes by the URI name alone.
  package func issue(
    role: Role, name: String, addresses: [String] = [], days: Int = 825
  ) throws(CertificateFailure) -> Credentials {
    try issue(
      role: role, name: name, addresses: addresses,
      validSeconds: try CertificateDraft.validSeconds(days: days))
  }

  /// The same for a range of seconds from now; apart from ``issue(role:name:addresses:days:)`` only
  /// for tests of certificates that are not valid.
  func issue(
    role: Role, name: String, addresses: [String] = [], validSeconds: ClosedRange<Int>
  ) throws(CertificateFailure) -> Credentials {
    if let problem = Name.problem(in: name) {
      throw CertificateFailure("name \"\(name)\": \(problem)")
    }
    let principal = Principal(cluster: cluster, role: role, name: name)
    var names = ["URI:\(principal.uri)"]
    for address in addresses { names.append(try Self.alternativeName(address)) }
    let caKey = try PrivateKey(pem: credentials.keyPEM, passphrase: passphrase, "the CA's key")
    let ca = try Certificate.all(inPEM: credentials.certificatePEM, "the CA's certificate")[0]

    let key = try PrivateKey.generateP256()
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
    return Credentials(certificatePEM: try draft.sign(by: caKey).pem(), keyPEM: try key.pem())
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
