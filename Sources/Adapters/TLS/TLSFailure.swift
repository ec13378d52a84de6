// SPDX-License-Identifier: Apache-2.0

/// Why a TLS connection was not made, or ended. The session is over after it.
package struct TLSFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// What to tell apart.
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The peer's certificate (or one above it) has expired.
    case certificateExpired
    /// The peer's certificate (or one above it) is not valid yet.
    case certificateNotYetValid
    /// The peer's certificate is of an authority that is not trusted here.
    case unknownAuthority
    /// The peer's certificate is not for the host that was asked for.
    case nameMismatch
    /// The peer is not of the cluster, or not the one that was expected; or its certificate is not
    /// the pinned one.
    case unexpectedPeer
    /// The peer's certificate was refused here for another reason, such as its purpose.
    case certificateRefused
    /// The peer showed no certificate.
    case noCertificate
    /// The peer refused the certificate that was shown to it.
    case refusedByPeer
    /// The peer wants a certificate and was shown none.
    case certificateRequired
    /// The other side speaks HTTP without TLS on this port.
    case plainHTTP
    /// The other side speaks something that is not TLS.
    case notTLS
    /// The two sides have no version of TLS in common.
    case protocolVersion
    /// Anything else that is against the protocol.
    case protocolError
    /// The deadline came first.
    case timedOut
    /// The other side closed or reset the connection.
    case closed
    /// An error of the operating system.
    case system
  }

  package var kind: Kind
  /// The whole message: with whom, what happened, OpenSSL's reasons.
  package var description: String

  package init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}

/// Why a certificate or key could not be read, made or used.
package struct CertificateFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// What was attempted, what is wrong, what to do.
  package var description: String

  package init(_ description: String) { self.description = description }
}
