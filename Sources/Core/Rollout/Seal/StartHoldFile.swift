// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
package import Model

extension StartHold {
  /// The record's name in the agent's state directory.
  package static let record = "hold"

  /// The hold in a record's bytes, read alike by the agent and by the start guard; nil if there are
  /// none.
  ///
  /// - Throws: a refusal if it cannot be understood: then no start is known to be allowed.
  package static func read(_ bytes: [UInt8]?) throws(Refusal) -> StartHold? {
    guard let bytes else { return nil }
    do { return try JSON.decode(StartHold.self, from: bytes) } catch {
      throw Refusal(.configuration, "the record \"\(record)\" cannot be read: \(error)")
    }
  }
}
