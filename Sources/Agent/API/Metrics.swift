// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import HTTP
internal import KeyManager
internal import Model
internal import Rollout
internal import Threads

extension Agent {
  /// What is known without asking another host, in Prometheus' text format 0.0.4. Does not block.
  ///
  /// Every label has a fixed set of values; no value of a variable is in it, nor the key's name.
  ///
  /// - Parameter callerUntil: the end of the caller's certificate, seconds since 1970-01-01 UTC.
  func metrics(callerUntil: Int64? = nil) -> HTTPResponse {
    let participant = rollouts.state.withLock { $0.participant }
    let log = drift.log
    var text = MetricsText()
    func family(_ name: String, _ type: String, _ help: String, _ samples: [(String, Int)]) {
      text.family(name, type, help, samples)
    }
    func one(_ value: Bool) -> [(String, Int)] { [("", value ? 1 : 0)] }
    func kinds(_ value: (DriftKind) -> Int) -> [(String, Int)] {
      DriftKind.allCases.map { ("{kind=\"\($0.rawValue)\"}", value($0)) }
    }
    family(
      "keyturn_build_info", "gauge", "The agent's version.",
      [("{version=\"\(site.version.text)\"}", 1)])
    family(
      "keyturn_drift", "gauge", "Things that differ from the last confirmed start.",
      kinds { kind in (log.drift.items ?? []).count { $0.kind == kind } })
    family(
      "keyturn_drift_severity", "gauge", "The same by how bad each of them is.",
      DriftKind.allCases.flatMap { kind in
        Severity.allCases.map { severity in
          (
            "{kind=\"\(kind.rawValue)\",severity=\"\(severity.rawValue)\"}",
            (log.drift.items ?? []).count { $0.kind == kind && $0.severity == severity }
          )
        }
      })
    family(
      "keyturn_drift_total", "counter", "Changes of them that were seen since the agent's start.",
      kinds { log.totals[$0] ?? 0 })
    family(
      "keyturn_drift_watching", "gauge", "Whether changes are seen as they happen.",
      one(log.isWatching))
    let seal = seals.seal
    family("keyturn_sealed", "gauge", "Whether an SSE key is sealed here.", one(seal != nil))
    family(
      "keyturn_seal_fingerprint", "gauge", "A number that is the same on nodes with the same seal.",
      seal.map { [("", $0.digest.fingerprint)] } ?? [])
    family(
      "keyturn_generation", "gauge", "The last confirmed generation of the environment file.",
      [("", generations.last?.number ?? 0)])
    family(
      "keyturn_record_damaged", "gauge", "Whether a damaged record keeps the node from voting.",
      one(damage.refusal != nil))
    family(
      "keyturn_rollout_active", "gauge", "Whether the node is in a rollout.",
      one(participant.record.active != nil))
    family(
      "keyturn_rollout_in_doubt", "gauge",
      "Whether the node has voted yes on a rollout and does not know the decision.",
      one(participant.record.active?.stage.isInDoubt ?? false))
    family(
      "keyturn_recovery_attempts", "gauge",
      "How often the node has tried in vain to end the rollout that it is in doubt of.",
      [("", participant.doubt?.attempts ?? 0)])
    family(
      "keyturn_epoch", "gauge", "The highest epoch that the node has seen.",
      [("", Int(clamping: participant.record.highestEpoch))])
    if let proofs = proofs.status(at: Clock.now()) {
      family(
        "keyturn_key_proofs", "gauge", "Proofs of the sealed key that are kept.",
        [("", proofs.count)])
      family(
        "keyturn_key_proof_problem", "gauge",
        "Whether a Key Manager has another key than the one that was proven.",
        one(self.proofs.problem?.severity == .error))
      family(
        "keyturn_key_proof_opened_age_seconds", "gauge", "How long ago all of them opened.",
        proofs.openedSecondsAgo.map { [("", $0)] } ?? [])
    }
    if let report = drift.lastReport { text.family(report) }
    text.family(
      credentials?.certificate,
      others: (links.last?.certificates ?? []) + (callerUntil.map { [("caller", $0)] } ?? []))
    lastRollout(participant.record.last, &text)
    family(
      "keyturn_refusals_total", "counter",
      "What was refused since the agent's start: requests, plans and votes, by kind.",
      site.refusals.all.map {
        ("{of=\"\($0.question.rawValue)\",kind=\"\($0.code.rawValue)\"}", $0.count)
      })
    let phase = proposals.view().phase
    family(
      "keyturn_proposal_phase", "gauge", "Where what is proposed here stands: 1 for one of them.",
      ProposalPhase.allCases.map { ("{phase=\"\($0.rawValue)\"}", $0 == phase ? 1 : 0) })
    text.family(
      "keyturn_proposal_age_seconds", "gauge",
      "For how long it has been proposed, or the agent has run.",
      milliseconds: proposals.ageMilliseconds.map { [("", $0)] } ?? [])
    if let usage = ports.process.usage() { text.family(usage) }
    if let links = links.last {
      family(
        "keyturn_key_manager_links", "gauge",
        "Links to the Key Managers and back, by how they were at the last look.",
        links.counts.map {
          ("{direction=\"\($0.direction)\",verdict=\"\($0.verdict.rawValue)\"}", $0.count)
        })
      family(
        "keyturn_key_manager_look_age_seconds", "gauge", "How old the last look is.",
        [("", links.ageSeconds(at: Clock.now()))])
    }
    return text.response
  }
}

extension Agent {
  /// How the last rollout ended here.
  private func lastRollout(_ last: FinishedRollout?, _ text: inout MetricsText) {
    text.family(
      "keyturn_last_rollout_outcome", "gauge",
      "How the last rollout ended on this node: 1 for one of them.",
      OutcomeKind.allCases.map {
        ("{outcome=\"\($0.rawValue)\"}", $0 == last?.outcome.kind ? 1 : 0)
      })
    let end = timelines.end
    text.family(
      "keyturn_last_rollout_end_timestamp_seconds", "gauge",
      "When it ended here, seconds since 1970-01-01 UTC.",
      milliseconds: end.map { [("", Int($0.atMicroseconds / 1_000))] } ?? [])
    text.family(
      "keyturn_last_rollout_duration_seconds", "gauge",
      "How long it took here, from the request for the vote to the outcome.",
      milliseconds: end.map { [("", $0.tookMilliseconds)] } ?? [])
    text.family(
      "keyturn_last_rollout_skew_seconds", "gauge",
      "How long after the agreed instant the restart was ordered here.",
      milliseconds: last?.report.map { [("", $0.issued.milliseconds(since: $0.planned))] } ?? [])
  }
}

extension MetricsText {
  /// The agent's own process, by the names that Prometheus' client libraries give them.
  fileprivate mutating func family(_ usage: ProcessUsage) {
    family(
      "process_cpu_seconds_total", "counter", "Processor time of the agent.",
      milliseconds: [("", usage.processorMilliseconds)])
    family(
      "process_resident_memory_bytes", "gauge", "Resident memory of the agent.",
      [("", usage.residentBytes)])
    family(
      "process_open_fds", "gauge", "Descriptors that the agent has open.",
      [("", usage.openDescriptors)])
    family(
      "process_start_time_seconds", "gauge",
      "When the agent was started, seconds since 1970-01-01 UTC.",
      milliseconds: [("", usage.startedMilliseconds)])
  }

  /// The server as it was seen last, and what must be the same on all nodes.
  fileprivate mutating func family(_ report: NodeReport) {
    func flag(_ value: Bool?) -> [(String, Int)] { value.map { [("", $0 ? 1 : 0)] } ?? [] }
    family(
      "keyturn_server_up", "gauge", "Whether the server's main process runs.",
      flag(report.unit?.isRunning))
    family(
      "keyturn_server_ready", "gauge", "Whether it runs and systemd was told that it is READY.",
      flag(report.unit?.isReady))
    family(
      "keyturn_start_guard", "gauge", "Whether every start goes through the start guard.",
      flag(report.hasStartGuard))
    let environments = [("running", report.running), ("files", report.files)]
    family(
      "keyturn_settings_fingerprint", "gauge",
      "A number that is the same on nodes with the same MINIO_* settings.",
      environments.compactMap { name, environment in
        environment.map { ("{of=\"\(name)\"}", $0.digest.fingerprint) }
      })
    family(
      "keyturn_inventory_fingerprint", "gauge",
      "A number that is the same on nodes with the same inventory.",
      [("", Digest.ofFields(report.inventory.map(\.digest.hex)).fingerprint)])
  }
}

extension Digest {
  /// Its first 48 bits: a number that Prometheus, which has binary64 only, holds exactly.
  fileprivate var fingerprint: Int { Int(hex.prefix(12), radix: 16) ?? 0 }
}
