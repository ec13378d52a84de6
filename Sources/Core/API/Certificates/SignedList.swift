// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
package import Model

/// What a cluster's CA signs for all hosts: one kind of numbered list.
package protocol SignableList: Sendable, Codable, Hashable {
  /// What it is, for people.
  static var name: String { get }
  /// As JSON, bytes.
  static var limitBytes: Int { get }
  var cluster: String { get }
  /// What is wrong with it; nil if it can be used.
  var problem: String? { get }
}

extension Authorities: SignableList {
  package static var name: String { "the list of trusted CAs" }
  package static var limitBytes: Int { Limits.authoritiesBytes }
}

extension Revocations: SignableList {
  package static var name: String { "the list of revoked certificates" }
  package static var limitBytes: Int { Limits.revocationBytes }
}

/// Which CAs to trust (docs/decisions/0065-authority-changed-by-signatures.md).
package typealias SignedAuthorities = SignedList<Authorities>
/// The revoked certificates of a cluster.
package typealias SignedRevocations = SignedList<Revocations>

/// A list of a cluster, signed by a CA that is trusted already.
package struct SignedList<List: SignableList>: Sendable, Codable, Hashable {
  /// A ``List`` as JSON: the bytes that are signed.
  package var list: String
  /// Of the UTF-8 of ``list``, base64url.
  package var signature: String

  package init(list: String, signature: String) {
    self.list = list
    self.signature = signature
  }

  /// What it says, if the signature is good; the refusal says why it is not used.
  ///
  /// - Parameter isSigned: whether a CA that is trusted now has signed these bytes so.
  package func verified(
    cluster: String, _ isSigned: (_ bytes: [UInt8], _ signature: [UInt8]) -> Bool
  ) throws(Refusal) -> List {
    let bytes = Array(list.utf8)
    guard bytes.count <= List.limitBytes else {
      throw Refusal(
        .validation,
        "\(List.name) has \(bytes.count) bytes, \(List.limitBytes) are allowed")
    }
    guard let signature = try? Base64URL.decode(Substring(signature).utf8),
      isSigned(bytes, signature)
    else {
      throw Refusal(.validation, "\(List.name) is not signed by a CA that is trusted here")
    }
    let list: List
    do throws(JSONFailure) { list = try JSON.decode(List.self, from: bytes) } catch {
      throw Refusal(.validation, "\(List.name): \(error)")
    }
    if let problem = list.problem { throw Refusal(.validation, "\(List.name): \(problem)") }
    guard list.cluster == cluster else {
      throw Refusal(.validation, "\(List.name) is of cluster \(list.cluster), not \(cluster)")
    }
    return list
  }
}

extension SignedList where List == Revocations {
  /// The number that it says it has, before anybody has looked at its signature; nil if it cannot be read.
  package var claimedNumber: Int? {
    let bytes = Array(list.utf8)
    if bytes.count > List.limitBytes { return nil }
    return (try? JSON.decode(List.self, from: bytes))?.number
  }
}
