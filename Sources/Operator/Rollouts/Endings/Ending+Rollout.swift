// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Rollout

/// How a rollout ends.
extension Ending {
  /// Nodes that ended differently and are told one by one; `keyturn show` has all of them.
  private static let toldLimit = 4

  /// Nothing was touched.
  ///
  /// - Parameters:
  ///   - reasons: what each node says no with; empty for one that does not.
  ///   - rollout: its id, if one had begun.
  ///   - other: the rollout that the nodes are in instead, where that is why.
  static func untouched(
    _ headline: String, _ code: RefusalCode, members: [String],
    reasons: [(name: String, value: String)] = [], rollout: String? = nil, other: String? = nil
  ) -> Ending {
    // What the headline has is said once.
    let others = NodeNames.lines(
      reasons.filter { !$0.value.isEmpty && !headline.holds($0.value) })
    let place = "the previous files, on \(NodeNames.folded(members))"
    return Ending(
      headline: headline,
      inForce: [
        other.map {
          "\(place), unless rollout \($0) replaces them: it may restart the servers now; this command has changed nothing"
        } ?? "\(place): no file was replaced, no server restarted"
      ],
      why: told(others.map { ["also \(clean($0))"] }), next: steps(after: code, rollout, other),
      restarted: false)
  }

  /// Committed, and nothing followed but what `held` says.
  ///
  /// - Parameters:
  ///   - held: why the new files stay although not every start was confirmed; nil where that is not
  ///     known, or there is nothing to say.
  ///   - identity: the identity at the Key Manager that no node uses any more where every start is
  ///     confirmed; nil if there is none.
  static func committed(
    _ rollout: Committed, held: String?, retires identity: RetiredIdentity? = nil
  ) -> Ending {
    let (all, good) = (rollout.members, rollout.members(.confirmed))
    var ending = Ending(headline: headline(rollout), inForce: place(rollout))
    ending.restarted = rollout.restarts
    ending.servers = servers(rollout)
    if good.count == all.count {
      ending.isGood = true
      ending.next = [Step(command: "keyturn show \(rollout.id)", purpose: "its steps and times")]
      if rollout.enables {
        ending.next.append(
          Step(
            command: "keyturn bucket encrypt BUCKET --key NAME --alias ALIAS",
            purpose: "the last step, proven with an object"))
      }
      if let identity {
        ending.inForce.append(identity.text)
        ending.next.append(
          Step(
            command: identity.removal,
            purpose:
              "at the Key Manager; generations that hold it cannot be gone back to after that"))
      }
      return ending
    }
    let isOpen = rollout.members(.failed, .timedOut).isEmpty
    ending.inForce += standing(rollout, "it")
    ending.why = reasons(rollout)
    if isOpen, !rollout.members(.unknown).isEmpty {
      ending.headline = "decided, and its end is not known here: \(ending.headline)"
    }
    if let held, !held.isEmpty, rollout.kind != .restart {
      ending.headline += "; the new files stay"
      ending.why.append("not rolled back: \(clean(held))")
    }
    if isOpen {
      ending.next = [
        Step(command: "keyturn watch \(rollout.id)", purpose: "its end; a rollback may follow"),
        Step(command: "keyturn status", purpose: "what each node runs now"),
      ]
      return ending
    }
    ending.next =
      rollout.restarts
      ? [logs(rollout.id)] + confirm(rollout) + [restart(of: all.count)]
      : confirm(rollout) + [
        Step(command: "keyturn status", purpose: "what each node runs now"),
        Step(command: "keyturn plan", purpose: "what is left to do, once the cause is fixed"),
      ]
    if !rollout.members(.unknown).isEmpty {
      // Once they answer, the nodes work out the result, and may roll back by themselves.
      ending.next.insert(
        Step(command: "keyturn watch \(rollout.id)", purpose: "its end; a rollback may follow"),
        at: 0)
    }
    if rollout.kind == .apply, rollout.mayGoBack, rollout.restarts {
      ending.next.append(
        Step(command: "keyturn rollback", purpose: "or back to the previous files"))
    }
    return ending
  }

  /// The watching has ended, and nothing is known of a commit.
  static func notFollowed(_ rollout: String, members: [String]) -> Ending {
    Ending(
      headline: "rollout \(rollout) goes on; only the watching has ended",
      inForce: [
        "not known here: on \(NodeNames.folded(members)) the previous files until it commits, its own after that"
      ], next: [Step(command: "keyturn watch \(rollout)", purpose: "its end")])
  }

  /// Committed, and taken back.
  static func rolledBack(_ rollout: Committed, by back: Committed) -> Ending {
    let bad = back.outcomes.count - back.members(.confirmed).count
    var ending = Ending(
      headline: "rolled back: your change is NOT in force",
      inForce: [
        "the files from before rollout \(rollout.id), on \(NodeNames.folded(back.members))"
      ],
      servers:
        "all \(back.outcomes.count) restarted twice: with the new file, then with the previous one",
      restarted: true)
    if bad == 0 {
      ending.inForce.append(
        "every server was started with them and confirmed (rollback \(back.id)\(back.generation.map { "; kept as generation \($0)" } ?? ""))"
      )
    } else {
      ending.headline +=
        ", and \(bad) of \(back.outcomes.count) servers \(bad == 1 ? "is" : "are") not confirmed with the previous files either"
      ending.inForce += standing(back, "them")
    }
    ending.why = reasons(rollout) + reasons(back, "after the rollback, ")
    ending.next = [logs(rollout.id)]
    ending.next.append(
      bad == 0
        ? Step(command: "keyturn apply --settings FILE", purpose: "again, once the cause is fixed")
        : logs(back.id, "why a server does not start with the previous files"))
    if bad > 0 {
      ending.next += confirm(back)
      ending.next.append(restart(of: back.outcomes.count, "the previous files"))
    }
    return ending
  }

  /// Commit was proposed, and how it ended is not known.
  ///
  /// - Parameter restarts: whether it restarts the servers if it is committed.
  static func undecided(
    _ summary: String, members: [String], rollout: String, restarts: Bool
  ) -> Ending {
    Ending(
      headline: summary,
      inForce: [
        "not known: on \(NodeNames.folded(members)) the previous files or the new ones, the same on all once the nodes have decided\(restarts ? "; servers may restart until then" : "")"
      ],
      next: [
        Step(command: "keyturn watch \(rollout)", purpose: "its end"),
        Step(
          command: "keyturn resolve \(rollout)",
          purpose: "have the nodes decide now"
            + (restarts ? "; if it is committed, all servers restart" : "")),
      ])
  }

  // MARK: parts

  private static func headline(_ rollout: Committed) -> String {
    let kinds = rollout.outcomes.map(\.outcome.kind)
    if rollout.restarts { return counts(of: kinds) }
    return counts(of: kinds, of: "nodes") + "; no server was restarted"
  }

  /// `3 of 4 starts confirmed, 1 not confirmed`.
  static func counts(of kinds: [OutcomeKind], of what: String = "starts") -> String {
    if !kinds.isEmpty, kinds.allSatisfy({ $0 == .aborted }) { return "nothing was touched" }
    func count(_ wanted: OutcomeKind...) -> Int { kinds.count { wanted.contains($0) } }
    let parts = [
      (count(.failed, .timedOut), "not confirmed"), (count(.unknown), "unknown"),
      (count(.aborted), "aborted"),
    ].filter { $0.0 > 0 }.map { ", \($0.0) \($0.1)" }
    return "\(count(.confirmed)) of \(kinds.count) \(what) confirmed" + parts.joined()
  }

  private static func number(_ rollout: Committed) -> String {
    rollout.generation.map { ", generation \($0)" } ?? ""
  }

  /// Which files are where.
  private static func place(_ rollout: Committed) -> [String] {
    if rollout.kind == .members {
      return [
        "another inventory, on \(NodeNames.folded(rollout.members(.confirmed))): keyturn inventory show; no file was replaced"
      ]
    }
    if rollout.kind == .restart {
      return [
        "the files as they were, on \(NodeNames.folded(rollout.members)); every server was told to restart"
      ]
    }
    let files = rollout.kind == .rollback ? "the files that were gone back to" : "the new file"
    let (placed, untouched) = (rollout.placed, rollout.untouched)
    var lines: [String] = []
    if !placed.isEmpty {
      let isRunning = !rollout.restarts && placed == rollout.members(.confirmed)
      let servers = isRunning ? "; the servers run on, with what it says" : ""
      lines.append("\(files)\(number(rollout)), on \(NodeNames.folded(placed))\(servers)")
    }
    if !untouched.isEmpty {
      lines.append(
        "NOT on \(NodeNames.folded(untouched)): nothing was put in place or restarted there")
    }
    return lines
  }

  /// For a server that gets well by itself, or is started by hand: no other node has to restart for it.
  private static func confirm(_ rollout: Committed) -> [Step] {
    let nodes = rollout.members(.failed, .timedOut).filter(rollout.placed.contains)
    guard let first = nodes.first else { return [] }
    let others =
      nodes.count == 1 ? "" : "; the same for \(NodeNames.folded(Array(nodes.dropFirst())))"
    return [
      Step(
        command: "keyturn confirm \(first)",
        purpose:
          "once its server runs well (systemctl start there, if it is down): confirms it, and restarts nothing\(others)"
      )
    ]
  }

  private static func restart(of servers: Int, _ files: String = "the same files") -> Step {
    Step(
      command: "keyturn restart",
      purpose: "restarts all \(servers) servers with \(files), once the cause is fixed")
  }

  /// Which servers were restarted; nil where none was to be, which the headline says.
  private static func servers(_ rollout: Committed) -> String? {
    if !rollout.restarts { return nil }
    let (all, placed) = (rollout.members, rollout.placed)
    if placed.count == all.count { return "all \(all.count) restarted" }
    let unknown = rollout.members(.unknown)
    return [
      placed.isEmpty ? nil : "restarted on \(NodeNames.folded(placed))",
      unknown.isEmpty ? nil : "restarted, or about to be, on \(NodeNames.folded(unknown))",
    ].compactMap(\.self).joined(separator: "; ")
  }

  /// On which nodes the server runs with it, and on which not.
  private static func standing(_ rollout: Committed, _ files: String) -> [String] {
    [
      ("confirmed with \(files): ", rollout.members(.confirmed)),
      ("not confirmed: ", rollout.members(.failed, .timedOut)),
      ("says that it was aborted there: ", rollout.members(.aborted)),
    ].filter { !$0.1.isEmpty }.map { $0.0 + NodeNames.folded($0.1) } + unknown(rollout)
  }

  /// What is decided holds for those too that have not said how it went.
  private static func unknown(_ rollout: Committed) -> [String] {
    let nodes = rollout.members(.unknown)
    if nodes.isEmpty { return [] }
    let (it, has, gets, its) =
      nodes.count == 1
      ? ("it", "has", "gets", "its agent") : ("they", "have", "get", "their agents")
    let later =
      switch rollout.kind {
      case .restart: "\(it) \(has) restarted, or will"
      case .members: "\(it) \(has) the new inventory, or \(gets) it from the other nodes"
      case .rollback: "\(it) \(has) the previous files, or \(gets) them from \(its)"
      case .apply, nil: "\(it) \(has) the new file, or \(gets) it from \(its)"
      }
    return ["not known of \(NodeNames.folded(nodes)): \(later)"]
  }

  /// What each start that was not confirmed failed with, alike ones once; cause and remedy behind it.
  private static func reasons(_ rollout: Committed, _ head: String = "") -> [String] {
    let brokenOff = rollout.outcomes.filter(\.outcome.isBrokenOff).map(\.member)
    let rows = rollout.outcomes.filter {
      $0.outcome.kind != .confirmed && !$0.outcome.isBrokenOff
    }.map { member in
      let (outcome, failure) = (member.outcome, member.outcome.failure)
      var lines = ["\(words(outcome.kind)): \(clean(failure?.reason ?? outcome.reason))"]
      for (label, text) in [("cause", failure?.cause), ("do", failure?.remedy)] {
        if let text { lines.append("\(label): \(clean(text))") }
      }
      return (name: member.member, value: lines)
    }
    return told(
      NodeNames.grouped(rows).map { group in
        ["\(head)\(NodeNames.folded(group.names)): \(group.value[0])"] + group.value.dropFirst()
      })
      + (brokenOff.isEmpty
        ? [] : ["\(NodeNames.folded(brokenOff)): not watched to the end, since that was enough"])
  }

  private static func words(_ kind: OutcomeKind) -> String {
    switch kind {
    case .timedOut: "timed out"
    case .aborted: "says that it was aborted"
    case .confirmed, .failed, .unknown: kind.rawValue
    }
  }

  /// No more groups of lines than fit a screen.
  private static func told(_ groups: [[String]]) -> [String] {
    let rest = groups.count - toldLimit
    return groups.prefix(toldLimit).flatMap(\.self)
      + (rest > 0 ? ["and \(rest) more; keyturn show ID has all of them"] : [])
  }
}

extension String {
  fileprivate func holds(_ part: String) -> Bool { firstRange(of: part) != nil }
}
