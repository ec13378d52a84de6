// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import Rollout
internal import Threads

/// What a look came to.
struct LinkRecord: Sendable {
  var at: Instant
  /// The forward direction, one for each endpoint.
  var reports: [EndpointReport]
  var directions: [ReverseDirection]
  /// Errors that are not of one link: settings that cannot be read, a reverse path that must be verified and is not.
  var errors: [Finding]

  func ageSeconds(at now: Instant) -> Int { max(0, now.milliseconds(since: at) / 1_000) }

  private static let verdicts: [ProbeVerdict] = [.fine, .notChecked, .degraded, .failed]

  /// How each endpoint is as a whole: stages that there was no need to check do not count.
  private var forward: [ProbeVerdict] {
    reports.map { report in
      let verdicts = report.stages.map(\.verdict).filter { $0 != .notChecked }
      return verdicts.max() ?? .notChecked
    }
  }

  private static func count(_ those: [ProbeVerdict], _ verdict: ProbeVerdict) -> Int {
    those.count { $0 == verdict }
  }

  var counts: [(direction: String, verdict: ProbeVerdict, count: Int)] {
    [("forward", forward), ("back", directions.map(\.verdict))].flatMap { direction, those in
      Self.verdicts.map { (direction, $0, Self.count(those, $0)) }
    }
  }

  /// When the first certificate of the Key Managers and of the own server ends, of those that were seen.
  var certificates: [(of: String, until: Int64)] {
    let keyManagers = reports.flatMap(\.addresses).compactMap { $0.link?.notAfter }
    // As the witnesses saw it.
    let server = directions.flatMap(\.links).filter { $0.port == .server }.compactMap(\.validUntil)
    return [("keyManager", keyManagers.min()), ("server", server.min())].compactMap { of, until in
      until.map { (of, $0) }
    }
  }

  /// Whether a link does not work.
  var hasFailed: Bool { (forward + directions.map(\.verdict)).contains(.failed) }

  /// What is wrong, a sentence for each link, the worst first.
  var problems: [String] {
    let forward = reports.compactMap { report -> (ProbeVerdict, String)? in
      guard let worst = report.worst, worst.verdict >= .degraded else { return nil }
      return (worst.verdict, "\(report.endpoint): \(worst.stage.title): \(worst.detail)")
    }
    let back = directions.filter { $0.verdict >= .degraded }.map {
      ($0.verdict, "from \($0.keyManager) back: \($0.text)")
    }
    let all = forward + back
    return all.filter { $0.0 == .failed }.map(\.1) + all.filter { $0.0 == .degraded }.map(\.1)
  }

  func summary(at now: Instant) -> LinkSummary {
    let all = forward + directions.map(\.verdict)
    return LinkSummary(
      ageSeconds: ageSeconds(at: now), fine: Self.count(all, .fine),
      degraded: Self.count(all, .degraded), failed: Self.count(all, .failed),
      notChecked: Self.count(all, .notChecked), worst: problems.first ?? "")
  }
}

/// The node's own look at its Key Managers, again and again: status and metrics show the last one
/// without asking anybody. It is the check of `keyturn check`, one connection to an endpoint.
final class LinkWatch: Sendable {
  /// Between two looks, milliseconds; up to a sixth more or less, so that nodes which were started
  /// together do not ask together.
  static let linkMilliseconds = 60_000
  /// The same while a link fails, or a witness has the certificate of its file to join with: status and metrics must
  /// know soon that it was mended.
  static let failedMilliseconds = 10_000
  /// The first look comes within this time, milliseconds.
  private static let firstLinkMilliseconds = 10_000
  /// Between two looks while a witness has not got the nodes' inventory yet, milliseconds.
  private static let witnessMilliseconds = 5_000

  private let site: Site
  private let reversePath: ReversePath
  private let rollouts: any RolloutState
  private let seals: SealKeeper
  private let proofs: ProofKeeper
  private let state = Lock<LinkRecord?>(nil)

  init(
    _ site: Site, reversePath: ReversePath, rollouts: any RolloutState, seals: SealKeeper,
    proofs: ProofKeeper
  ) {
    self.site = site
    self.reversePath = reversePath
    self.rollouts = rollouts
    self.seals = seals
    self.proofs = proofs
  }

  /// The last look; nil before the first.
  var last: LinkRecord? { state.withLock { $0 } }

  /// Starts the looks, which go on as long as the process, on a thread of their own.
  func watch() throws(Refusal) {
    try site.startThread("links") { [self] in
      Clock.sleep(
        until: .inMilliseconds(RandomNumbers.integer(in: 1_000...Self.firstLinkMilliseconds)))
      while true {
        let committed = rollouts.now.record.lastCommitted?.rollout.id
        // A rollout's votes ask for themselves, and its restarts are no news.
        if rollouts.now.isAtRest { look() }
        let isPressing =
          (last?.hasFailed ?? false) || proofs.isPressing || reversePath.seesNewWitness
        let pause =
          reversePath.isWaitingForWitness
          ? Self.witnessMilliseconds
          : isPressing ? Self.failedMilliseconds : Self.linkMilliseconds
        let spread = pause / 6
        // What was rolled out may have changed the key, or what leads to it.
        rollouts.waitForCommit(
          otherThan: committed,
          until: .inMilliseconds(pause + RandomNumbers.integer(in: -spread...spread)))
      }
    }
  }

  /// One look. Blocks up to the inventory's probe timeout. Says in the log when a link has failed or
  /// works again, once.
  func look() {
    let milliseconds = site.inventory.timeouts.probeSeconds * 1_000
    let links = probe(ServerView(site), deadline: .inMilliseconds(milliseconds))
    // A Key Manager that is silent has used up the time of the look.
    if let sight = links.sight { proofs.tend(sight, deadline: .inMilliseconds(milliseconds)) }
    let record = LinkRecord(
      at: Clock.now(), reports: links.reports, directions: links.directions,
      errors: links.findings.filter { $0.severity == .error && $0.link == nil })
    let before = state.update { state in
      defer { state = record }
      return state?.problems ?? []
    }
    let now = record.problems
    // The catalogue explains both (systemd/keyturn.catalog).
    for problem in now where !before.contains(problem) {
      site.ports.event(
        AgentEvent(
          id: "cf39e54a1c954da08f86925c64f94ede", priority: .warning, message: problem, fields: []))
    }
    if now.isEmpty, !before.isEmpty {
      site.ports.event(
        AgentEvent(
          id: "8d48bbfa244944e6bb14ce0ed8274a3f", priority: .notice,
          message: "all links to the Key Managers and back are fine again", fields: []))
    }
  }

  /// What the probes of both directions saw.
  struct Links {
    var reports: [EndpointReport] = []
    var directions: [ReverseDirection] = []
    var back: [ReverseAnswer] = []
    var findings: [Finding] = []
    /// What was seen with the settings; nil without any.
    var sight: ProofKeeper.Sight?
  }

  /// Both directions at once: the endpoints of the settings, or else the inventory's Key Managers.
  /// Blocks until the deadline at the longest.
  func probe(_ view: ServerView, deadline: Instant) -> Links {
    var links = Links()
    let arguments = view.arguments(view.server)
    let surroundings = view.surroundings(view.server)
    let inForce = try? view.inForce()
    let isEncrypted =
      KeyGuard.Holder(seal: seals.record().seal, running: inForce, unit: view.unit) != nil
    do throws(Refusal) {
      let pending: ReversePath.Pending
      if let settings = try KeyManagerSettings.parse(view.variables) {
        pending = reversePath.begin(
          endpoints: settings.endpoints, server: arguments, deadline: deadline)
        links.reports = site.ports.probe.keyManagers(
          settings, surroundings: surroundings, proofs: proofs.own.all, deadline: deadline)
        links.findings += KeyManagerJudgement.findings(
          links.reports, settings: settings, firstEnablement: !isEncrypted, createKey: false)
        let running = inForce.flatMap { try? KeyManagerSettings.parse($0) }
        links.sight = ProofKeeper.Sight(
          settings: settings, surroundings: surroundings, reports: links.reports,
          findings: links.findings,
          isInForce: running.map { KeySource($0) == KeySource(settings) } ?? false)
      } else {
        let hosts = site.inventory.keyManagers.compactMap(\.place)
        pending = reversePath.begin(
          endpoints: hosts.map { Endpoint(host: $0.host, port: $0.port) }, server: arguments,
          deadline: deadline)
        links.reports = site.ports.probe.keyManagers(
          at: hosts, surroundings: surroundings, deadline: deadline)
      }
      links.directions = pending.directions(links.reports)
      links.back = pending.answers(links.directions)
      links.findings += pending.findings(links.directions)
    } catch {
      links.findings.append(
        Finding(.error, rule: "kms-settings", refusal: error.code, message: error.message))
    }
    return links
  }
}
