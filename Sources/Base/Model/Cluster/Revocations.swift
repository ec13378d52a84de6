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
    if number > Limits.count {
      return "its number, \(number), is higher than \(Limits.count), which none may be"
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
    entries = Self.joined(
      entries + [Entry(role: role, name: name, issuedUntil: issuedUntil)])
    number += 1
  }

  /// One entry for each holder, the latest, in an order that is the same wherever it is made.
  private static func joined(_ entries: [Entry]) -> [Entry] {
    entries.sorted {
      ($0.role.rawValue, $0.name, $1.issuedUntil) < ($1.role.rawValue, $1.name, $0.issuedUntil)
    }.reduce(into: []) { kept, entry in
      if kept.last?.role != entry.role || kept.last?.name != entry.name { kept.append(entry) }
    }
  }

  /// With all that `other` revokes as well: the same bytes whichever of the two it is asked of. Its number is higher
  /// than both, unless one of them says all of it already under the higher number, and is returned as it is.
  package func merged(with other: Revocations) -> Revocations {
    if self == other { return self }
    let all = Self.joined(entries + other.entries)
    for (one, another) in [(self, other), (other, self)]
    where one.entries == all && one.number > another.number {
      return one
    }
    return Revocations(cluster: cluster, number: max(number, other.number) + 1, entries: all)
  }

  /// The entry that is furthest ahead of a clock; nil if none is. The clock that it was made by was ahead, or this one
  /// is behind.
  ///
  /// - Parameter now: seconds since 1970-01-01 UTC.
  package func ahead(of now: Int64) -> Entry? {
    entries.filter { $0.issuedUntil > now }.max { $0.issuedUntil < $1.issuedUntil }
  }

  /// The entry by which a certificate of a holder that is issued now would not count; nil if it would.
  ///
  /// - Parameter now: seconds since 1970-01-01 UTC.
  package func refusal(of role: Role, _ name: String, issuedAt now: Int64) -> Entry? {
    entries.first { $0.role == role && $0.name == name && $0.issuedUntil >= now }
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
