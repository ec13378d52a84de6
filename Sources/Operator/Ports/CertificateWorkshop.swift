public import Model

/// Makes the authority of a cluster and its certificates, as files.
public protocol CertificateWorkshop: Sendable {
  /// Writes `ca.pem` and `ca-key.pem` (0600) into a directory, which it makes (0700) if there is
  /// none. Never overwrites a file.
  ///
  /// - Parameter days: how long the authority is valid; nil for the default.
  func makeAuthority(cluster: String, directory: String, days: Int?) throws(Refusal)
  /// Issues a certificate by the authority in a directory and writes `ca.pem`, `cert.pem` and
  /// `key.pem` (0600) into another, which it makes (0700) if there is none. Never overwrites a
  /// file.
  ///
  /// - Returns: whom it is for; the cluster is the authority's.
  func issue(
    role: Role, name: String, addresses: [String], days: Int?, authority: String, directory: String
  ) throws(Refusal) -> Principal
  /// What a certificate (PEM) says.
  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts
}

/// What a certificate says of its holder.
public struct CertificateFacts: Sendable, Hashable {
  /// Whom it is for; nil for an authority, or a certificate that is not Keyturn's.
  public var principal: Principal?
  /// The subject's name.
  public var subject: String
  /// Until when it is valid, microseconds since 1970-01-01 UTC.
  public var validUntilMicroseconds: Int64

  /// Facts; see the properties.
  public init(principal: Principal?, subject: String, validUntilMicroseconds: Int64) {
    self.principal = principal
    self.subject = subject
    self.validUntilMicroseconds = validUntilMicroseconds
  }
}
