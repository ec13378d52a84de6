// SPDX-License-Identifier: Apache-2.0
internal import API
package import Model
package import Rollout
internal import Threads

/// The agent of one AIStor node: joins its rooms. What it answers is in the folder API.
package final class Agent: Sendable {
  /// Nil where there is no TLS.
  let credentials: (any CredentialPort)?
  let site: Site
  package let doorkeeper: Doorkeeper
  let damage: RecordDamage
  let rollouts: MemberState
  let generations: Generations
  let timelines: Timelines
  let seals: SealKeeper
  let proofs: ProofKeeper
  let drift: DriftWatch
  let reversePath: ReversePath
  let links: LinkWatch
  let assessor: Assessor
  let sharedCheck = SharedCheck()
  /// Of observers who want pages of the server's journal.
  let pageTurns = ConcurrencyLimit(limit: ConcurrencyLimit.observersPages)
  let results: RolloutResults
  let coordination: OwnCoordination
  let proposals: ProposalKeeper
  let summary: RolloutSummary
  let holds: StartHolds
  let member: Member
  let inventoryWatch: InventoryWatch

  package var node: String { site.node }
  /// The life of the state directory; nil if the record of it is damaged or could not be written, and
  /// then nothing is voted on.
  var incarnation: Incarnation? { assessor.incarnation }
  var inventory: Inventory { site.inventory }
  var ports: Ports { site.ports }

  /// An agent with what its records say. A damaged record does not stop it: it refuses to vote, and
  /// says so.
  ///
  /// - Parameters:
  ///   - credentials: the certificate's end is told when it comes near.
  ///   - times: how long it waits in doubt.
  ///   - collectorTimes: how long it waits for the coordinator after its own end.
  package init(
    node: String, inventory: Inventory, version: AgentVersion, ports: Ports,
    credentials: (any CredentialPort)? = nil,
    times: RecoveryTimes = RecoveryTimes(), collectorTimes: CollectorTimes = CollectorTimes()
  ) {
    self.credentials = credentials
    site = Site(node: node, inventory: inventory, version: version, ports: ports)
    doorkeeper = Doorkeeper(site.inventories, site.refusals)
    let history = History(port: ports.records)
    let stored = StoredState(site, history)
    damage = stored.damage
    let record = stored.participant
    rollouts = MemberState(
      Participant(
        member: node, incarnation: damage.hasLostPromises ? nil : stored.incarnation,
        record: record,
        times: times))
    generations = Generations(
      site, history, lastNumber: stored.lastGeneration, rollouts: rollouts)
    timelines = Timelines(site, resuming: record)
    seals = SealKeeper(site, rollouts: rollouts, generations: generations)
    proofs = ProofKeeper(site, seals: seals, kept: stored.proofs)
    let key = KeyDrift(site, seals: seals, proofs: proofs)
    drift = DriftWatch(
      site, confirmed: stored.confirmed, entries: stored.drift, rollouts: rollouts,
      generations: generations, seals: seals, key: key)
    reversePath = ReversePath(site)
    links = LinkWatch(
      site, reversePath: reversePath, rollouts: rollouts, seals: seals, proofs: proofs)
    assessor = Assessor(
      site, incarnation: stored.incarnation, reversePath: reversePath, generations: generations,
      timelines: timelines, rollouts: rollouts, proofs: proofs)
    results = RolloutResults(site, stored.results)
    coordination = OwnCoordination(site)
    proposals = ProposalKeeper(
      site, stored.proposal, damage: damage.refusal, rollouts: rollouts, seals: seals,
      assessor: assessor, results: results, coordination: coordination)
    summary = RolloutSummary(
      site, times: collectorTimes, rollouts: rollouts, results: results, proposals: proposals,
      coordination: coordination)
    holds = StartHolds(site, rollouts: rollouts)
    member = Member(
      site, times: times, damage: damage, rollouts: rollouts, timelines: timelines,
      generations: generations, seals: seals, key: key, drift: drift, holds: holds,
      summary: summary, proposals: proposals, assessor: assessor)
    let (site, proposals) = (site, proposals)
    inventoryWatch = InventoryWatch(
      site, rollouts: rollouts,
      renewal: Renewal(name: node, credentials: credentials, log: ports.log)
    ) {
      proposals.membersChanged()
      site.ports.watch.wake()
    }
    let known = [record.active?.rollout, record.last?.rollout, record.lastCommitted?.rollout]
      .map { $0?.change == nil ? $0 : nil }
    let targets =
      [inventory.environmentFile, generations.last?.path].compactMap(\.self)
      + known.compactMap { $0?.content(of: node)?.path }
    rollouts.state.update { $0.targets = Set(targets) }
    coordination.ask { [weak self] request, principal in self?.answer(request, from: principal) }
  }

  deinit { site.closeReserve() }

  /// Goes on with what the agent was in before it was stopped. Does not block but on the disk, the bus
  /// and the unit.
  ///
  /// The other members may be asking this one already, and it them: so the daemon serves before it
  /// waits with ``catchUp(until:)``.
  package func start() {
    site.keepReserve()
    for finding in site.inventories.findings() {
      site.log(finding.severity == .error ? .error : .warning, finding.statement)
    }
    member.removeOrphans()
    holds.releaseIfAborted()
    member.perform(.started)
    summary.resume()
    proposals.countInterval()
    proposals.intend(.started)
  }

  /// Starts what goes on beside the rollouts for as long as the process: the looks at the seal, at drift and at the Key
  /// Managers, each on threads of its own.
  package func watch() throws(Refusal) {
    try seals.keepInBackground()
    try drift.watch()
    try links.watch()
    try inventoryWatch.watch()
  }

  /// Blocks until what the agent was in when it was stopped is finished or abandoned: the decision is
  /// known, and a restart that was due has been issued. At most until the deadline; then it goes on
  /// beside everything else, and status shows it. The daemon says READY afterwards, so that after a
  /// reboot the server starts with the right file.
  package func catchUp(until deadline: Instant) {
    let boot = ports.process.bootID()
    _ = rollouts.state.wait(until: deadline) { state -> Bool? in
      switch state.participant.record.active?.stage {
      case .prepared, .accepted: return nil
      case .committed(let instant, let bootID):
        // An instant of another boot is past, whatever its number.
        return bootID == boot && instant > Clock.now() ? true : nil
      case .watching, nil: return true
      }
    }
  }

  /// Whether the agent's state can be had; false only if a thread holds it for good. The watchdog
  /// asks.
  package var isResponsive: Bool { rollouts.state.withLock { _ in true } }

  /// Whether the node is in no rollout.
  package var isAtRest: Bool { rollouts.now.isAtRest }
}
