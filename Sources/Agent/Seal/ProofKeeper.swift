// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import KeyManager
internal import Model
internal import Rollout
internal import Threads

/// Keeps the proofs of the sealed key: remembers what came of opening them, takes those of the other nodes, and makes
/// those that nobody has (docs/decisions/0058-key-proofs.md).
final class ProofKeeper: Sendable {
  struct State {
    fileprivate(set) var kept: KeyProofs
    /// When all of them were opened last; nil if they were not since the agent's start.
    var openedAt: Instant?
    /// Why they were not opened at the last look; nil if they were.
    var unopened: Refusal?
    /// Through which endpoints.
    var openedThrough: [String] = []
    /// The seal that the rest is about; nil before the first look.
    var seal: Digest?
    /// What is wrong; nil if nothing is, or while nothing is known.
    var problem: Finding?
    /// Another key that was seen, and may be there still; nil if none may.
    var alarm: KeyProofAlarm?
    /// Why one is missing still; nil if none is.
    var missing: String?
    /// Since when; nil if none is.
    var missingSince: Instant?
    /// That some nodes tell proofs that do not open; nil if none do.
    var doubt: Finding?
    /// Whether the record of them is damaged, and none has been taken since: there may be one that does not open.
    var isLost = false
    /// Whether most of the nodes said at the last look that they have no proof either.
    var isKnownEmpty = false
    /// Which host opened them last, by the endpoint that it answers for.
    var hosts: [String: String] = [:]

    /// How long one has been missing; 0 if none is.
    func missingMilliseconds(at now: Instant) -> Int {
      missingSince.map { max(0, now.milliseconds(since: $0)) } ?? 0
    }
  }

  let site: Site
  let seals: SealKeeper
  let state: Lock<State>

  /// - Parameter kept: what the record says; nil if it is damaged.
  init(_ site: Site, seals: SealKeeper, kept: KeyProofs?) {
    self.site = site
    self.seals = seals
    state = Lock(State(kept: kept ?? KeyProofs(), isLost: kept == nil))
  }

  // MARK: what is known

  /// The proofs of the present seal, of the records alone. Does not block.
  var own: KeyProofs {
    seals.seal.map { seal in state.withLock { $0.kept.of(binding(seal)) } } ?? KeyProofs()
  }

  /// What a plan, a vote or a start opens: the own proofs, or where there are none those that most of the other nodes
  /// have. Blocks while they are asked.
  func toOpen() -> [KeyProof] {
    guard let seal = seals.seal else { return [] }
    let own = own
    if !own.all.isEmpty || state.withLock({ $0.isKnownEmpty }) { return own.all }
    return told(askOthers(seal), except: own).common
  }

  func told(_ answers: [KeyProofsAnswer], except own: KeyProofs) -> ToldProofs {
    ToldProofs(
      answers.map { ($0.node, $0.proofs) }, except: own, at: Clock.realtimeMicroseconds())
  }

  /// What is wrong with the key, as it was seen last.
  var problem: Finding? { state.withLock { $0.problem } }

  /// What stands of another key at these Key Managers after a look that has seen nothing of it: behind a load balancer it
  /// may have met another host.
  func standing(after reports: [EndpointReport]) -> Finding? {
    guard let finding = state.withLock({ $0.alarm?.after(reports)?.finding }),
      reports.contains(where: { $0.endpoint == finding.link?.keyManager })
    else { return nil }
    return finding
  }

  /// That a key is sealed and there is no proof of it; nil if there is one, and where no key is sealed.
  var none: Finding? {
    guard seals.seal != nil, own.all.isEmpty else { return nil }
    let why = state.withLock { $0.missing }.map { " (\($0))" } ?? ""
    return Finding(
      .warning, rule: KeyProofs.missingRule, refusal: .keyManager, variable: "MINIO_KMS_SSE_KEY",
      message:
        "there is no key proof yet\(why): that the Key Managers have the very key that the cluster has encrypted with, and not one of its name, is not known",
      remedy:
        "`keyturn proof` shows what each node waits for"
    )
  }

  /// Whether the next look should come soon: something is wrong, or a proof is missing. What a node tells that is in doubt
  /// must not have all ask more often.
  var isPressing: Bool { state.withLock { $0.problem?.severity == .error || $0.missing != nil } }

  /// What status says of them; nil where no key is sealed.
  func status(at now: Instant) -> KeyProofStatus? {
    guard seals.seal != nil else { return nil }
    let own = own
    return state.withLock { state in
      KeyProofStatus(
        count: own.all.count, newestAtMicroseconds: own.all.last?.madeAt,
        openedSecondsAgo: state.openedAt.map { max(0, now.milliseconds(since: $0) / 1_000) },
        openedThrough: state.openedAt.map { _ in state.openedThrough }, missing: state.missing,
        problem: state.problem.flatMap { $0.severity == .error ? $0.statement : nil },
        unopened: state.unopened)
    }
  }

  /// What the other nodes, and who looks for evidence, are told. Blocks while the unit is read.
  func answer() -> KeyProofsAnswer {
    let record = seals.record()
    return KeyProofsAnswer(
      node: site.node, seal: record.seal?.digest, isServing: isServing(record), proofs: own,
      status: status(at: Clock.now()))
  }

  func binding(_ seal: Seal) -> KeyProof.Binding {
    KeyProof.Binding(cluster: site.inventory.cluster, seal: seal.digest)
  }

  /// Whether the own server runs, is READY, and uses the sealed key.
  func isServing(_ record: SealRecord) -> Bool {
    guard let seal = record.seal else { return false }
    let view = seals.view(record)
    return view.isServing && view.runningKey == seal.key
  }

  // MARK: what a look has found

  /// No key is sealed.
  func forget() {
    state.update { $0 = State(kept: $0.kept, isLost: $0.isLost) }
    conclude(nil, missing: nil)
  }

  /// What was known of another seal says nothing of this one.
  func begin(_ seal: Seal) {
    state.update { state in
      if let before = state.seal, before != seal.digest {
        state = State(kept: state.kept, isLost: state.isLost)
      }
      state.seal = seal.digest
    }
  }

  /// What a look found of another key; nil if nothing.
  func alarm(_ findings: [Finding], _ reports: [EndpointReport]) -> Finding? {
    let found = findings.filter { $0.rule == KeyProofJudgement.rule }
    guard var finding = found.first else { return nil }
    let others = found.dropFirst().compactMap { $0.link?.keyManager }
    if !others.isEmpty {
      finding.message += "; another key is also at \(others.joined(separator: ", "))"
    }
    // One that has answered rightly before and another one now: there are several under one name.
    let before = state.withLock { $0.hosts }
    for report in reports where report.hasOtherKey && report.endpoint == finding.link?.keyManager {
      guard let host = report.sights.lazy.compactMap(\.host).first,
        let right = before[report.endpoint], right != host
      else { continue }
      finding.message +=
        "; \(right), which answered for \(report.endpoint) before, had the right one: several Key Managers are, or were, behind one name"
    }
    noteAlarm(finding, reports)
    return finding
  }

  /// - Parameter reports: what the look saw that found it; none where it was found without one.
  func noteAlarm(_ finding: Finding, _ reports: [EndpointReport]) {
    state.update { $0.alarm = KeyProofAlarm(finding, reports, before: $0.alarm) }
  }

  /// All proofs have opened in a look.
  func noteOpened(_ reports: [EndpointReport]) {
    state.update { state in
      (state.openedAt, state.unopened) = (Clock.now(), nil)
      state.openedThrough = reports.filter { $0[.proof]?.verdict == .fine }.map(\.endpoint)
      state.alarm = state.alarm?.after(reports)
      // Of endpoints that are asked no more nothing is kept.
      state.hosts = state.hosts.filter { host in reports.contains { $0.endpoint == host.key } }
    }
    noteHosts(reports)
  }

  /// Which hosts have the right key.
  func noteHosts(_ reports: [EndpointReport]) {
    state.update { state in
      for report in reports where report[.proof]?.verdict == .fine {
        if let host = report.sights.lazy.compactMap(\.host).first {
          state.hosts[report.endpoint] = host
        }
      }
    }
  }

  /// Remembers what came of a look, beside an alarm that stands. The watch tells what is new of it.
  func conclude(_ found: Finding?, missing: String?) {
    let now = Clock.now()
    let isNew = state.update { state in
      state.missingSince = missing == nil ? nil : state.missingSince ?? now
      let isLate = state.missingMilliseconds(at: now) >= Limits.keyProofLateMilliseconds
      let late = isLate ? missing.map(Self.late) : nil
      // The worst of them; of those that are as bad the first.
      let problem = [found, state.alarm?.finding, state.doubt, late].compactMap(\.self)
        .reduce(nil) { (worst: Finding?, next) in
          worst.map { $0.severity >= next.severity } == true ? worst : next
        }
      defer { (state.problem, state.missing) = (problem, missing) }
      return state.problem?.severity != problem?.severity
    }
    if isNew { site.ports.watch.wake() }
  }

  /// What is wrong where a proof is missing for long.
  private static func late(_ why: String) -> Finding {
    Finding(
      .warning, rule: KeyProofs.missingRule, refusal: .keyManager, variable: "MINIO_KMS_SSE_KEY",
      message:
        "no key proof of the key as it is now, for more than \(Limits.keyProofLateMilliseconds / 60_000) minutes: \(why)",
      remedy: "`keyturn proof` shows what each node waits for")
  }

  func keep(_ proofs: [KeyProof], of seal: Seal, _ how: String) {
    let kept = state.update { state in
      var kept = state.kept.of(binding(seal))
      for proof in proofs { kept.add(proof) }
      (state.kept, state.isLost) = (kept, false)
      return kept
    }
    do throws(Refusal) {
      try site.records.proofs.save(kept)
      let versions = proofs.map { "version \($0.version)" }.joined(separator: ", ")
      site.log(.notice, "key proof of \(seal.key.text) (\(versions)): \(how)")
    } catch { site.log(.warning, "the key proofs are lost at the next restart: \(error.message)") }
  }

  /// What those of the others say that answer and have the same seal. Blocks while they are asked.
  func askOthers(_ seal: Seal) -> [KeyProofsAnswer] {
    let names = site.peers.names
    let answers = site.peers.ask(
      .keyProofs, of: names, .later, deadline: .inMilliseconds(Limits.peersMilliseconds))
    let binding = binding(seal)
    return zip(names, answers).compactMap { name, answer in
      guard case .success(let said) = answer, said.node == name, said.seal == binding.seal,
        said.proofs.of(binding) == said.proofs
      else { return nil }
      return said
    }
  }
}
