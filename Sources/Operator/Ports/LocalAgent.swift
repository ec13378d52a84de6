// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model

/// The agent of this host, over its local socket.
package protocol LocalAgent: Sendable {
  /// Blocks until the answer is there or the deadline has come. Refused if there is no agent, or this
  /// user may not speak to it.
  func ask(
    _ request: HTTPRequest, socket: String, deadline: Instant
  ) throws(Refusal) -> HTTPResponse
}
