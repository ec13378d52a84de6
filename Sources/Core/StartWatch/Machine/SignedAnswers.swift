// SPDX-License-Identifier: Apache-2.0

/// Whether the server would take a write now.
package enum WriteAnswer: Sendable, Hashable, Codable {
  /// It would have taken every one that it was asked for.
  case taken(asked: Int)
  /// It took one not, or could not be asked; what happened.
  case refused(String)
  /// It has too many requests of others to answer; what it said. No evidence, and no refusal.
  case busy(String)
  /// It does not let its root user ask, so this way does not tell; what it said.
  case untold(String)
}

/// What the server says of its own Key Manager.
package enum ServerKMSAnswer: Sendable, Hashable, Codable {
  /// It has one; the name of the key that it encrypts with.
  case defaultKey(String)
  case none
  /// It did not say; what happened.
  case untold(String)
}
