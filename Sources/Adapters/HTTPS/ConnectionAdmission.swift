// SPDX-License-Identifier: Apache-2.0
package import Model

/// Which connections may stay after their handshake, when it is known who they are.
///
/// A value: no clock, no socket. Some places are reserved for each standing, the rest are open to
/// all. When places are short, the connection that has been idle the longest is closed, among those
/// of the lowest standing that has more than its reserve. A connection of a higher standing than
/// the newcomer is never closed, nor one that is being answered. A holder has a limited number of
/// places and replaces its own connections.
package struct ConnectionAdmission: Sendable {
  package struct Bounds: Sendable, Hashable {
    package var places: Int
    /// Places of one holder, by role and name.
    package var perHolder: Int
    /// Places that only connections of this standing get.
    package var kept: [Standing: Int]

    package init(places: Int, perHolder: Int, kept: [Standing: Int] = [:]) {
      self.places = places
      self.perHolder = perHolder
      self.kept = kept
    }
  }

  /// The decision on a connection whose holder is known.
  package enum Verdict: Sendable, Hashable {
    case admitted
    /// It takes the place of another, which must be closed.
    case replaces(UInt64)
    case refused
  }

  private struct Entry: Sendable {
    var standing: Standing
    var holder: String
    /// Grows with every rest that begins; nil while it is being answered.
    var restsSince: UInt64?
  }

  private let bounds: Bounds
  private var entries: [UInt64: Entry] = [:]
  private var rests: UInt64 = 0

  package init(_ bounds: Bounds) { self.bounds = bounds }

  package var count: Int { entries.count }

  /// `holder` has connected. Unless refused, the connection has a place, and rests.
  package mutating func arrive(_ id: UInt64, holder: String, _ standing: Standing) -> Verdict {
    if entries.count(where: { $0.value.holder == holder }) >= bounds.perHolder {
      return replace(with: id, holder, standing) { $0.holder == holder }
    }
    let keptForOthers = Standing.allCases.filter { $0 != standing }.map { other in
      max(0, (bounds.kept[other] ?? 0) - count(of: other))
    }.reduce(0, +)
    if entries.count + keptForOthers < bounds.places {
      insert(id, holder, standing)
      return .admitted
    }
    let spared = Set(
      Standing.allCases.filter { $0 < standing && count(of: $0) <= bounds.kept[$0] ?? 0 })
    return replace(with: id, holder, standing) {
      $0.standing <= standing && !spared.contains($0.standing)
    }
  }

  /// A request is about to be answered; false if the connection has lost its place and must end.
  package mutating func begin(_ id: UInt64) -> Bool {
    guard entries[id] != nil else { return false }
    entries[id]?.restsSince = nil
    return true
  }

  /// A connection has had its answer.
  package mutating func rest(_ id: UInt64) {
    rests += 1
    entries[id]?.restsSince = rests
  }

  package mutating func end(_ id: UInt64) { entries[id] = nil }

  private func count(of standing: Standing) -> Int {
    entries.count { $0.value.standing == standing }
  }

  private mutating func insert(_ id: UInt64, _ holder: String, _ standing: Standing) {
    entries[id] = Entry(standing: standing, holder: holder, restsSince: nil)
    rest(id)
  }

  private mutating func replace(
    with id: UInt64, _ holder: String, _ standing: Standing, where mayGo: (Entry) -> Bool
  ) -> Verdict {
    let resting = entries.compactMap { entry in
      entry.value.restsSince.flatMap { since in
        mayGo(entry.value) ? (id: entry.key, standing: entry.value.standing, since: since) : nil
      }
    }
    guard let victim = resting.min(by: { ($0.standing, $0.since) < ($1.standing, $1.since) }) else {
      return .refused
    }
    entries[victim.id] = nil
    insert(id, holder, standing)
    return .replaces(victim.id)
  }
}
