// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The identity at the Key Manager that a rollout takes out of use on a node, and the one that takes its place.
package struct IdentityChange: Sendable, Hashable {
  /// `h1:` and base64url.
  package var present: String
  package var wanted: String

  package init(present: String, wanted: String) {
    self.present = present
    self.wanted = wanted
  }
}

extension IdentityChange: Codable {
  private enum CodingKeys: String, CodingKey { case present, wanted }

  /// Takes nothing that is no identity: it is printed as part of a command.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    func identity(_ key: CodingKeys) throws -> String {
      let text = try fields.decode(String.self, forKey: key)
      guard text.hasPrefix("h1:"), text.utf8.count <= Limits.nameCharacters,
        text.utf8.dropFirst(3).allSatisfy({ $0.isLetterOrDigit || $0 == 0x2D || $0 == 0x5F })
      else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: fields, debugDescription: "it is no identity")
      }
      return text
    }
    present = try identity(.present)
    wanted = try identity(.wanted)
  }
}
