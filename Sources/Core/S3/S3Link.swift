// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model

/// The way to S3 servers. It belongs to one thread.
package protocol S3Link: AnyObject {
  /// Sends a request that is signed for `target`, once, and blocks until its whole answer is there or
  /// the deadline has come.
  func exchange(
    _ request: HTTPRequest, with target: S3Target, until deadline: Instant
  ) throws(S3LinkFailure) -> HTTPResponse

  /// The proxy that reads and answers requests on the way to `target`, as people may see it; nil
  /// without one, or where TLS goes through it.
  func proxy(to target: S3Target) -> String?
}

extension S3Link {
  package func proxy(to target: S3Target) -> String? { nil }
}

/// A server that is spoken with.
package struct S3Target: Sendable, Hashable {
  package var isSecure: Bool
  package var place: HostPort
  /// The Host field.
  package var hostField: String
}

/// Why a request got no answer.
package struct S3LinkFailure: Error, Sendable, Hashable {
  /// What to tell apart.
  package enum Kind: Sendable, Hashable {
    /// A connection from before had ended, and nothing of an answer came: it may be sent once more.
    case staleConnection
    /// The host's name gave no address.
    case unknownHost
    /// The answer has more bytes than any may have.
    case tooLong
    /// What was configured here cannot be used; nothing was sent.
    case configuration
    case other
  }

  /// What was attempted, with whom, and what happened; no secret.
  package var text: String
  /// Whether the server may have got the request.
  package var mayHaveArrived: Bool
  /// What to do, an imperative; nil where nothing better is known than to see that it runs.
  package var remedy: String?
  package var kind: Kind

  package init(
    _ text: String, mayHaveArrived: Bool, remedy: String? = nil, kind: Kind = .other
  ) {
    self.text = text
    self.mayHaveArrived = mayHaveArrived
    self.remedy = remedy
    self.kind = kind
  }
}
