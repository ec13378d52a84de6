// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model

/// The way to S3 servers. It belongs to one thread.
package protocol S3Link: AnyObject {
  /// Sends a request that is signed for `target`, and blocks until its whole answer is there or the
  /// deadline has come. A request may be sent twice where a kept connection had ended.
  func exchange(
    _ request: HTTPRequest, with target: S3Target, until deadline: Instant
  ) throws(S3LinkFailure) -> HTTPResponse
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
  /// What was attempted, with whom, and what happened; no secret.
  package var text: String
  /// Whether the server may have got the request.
  package var mayHaveArrived: Bool
  /// What to do, an imperative; nil where nothing better is known than to see that it runs.
  package var remedy: String?

  package init(_ text: String, mayHaveArrived: Bool, remedy: String? = nil) {
    self.text = text
    self.mayHaveArrived = mayHaveArrived
    self.remedy = remedy
  }
}
