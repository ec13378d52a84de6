// SPDX-License-Identifier: Apache-2.0
package import Model

/// One link of the reverse path: an address and a port of the node.
package struct ReverseLink: Sendable, Hashable {
  /// Which of the node's ports.
  package var port: ReversePort
  /// The address and the port.
  package var address: String
  /// How it is; `notChecked` where nothing can be said.
  package var verdict: ProbeVerdict
  package var outcome: ReverseOutcome
  package var milliseconds: Int
  /// Until when the server's certificate is valid, seconds since 1970-01-01 UTC, if one was shown.
  package var validUntil: Int64?
  /// What that means, for people; empty if it is fine.
  package var text: String
}

/// The reverse path from one Key Manager.
package struct ReverseDirection: Sendable, Hashable {
  package var keyManager: String
  /// Fine, degraded (some address only), failed, or `notChecked` for unverified.
  package var verdict: ProbeVerdict
  /// Why it is unverified, if it is.
  package var unverified: ReverseUnverified?
  /// Every address and port; empty where no witness has answered.
  package var links: [ReverseLink]
  /// What is wrong, or why it is not known, for people; empty if it is fine.
  package var text: String
}

/// What the witnesses' reports come to: which reverse paths work, and what keeps the others from it.
package enum ReverseJudgement {
  /// Judges the reverse path from each Key Manager to `node`.
  ///
  /// A server's port counts only while the node itself is answered there. An address that does not
  /// answer beside others that do is degraded; one at which somebody else answers is a failure.
  package static func directions(
    _ looks: [ReverseLook], node: String, own: OwnServer
  ) -> [ReverseDirection] {
    looks.map { look in
      switch look.answer {
      case .noWitness:
        unverified(look, .noWitness, "there is no witness on \(look.keyManager)")
      case .notInInventory:
        unverified(
          look, .notInInventory, "\(look.keyManager) is none of the inventory's Key Managers")
      case .silent(let reason):
        unverified(look, .silent, "its witness gives no answer: \(reason)")
      case .answered(let report): judge(look, report, node, own)
      }
    }
  }

  /// What stands against a rollout, or is worth a warning. Errors have the refusal `keyManager`.
  ///
  /// What is the same on every node has no node's name in it.
  package static func findings(
    _ directions: [ReverseDirection], policy: Inventory.UnverifiedDirection
  ) -> [Finding] {
    let bad = directions.filter { $0.verdict >= .degraded }.map { direction in
      Finding(
        direction.verdict == .failed ? .error : .warning, rule: "reverse-path",
        refusal: .keyManager,
        message: "the reverse path from \(direction.keyManager): \(direction.text)",
        remedy: direction.remedy, link: Finding.Link(keyManager: direction.keyManager))
    }
    if policy == .ignore { return bad }
    // Said once for all of which the same is said.
    let unverified = ReverseUnverified.allCases.flatMap { reason -> [Finding] in
      let those = directions.filter { $0.unverified == reason }
      guard !those.isEmpty else { return [] }
      let severity: Severity = policy == .refuse ? .error : .warning
      switch reason {
      case .silent, .serverDown:
        return those.map { direction in
          unverifiedFinding(severity, [direction.keyManager], direction.text, reason.remedy)
        }
      case .noWitness, .notInInventory:
        let what =
          reason == .noWitness
          ? "the inventory names no witness there" : "the inventory does not have it"
        return [
          unverifiedFinding(severity, those.map(\.keyManager), what, reason.remedy)
        ]
      }
    }
    return bad + unverified
  }

  private static func unverifiedFinding(
    _ severity: Severity, _ names: [String], _ what: String, _ remedy: String
  ) -> Finding {
    Finding(
      severity, rule: "reverse-path-unverified", refusal: .keyManager,
      message:
        "the reverse path from \(names.joined(separator: ", ")) is not verified: \(what)",
      remedy: remedy)
  }

  private static func unverified(
    _ look: ReverseLook, _ reason: ReverseUnverified, _ text: String
  ) -> ReverseDirection {
    ReverseDirection(
      keyManager: look.keyManager, verdict: .notChecked, unverified: reason, links: [], text: text)
  }

  private static func judge(
    _ look: ReverseLook, _ report: ReverseReport, _ node: String, _ own: OwnServer
  ) -> ReverseDirection {
    let links = report.attempts.map { link($0, look, node, own) }
    var verdict = ProbeVerdict.fine
    var words: [String] = []
    for port in ReversePort.allCases {
      let those = links.filter { $0.port == port }
      guard !those.isEmpty else {
        return unverified(look, .silent, "its witness says nothing of the \(port.title)")
      }
      let bad = those.filter { $0.verdict == .failed }
      words += bad.map(\.text)
      if bad.isEmpty { continue }
      let isPartial =
        bad.count < those.count && bad.allSatisfy { $0.outcome != .anotherHost }
      verdict = max(verdict, isPartial ? .degraded : .failed)
    }
    var reason: ReverseUnverified?
    if case .silent(let why) = own, verdict == .fine {
      (verdict, reason) = (.notChecked, .serverDown)
      words = ["the server of \(node) does not answer \(node) itself: \(why)"]
    }
    return ReverseDirection(
      keyManager: look.keyManager, verdict: verdict, unverified: reason, links: links,
      text: words.joined(separator: "; "))
  }

  private static func link(
    _ attempt: ReverseAttempt, _ look: ReverseLook, _ node: String, _ own: OwnServer
  ) -> ReverseLink {
    var (outcome, detail) = (attempt.outcome.known ?? .failed, attempt.detail)
    if attempt.port == .server {
      switch own {
      case .silent:
        return ReverseLink(
          port: .server, address: attempt.address, verdict: .notChecked, outcome: outcome,
          milliseconds: attempt.milliseconds, validUntil: attempt.face?.validUntil,
          text: "the server does not run")
      case .answers(let face, _):
        if outcome == .reached, let other = attempt.face?.difference(from: face, node: node) {
          (outcome, detail) = (.anotherHost, other)
        }
      }
    }
    let text =
      outcome == .reached
      ? "" : explanation(attempt, outcome, detail, look, node) + elsewhere(attempt, own, node)
    return ReverseLink(
      port: attempt.port, address: attempt.address, verdict: outcome == .reached ? .fine : .failed,
      outcome: outcome, milliseconds: attempt.milliseconds, validUntil: attempt.face?.validUntil,
      text: text)
  }

  /// What is to be said where the server listens on another port than the inventory has: it may be
  /// meant so, behind an address translation.
  private static func elsewhere(
    _ attempt: ReverseAttempt, _ own: OwnServer, _ node: String
  ) -> String {
    guard attempt.port == .server, case .answers(_, let port) = own,
      attempt.address.split(separator: ":").last.map(String.init) != "\(port)"
    else { return "" }
    return " (the server listens on port \(port): is `server` of \(node) in the inventory right?)"
  }

  private static func explanation(
    _ attempt: ReverseAttempt, _ outcome: ReverseOutcome, _ detail: String, _ look: ReverseLook,
    _ node: String
  ) -> String {
    let place = "\(attempt.address) (\(attempt.port.title))"
    let forward =
      look.forward == .fine || look.forward == .degraded
      ? "\(node) reaches \(look.keyManager), but " : ""
    switch outcome {
    case .refused:
      return
        "\(forward)\(place) refuses \(look.keyManager): a firewall on \(node) or before it rejects it"
    case .timedOut:
      return
        "\(forward)\(place) does not answer \(look.keyManager): a firewall drops it, or there is no reverse path"
    case .noAnswer:
      return
        "\(forward)\(place) takes the connection of \(look.keyManager) and gives no answer in time: one of the two is overloaded, or large packets are lost between them"
    case .noRoute: return "\(forward)\(look.keyManager) has no route to \(place): \(detail)"
    case .noAddress: return "\(look.keyManager) cannot resolve \(place): \(detail)"
    case .anotherHost: return "\(look.keyManager) reaches another host at \(place): \(detail)"
    case .reached, .failed: return "\(place), asked from \(look.keyManager): \(detail)"
    }
  }
}

extension ServerFace {
  /// Why this is not the server that the node itself sees; nil if nothing says so.
  ///
  /// A certificate that nodes share tells nothing, nor does its absence; then what MinIO says of its
  /// host counts.
  func difference(from own: ServerFace, node: String) -> String? {
    if publicKey != own.publicKey {
      switch (publicKey, own.publicKey) {
      case (nil, _): return "it answers without TLS, the server of \(node) with it"
      case (_, nil): return "it answers with TLS, the server of \(node) without"
      default: return "its certificate is not the one of the server of \(node)"
      }
    }
    if let host, let ownHost = own.host, host != ownHost {
      return "its MinIO says of itself that it is another node than \(node)"
    }
    return nil
  }
}

extension ReverseDirection {
  /// What to do about it.
  fileprivate var remedy: String? {
    let outcomes = links.filter { $0.verdict == .failed }.map(\.outcome)
    if outcomes.contains(.anotherHost) {
      return
        "compare what \(keyManager) resolves and routes with the inventory, and look for an address that is used twice"
    }
    if outcomes.contains(.noAddress) {
      return "check the host's name, and the resolver of \(keyManager)"
    }
    if outcomes.contains(.noRoute) { return "check the routes of \(keyManager)" }
    let dropped: Set<ReverseOutcome> = [.refused, .timedOut]
    if !dropped.isDisjoint(with: outcomes) {
      let ports = links.filter { dropped.contains($0.outcome) && $0.verdict == .failed }.compactMap
      { link in
        link.address.split(separator: ":").last.map { "\($0)/tcp" }
      }
      let list = ports.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
      return
        "allow \(list.joined(separator: " and ")) from \(keyManager), and check the routes between them"
    }
    if outcomes.contains(.noAnswer) {
      return
        "try again when both hosts have less to do; if it stays so, compare the MTU along the way"
    }
    return nil
  }
}

extension ReverseUnverified {
  /// What to do about it.
  var remedy: String {
    switch self {
    case .noWitness:
      "run keyturnd with role witness there and name it in the inventory (docs/use/install.md, \"Witnesses\")"
    case .notInInventory: "add it to keyManagers in the inventory"
    case .silent:
      "look at systemctl status keyturnd on that host, and see that its port (7377/tcp) is open from here"
    case .serverDown: "start the server, or wait until it serves"
    }
  }
}

extension ReversePort {
  /// For people.
  package var title: String {
    switch self {
    case .agent: "agent"
    case .server: "MinIO"
    }
  }
}
