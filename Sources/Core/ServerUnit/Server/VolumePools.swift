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

    /// The scheme counts for nothing: it changes with TLS.
    var plainText: String { text.replacing("https://", with: "http://") }
  }

  /// Empty where they are not known.
  package let pools: [Pool]
  /// What names them, for example `MINIO_VOLUMES`; nil where they are not known.
  let source: String?
  /// Why they are not known; nil if they are.
  package let problem: String?
  /// That of a drive which is named without one: the server's own.
  private let port: UInt16

  /// - Parameters:
  ///   - words: the arguments.
  ///   - source: what names them.
  ///   - port: that the server listens on.
  package init(
    _ words: [String], from source: String = "MINIO_VOLUMES",
    port: UInt16 = Inventory.defaultServerPort
  ) {
    pools =
      words.contains { $0.contains("...") }
      ? words.map { Pool(words: [$0]) } : words.isEmpty ? [] : [Pool(words: words)]
    (self.source, self.port) = (source, port)
    problem = words.isEmpty ? "\(source) names no drive" : nil
  }

  /// Of pools that are named elsewhere.
  package init(unknown problem: String) {
    (pools, source, port) = ([], nil, Inventory.defaultServerPort)
    self.problem = problem
  }

  // MARK: drives

  /// The drives of each pool, each `host:port/path` or a path, in their order; the pool's text where its patterns cannot
  /// be expanded. Nil where all pools together have more than `Limits.volumeDrives`, or than `Limits.volumeDriveBytes`.
  private var drives: [[String]]? {
    var (total, bytes) = (0, 0)
    var all: [[String]] = []
    for pool in pools {
      var own: [String] = []
      for word in pool.words {
        let left = min(
          Limits.volumeDrives - total,
          (Limits.volumeDriveBytes - bytes) / max(1, word.utf8.count))
        do throws(Ellipses.Problem) {
          let expanded = try Ellipses.expand(word, limit: left)
          own += expanded.map(drive)
          total += expanded.count
          bytes += expanded.count * word.utf8.count
        } catch {
          if error.isOfSize { return nil }
          own = [pool.plainText]
          break
        }
      }
      all.append(own)
    }
    return all
  }

  private func drive(_ word: String) -> String {
    guard let scheme = word.firstRange(of: "://") else { return Self.plain(word[...]) }
    let rest = word[scheme.upperBound...]
    let authority = rest.prefix { $0 != "/" }
    let path = Self.plain(rest[authority.endIndex...])
    guard var place = HostPort(String(authority), defaultPort: port) else {
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
  ///   - isRefused: whether a start with other pools is refused: not where it was said that they change, or where none may
  ///     have run with `present`.
  package func findings(
    insteadOf present: VolumePools, of whose: String, isRefused: Bool
  ) -> [Finding] {
    if problem != nil || present.problem != nil {
      return unknown(present, whose, isRefused: isRefused)
    }
    let (old, new) = (present.pools, pools)
    if new.starts(with: old) { return [] }
    let drives: (old: [[String]], new: [[String]]) =
      if let before = present.drives, let after = self.drives { (before, after) } else {
        (old.map { [$0.plainText] }, new.map { [$0.plainText] })
      }
    if drives.new.starts(with: drives.old) { return rewritten(old, whose) }
    let places = Dictionary(zip(drives.new, new.indices), uniquingKeysWith: { first, _ in first })
    let heirs = Dictionary(
      zip(drives.new, new.indices).flatMap { own, index in own.map { ($0, index) } },
      uniquingKeysWith: { first, _ in first })
    // Those that stay have to be the first ones, in their order.
    var kept = 0
    var parts: [String] = []
    for index in old.indices {
      let name = Self.shown(old[index], index)
      if let place = places[drives.old[index]] {
        if kept >= new.count || drives.new[kept] != drives.old[index] {
          parts.append("\(name) would be pool \(place + 1)")
        }
        kept += 1
      } else if let heir = drives.old[index].lazy.compactMap({ heirs[$0] }).min() {
        parts.append("\(name) would become \(Self.shown(new[heir], heir))")
      } else {
        parts.append("\(name) would be gone")
      }
    }
    return [
      finding(
        "would change the pools of \(whose): \(Self.some(parts)); what lies in such a pool is lost from sight, or no server starts",
        isRefused: isRefused)
    ]
  }

  /// Where one of both is not known: the same only if it is for the same reason.
  private func unknown(
    _ present: VolumePools, _ whose: String, isRefused: Bool
  ) -> [Finding] {
    if problem == present.problem { return [] }
    let had =
      present.problem.map { "which ones \(whose) has is not known (\($0))" }
      ?? "\(whose) has \(Self.some(present.pools.indices.map { Self.shown(present.pools[$0], $0) }))"
    let has =
      problem.map { "which pools a start would have is not known (\($0))" }
      ?? "a start would have \(Self.some(pools.indices.map { Self.shown(pools[$0], $0) }))"
    return [
      finding(
        "may change the pools: \(has), and \(had); what lies in a pool that is not named is lost from sight",
        isRefused: isRefused)
    ]
  }

  private static func some(_ parts: [String]) -> String {
    let more = parts.count - shownPools
    return parts.prefix(shownPools).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
  }

  private func finding(_ verb: String, isRefused: Bool) -> Finding {
    Finding(
      isRefused ? .error : .warning, rule: "volumes-pools",
      message: "\(source ?? "the server's configuration") \(verb)",
      remedy: isRefused
        ? "name the present pools first, unchanged and in their order, and new ones behind them; where it is meant, as of a pool that is decommissioned, an operator says so with --change-pools (docs/use/runbooks.md, \"Retire a node\")"
        : nil)
  }

  /// The same drives under another text.
  private func rewritten(_ old: [Pool], _ whose: String) -> [Finding] {
    let index = old.indices.first { old[$0].plainText != pools[$0].plainText }
    return index.map { index in
      [
        Finding(
          .warning, rule: "volumes-pools-text",
          message:
            "\(source ?? "MINIO_VOLUMES") writes \(Self.shown(old[index], index)) of \(whose) in another way, as \(Self.shown(pools[index], index)): the drives are the same, but the server knows a pool by its text, and some releases refuse another one",
          remedy: "write the present pools as they are")
      ]
    } ?? []
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
}
