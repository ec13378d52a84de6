// SPDX-License-Identifier: Apache-2.0

/// Which certificates of a cluster count no more, although they are not at their end: all of a holder that were issued
/// until some time. Nobody has to know serial numbers of what was lost, and what is issued afterwards counts.
package struct Revocations: Sendable, Codable, Hashable {
  package struct Entry: Sendable, Codable, Hashable {
    package var role: Role
    package var name: String
    /// Seconds since 1970-01-01 UTC.
    @Bounded<Bounds.WallSeconds> package var issuedUntil: Int64

    package init(role: Role, name: String, issuedUntil: Int64) {
      self.role = role
      self.name = name
      self.issuedUntil = issuedUntil
    }
  }

  /// A certificate begins so long before it is issued, seconds, as clocks may differ.
  package static let beginsBeforeIssue: Int64 = 300

  package var cluster: String
  /// Higher than that of the list before.
  @Bounded<Bounds.Count> package var number: Int
  package var entries: [Entry]

  package init(cluster: String, number: Int = 0, entries: [Entry] = []) {
    self.cluster = cluster
    self.number = number
    self.entries = entries
  }

  /// What is wrong with it; nil if it can be used.
  package var problem: String? {
    if entries.count > Limits.revocations {
      return "it has \(entries.count) entries, \(Limits.revocations) are allowed"
    }
    for entry in entries {
      if let problem = Name.problem(in: entry.name) { return "\"\(entry.name)\": \(problem)" }
    }
    return nil
  }

  /// A certificate of a holder, if it counts no more; nil if it does.
  ///
  /// - Parameter validFrom: its beginning, seconds since 1970-01-01 UTC.
  package func revoked(_ principal: Principal, validFrom: Int64) -> RevokedCertificate? {
    guard principal.cluster == cluster else { return nil }
    return entries.first { entry in
      entry.role == principal.role && entry.name == principal.name
        && validFrom + Self.beginsBeforeIssue <= entry.issuedUntil
    }.map { RevokedCertificate(principal: principal, since: $0.issuedUntil) }
  }

  /// Adds all certificates of a holder until a time. One entry for each holder is enough: the later one, whatever the
  /// clock says now.
  package mutating func add(_ role: Role, _ name: String, issuedUntil: Int64) {
    let before = entries.filter { $0.role == role && $0.name == name }.map(\.issuedUntil)
    entries.removeAll { $0.role == role && $0.name == name }
    entries.append(
      Entry(role: role, name: name, issuedUntil: max(issuedUntil, before.max() ?? issuedUntil)))
    number += 1
  }

  /// With all that `other` revokes as well, and a number that no other list has: that of the one which has all already,
  /// if it is the higher one, else beyond both.
  package func merged(with other: Revocations) -> Revocations {
    if lacks(of: other) == nil,
      number > other.number || other.lacks(of: self) == nil && number == other.number
    {
      return self
    }
    if other.lacks(of: self) == nil, other.number > number { return other }
    var all = self
    for entry in other.entries { all.add(entry.role, entry.name, issuedUntil: entry.issuedUntil) }
    return all.numbered(max(number, other.number) + 1)
  }

  private func numbered(_ number: Int) -> Revocations {
    Revocations(cluster: cluster, number: number, entries: entries)
  }

  /// A holder that `other` revokes and this does not, or not as far: what is revoked once stays so.
  package func lacks(of other: Revocations) -> Entry? {
    other.entries.first { entry in
      !entries.contains {
        $0.role == entry.role && $0.name == entry.name && $0.issuedUntil >= entry.issuedUntil
      }
    }
  }
}
