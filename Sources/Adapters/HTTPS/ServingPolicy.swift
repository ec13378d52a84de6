// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model

/// What the owner of a server decides: who may stay, whose body is read, and what is answered.
/// Every closure runs on a thread of the server's; only ``answer`` may block.
package struct ServingPolicy: Sendable {
  /// The decision on a connection once its certificate is known.
  package enum Place: Sendable {
    case served(Standing)
    /// It gets this answer and is closed.
    case refused(HTTPResponse)
  }

  /// The decision on a request's body, whose length is known.
  package enum Body: Sendable {
    /// It is read if it has no more than so many bytes; otherwise it is refused (413).
    case taken(upTo: Int)
    /// The request gets this answer and the connection is closed.
    case refused(HTTPResponse)
  }

  /// Decides right after the handshake. Must not block: it runs on the one thread at the door.
  package var place: @Sendable (HTTPSServer.Peer) -> Place
  /// Decides on a request that has a body, before it is read.
  package var body: @Sendable (HTTPRequest, HTTPSServer.Peer) -> Body
  /// Answers a request; it may block.
  package var answer: @Sendable (HTTPRequest, HTTPSServer.Peer) -> HTTPResponse
  /// Called with every answer before it is sent; without a request if the connection was refused a
  /// place.
  package var note: @Sendable (HTTPRequest?, HTTPSServer.Peer, HTTPResponse) -> Void
  /// An answer of the server itself, such as 413 or 503, in the form of the owner's errors.
  package var words: @Sendable (_ status: Int, _ message: String) -> HTTPResponse

  /// Lets everybody stay and reads every body, unless changed.
  package init(answer: @escaping @Sendable (HTTPRequest, HTTPSServer.Peer) -> HTTPResponse) {
    place = { _ in .served(.operator) }
    body = { _, _ in .taken(upTo: .max) }
    self.answer = answer
    note = { _, _, _ in }
    words = { .text($0, $1) }
  }
}
