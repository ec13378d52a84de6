// SPDX-License-Identifier: Apache-2.0

/// What is wrong with an HTTP message. After one the bytes that follow mean nothing: the connection
/// is over.
package struct HTTPViolation: Error, Sendable, Hashable, CustomStringConvertible {
  /// The status with which a server answers: 400, 413, 414, 417, 431, 501 or 505; 502 for a bad
  /// response.
  package var status: Int
  /// What is wrong, without any of the message's own text.
  package var reason: String

  package init(_ status: Int, _ reason: String) {
    self.status = status
    self.reason = reason
  }

  package var description: String { reason }
}
