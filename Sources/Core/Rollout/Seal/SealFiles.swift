// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import JSONCoding
package import Model

/// The records of the seal by their names in the agent's state directory.
package enum SealFile: String, Sendable, CaseIterable {
  case seal
  /// The digest of the last seal that was written.
  case digest = "seal.digest"
  /// The name that a person with root gives to `seal`.
  case lifted = "seal.lifted"
}

extension SealRecord {
  /// Why a record cannot be had. An alias, since Swift 6.3 counts no type behind `throws` of a
  /// function type as a use of its import.
  package typealias Failure = Refusal

  /// What the records say together, read alike by the agent and by the start guard. A damaged one is
  /// said, not thrown. Blocks as `load` does.
  ///
  /// - Parameters:
  ///   - cluster: the cluster that this node is in; nil where that is not known.
  ///   - load: gives a record's content; nil if there is none.
  package init(cluster: String?, load: (SealFile) throws(Failure) -> [UInt8]?) {
    do throws(Refusal) {
      // The digest first: a seal that is being written for the first time must not look like one
      // that was removed.
      let written = try Self.load(Digest.self, .digest, load)
      let seal = try Self.load(Seal.self, .seal, load)
      // What was lifted once does not matter while there is a seal.
      let lifted = seal == nil ? try Self.load(Seal.self, .lifted, load) : nil
      self.init(seal: seal, written: written, lifted: lifted?.digest, cluster: cluster)
    } catch {
      self = .damaged(error.message)
    }
  }

  private static func load<Value: Decodable>(
    _ type: Value.Type, _ file: SealFile, _ load: (SealFile) throws(Refusal) -> [UInt8]?
  ) throws(Refusal) -> Value? {
    guard let bytes = try load(file) else { return nil }
    do { return try JSON.decode(type, from: bytes) } catch {
      throw Refusal(.configuration, "the record \"\(file.rawValue)\" cannot be read: \(error)")
    }
  }
}
