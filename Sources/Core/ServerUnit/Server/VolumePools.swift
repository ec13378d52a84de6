// SPDX-License-Identifier: Apache-2.0
package import Model

/// The server pools that the arguments of `minio server` name, in their order. Objects lie in the pools: one that is not
/// named any more, or of other drives, takes its objects out of sight, or keeps every server from starting
/// (docs/facts.md, "Pools").
package struct VolumePools: Sendable, Hashable {
  package struct Pool: Sendable, Hashable {
    /// Its argument; where no argument has a pattern all of them.
    let words: [String]

    var text: String { words.joined(separator: " ") }

    /// Its drives, each `host:port/path` or a path, in their order. The scheme counts for nothing: it changes with TLS.
    /// The text where the patterns cannot be expanded, or stand for more than `limit`.
    fileprivate func drives(limit: Int) -> [String] {
      var drives: [String] = []
      for word in words {
        guard let expanded = try? Ellipses.expand(word, limit: limit),
          drives.count + expanded.count <= limit
        else { return [VolumePools.withoutScheme(text)] }
        drives += expanded.map(VolumePools.drive)
      }
      return drives
    }
  }

  /// Empty where they are not known.
  package let pools: [Pool]

  package init(_ words: [String]) {
    pools =
      words.contains { $0.contains("...") }
      ? words.map { Pool(words: [$0]) } : words.isEmpty ? [] : [Pool(words: words)]
  }

  private static func withoutScheme(_ text: String) -> String {
    text.replacing("https://", with: "http://")
  }

  private static func drive(_ word: String) -> String {
    guard let scheme = word.firstRange(of: "://") else { return plain(word[...]) }
    let rest = word[scheme.upperBound...]
    let authority = rest.prefix { $0 != "/" }
    let path = plain(rest[authority.endIndex...])
    guard var place = HostPort(String(authority), defaultPort: Inventory.defaultServerPort) else {
      return "\(authority)\(path)"
    }
    place.host = place.host.lowercased()
    if place.host.hasSuffix(".") { place.host.removeLast() }
    return "\(place.text)\(path)"
  }

  private static func plain(_ path: Substring) -> String {
    path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : String(path)
  }

  // MARK: what a start with others does

  /// The longest text of a pool in a message, bytes, and how many pools are named.
  private static let (shownBytes, shownPools) = (160, 4)

  private static func shown(_ pool: Pool, _ index: Int) -> String {
    let text = pool.text
    let cut = text.cut(toBytes: shownBytes)
    return "pool \(index + 1) (\(cut)\(cut == text ? "" : "..."))"
  }

  /// What stands against a start with these in place of `present`. Pools may be added behind them.
  ///
  /// - Parameters:
  ///   - whose: where `present` are, for example `the running server`.
  ///   - isMeant: whether it was said that they change.
  package func findings(
    insteadOf present: VolumePools, of whose: String, isMeant: Bool
  ) -> [Finding] {
    let (old, new) = (present.pools, pools)
    if old.isEmpty || new.isEmpty || new.starts(with: old) { return [] }
    let limit = Limits.volumeDrives
    let (oldDrives, newDrives) = (
      old.map { $0.drives(limit: limit) }, new.map { $0.drives(limit: limit) }
    )
    if newDrives.starts(with: oldDrives) { return Self.rewritten(old, new, whose) }
    // Those that stay have to be the first ones, in their order.
    let kept = old.indices.filter { newDrives.contains(oldDrives[$0]) }
    var parts: [String] = []
    for index in old.indices {
      let name = Self.shown(old[index], index)
      if let rank = kept.firstIndex(of: index) {
        guard rank >= new.count || newDrives[rank] != oldDrives[index],
          let place = newDrives.firstIndex(of: oldDrives[index])
        else { continue }
        parts.append("\(name) would be pool \(place + 1)")
        continue
      }
      let own = Set(oldDrives[index])
      let heir = new.indices.first { !own.isDisjoint(with: newDrives[$0]) }
      parts.append(
        heir.map { "\(name) would become \(Self.shown(new[$0], $0))" } ?? "\(name) would be gone")
    }
    let more = parts.count - Self.shownPools
    let text =
      parts.prefix(Self.shownPools).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    return [
      Finding(
        isMeant ? .warning : .error, rule: "volumes-pools",
        message:
          "MINIO_VOLUMES would change the pools of \(whose): \(text); what lies in such a pool is lost from sight, or no server starts",
        remedy: isMeant
          ? nil
          : "name the present pools first, unchanged and in their order, and new ones behind them; where it is meant, as of a pool that is decommissioned, an operator says so with --change-pools (docs/use/runbooks.md, \"Retire a node\")"
      )
    ]
  }

  // MARK: hosts that are lost

  /// What it means for the objects that hosts are no nodes any more, a sentence for each pool that has lost some. Every
  /// erasure set has drives of as many hosts of its pool as it can (docs/facts.md, "Pools").
  package func losses(from old: Inventory, to new: Inventory) -> [String] {
    pools.enumerated().compactMap { index, pool in
      let hosts = VolumeHosts(pool.words)
      let count = hosts.names.count
      let (before, after) = (hosts.strangers(to: old), hosts.strangers(to: new))
      // None that is known by its name: then they have other names than the nodes.
      guard after > before, before < count else { return nil }
      let left = count - after
      let state =
        if 2 * left > count {
          "its objects can be read and written as long as no erasure set lacks more drives than its parity (EC:4 by default in sets of 8 and more; mc admin info shows what is online)"
        } else if 2 * left == count {
          "nothing can be written to it, and objects can be read only where the parity is half of a set"
        } else {
          "its objects can be neither read nor written"
        }
      return
        "\(Self.shown(pool, index)) keeps \(left) of its \(count) hosts: \(state); the drives heal once another host has taken the place of each that is lost (docs/use/runbooks.md, \"A node is lost, and others cannot wait for it\")"
    }
  }

  /// The same drives under another text.
  private static func rewritten(_ old: [Pool], _ new: [Pool], _ whose: String) -> [Finding] {
    let index = old.indices.first {
      withoutScheme(old[$0].text) != withoutScheme(new[$0].text)
    }
    return index.map { index in
      [
        Finding(
          .warning, rule: "volumes-pools-text",
          message:
            "MINIO_VOLUMES writes \(shown(old[index], index)) of \(whose) in another way, as \(shown(new[index], index)): the drives are the same, but the server knows a pool by its text, and some releases refuse another one",
          remedy: "write the present pools as they are")
      ]
    } ?? []
  }
}
