// SPDX-License-Identifier: Apache-2.0
internal import Model
package import Sockets

/// Which connections may wait for the end of their handshake. Their clients are not known yet.
///
/// A value: no clock, no socket; the dice are an argument. There are places for so many, and each
/// source (``SourceNetwork``) has an equal right to them:
///
/// - A source that has as many places as a source may have replaces one of them, at random.
/// - From ``Bounds/refusalsFrom`` on, a source that has a place already is refused another with a
///   probability that rises to certainty when all places are taken (MaxStartups of sshd_config(5)).
/// - When all places are taken, the source with the most gives one to a newcomer with fewer.
///
/// So a real client, with one connection and a handshake that it finishes, gets in however many
/// connections a few sources hold or try. A silent connection gives way before one that has sent
/// something.
package struct HandshakeAdmission: Sendable {
  package struct Bounds: Sendable, Hashable {
    package var places = Limits.handshakes
    package var perSource = Limits.handshakesOfSource
    /// Taken places from which on there is pressure.
    package var refusalsFrom = Limits.handshakesUnderPressure
    /// The probability of a refusal when pressure begins, percent.
    package var refusalPercent = Limits.handshakeRefusalPercent

    package init() {}
  }

  package enum Verdict: Sendable, Hashable {
    case admitted
    /// It takes the place of another, which must be closed.
    case replaces(UInt64)
    case refused
  }

  private struct Entry: Sendable {
    var source: SourceNetwork
    var hasSpoken = false
  }

  private let bounds: Bounds
  private var entries: [UInt64: Entry] = [:]
  private var counts: [SourceNetwork: Int] = [:]

  package init(_ bounds: Bounds = Bounds()) { self.bounds = bounds }

  package var count: Int { entries.count }

  /// A connection has come. Unless it is refused it has a place until ``end(_:)``.
  package mutating func arrive(
    _ id: UInt64, from source: SourceNetwork, dice: inout some RandomNumberGenerator
  ) -> Verdict {
    let own = counts[source] ?? 0
    if own >= bounds.perSource {
      return replace(with: id, from: source, &dice) { $0 == source }
    }
    if entries.count >= bounds.places {
      let most = counts.values.max() ?? 0
      guard own == 0 || most > own + 1 else { return .refused }
      let heaviest = Set(counts.filter { $0.value == most }.keys)
      return replace(with: id, from: source, &dice) { heaviest.contains($0) }
    }
    if own > 0, entries.count >= bounds.refusalsFrom {
      // At refusalsFrom the percentage of the bounds, rising in a line to 100 at the last place.
      let range = max(1, bounds.places - bounds.refusalsFrom)
      let share = (100 - bounds.refusalPercent) * (entries.count - bounds.refusalsFrom) / range
      if Int.random(in: 0..<100, using: &dice) < bounds.refusalPercent + share { return .refused }
    }
    insert(id, source)
    return .admitted
  }

  /// Something has come on a connection.
  package mutating func heard(_ id: UInt64) { entries[id]?.hasSpoken = true }

  /// A connection no longer waits.
  package mutating func end(_ id: UInt64) {
    guard let entry = entries.removeValue(forKey: id) else { return }
    let left = (counts[entry.source] ?? 1) - 1
    counts[entry.source] = left > 0 ? left : nil
  }

  private mutating func insert(_ id: UInt64, _ source: SourceNetwork) {
    entries[id] = Entry(source: source)
    counts[source, default: 0] += 1
  }

  private mutating func replace(
    with id: UInt64, from source: SourceNetwork, _ dice: inout some RandomNumberGenerator,
    of isLoser: (SourceNetwork) -> Bool
  ) -> Verdict {
    let all = entries.filter { isLoser($0.value.source) }
    let silent = all.filter { !$0.value.hasSpoken }
    // In order, so that the dice alone decide.
    let candidates = (silent.isEmpty ? all : silent).keys.sorted()
    guard let victim = candidates.randomElement(using: &dice) else { return .refused }
    end(victim)
    insert(id, source)
    return .replaces(victim)
  }
}
