// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
package import Model
package import Secrets

/// All that a host needs to become a node or a witness, in one file: it holds the host's key, and is for that host alone
/// (docs/use/file-formats.md, "NAME.join").
package struct JoinFile: Sendable {
  package var inventory: Inventory
  /// The cluster's CA, PEM.
  package var authority: String
  /// PEM, valid for a day.
  package var certificate: String
  /// PKCS#8 PEM.
  package var key: Secret
  /// Nil from an older keyturn, or where nothing was ever revoked.
  package var revocations: SignedRevocations?

  private struct Fields: Codable {
    var keyturnJoin: Int
    var inventory: Inventory
    var authority: String
    var certificate: String
    var key: String
    var revocations: SignedRevocations?
  }
  /// What a file of any version has.
  private struct Form: Decodable {
    var keyturnJoin: Int
  }
  private static let version = 1

  package init(
    inventory: Inventory, authority: String, certificate: String, key: Secret,
    revocations: SignedRevocations? = nil
  ) {
    self.revocations = revocations
    self.inventory = inventory
    self.authority = authority
    self.certificate = certificate
    self.key = key
  }

  /// Throws if the bytes are no such file, without a word of what is in them.
  package init(_ bytes: [UInt8]) throws(Refusal) {
    let fields: Fields
    let version: Int
    do throws(JSONFailure) { version = try JSON.decode(Form.self, from: bytes).keyturnJoin } catch {
      throw Refusal(.validation, "it is no join file: \(error)")
    }
    guard version == Self.version else {
      throw Refusal(
        .validation,
        "it is a join file of version \(version), and this keyturn reads version \(Self.version): install the keyturn that the operator has"
      )
    }
    do throws(JSONFailure) { fields = try JSON.decode(Fields.self, from: bytes) } catch {
      throw Refusal(.validation, "it is no join file: \(error)")
    }
    if let problem = fields.inventory.problems().first {
      throw Refusal(.validation, "its inventory: \(problem)")
    }
    self.init(
      inventory: fields.inventory, authority: fields.authority, certificate: fields.certificate,
      key: Secret(fields.key), revocations: fields.revocations)
  }

  package var bytes: [UInt8] {
    JSON.encode(
      Fields(
        keyturnJoin: Self.version, inventory: inventory, authority: authority,
        certificate: certificate, key: key.reveal(), revocations: revocations))
  }
}
