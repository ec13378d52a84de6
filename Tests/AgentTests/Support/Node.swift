// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import Testing
import Threads

let apiKey = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
let identity = "h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE"
let plainFile = """
  # our cluster
  MINIO_VOLUMES="http://minio-{1...2}:9000/data"
  MINIO_ROOT_USER="admin"

  """
let enabling = [
  SettingChange(name: "MINIO_KMS_SERVER", value: Secret("https://kms-1.example.net:7373")),
  SettingChange(name: "MINIO_KMS_ENCLAVE", value: Secret("store")),
  SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-1")),
  SettingChange(name: "MINIO_KMS_API_KEY", value: Secret(apiKey)),
]
let alice = Principal(cluster: "prod", role: .operator, name: "alice")

/// A certificate that is shown, and cannot be renewed.
struct FixedCredentials: CredentialPort {
  let certificate: OwnCertificate

  func request() throws(Refusal) -> CertificateRequestAnswer {
    throw Refusal(.failed, "there is no key here")
  }
  func install(_ certificate: String) throws(Refusal) {
    throw Refusal(.failed, "there is no key here")
  }
  var revocation: RevokedCertificate? { nil }
  var revocations: Int? { nil }
  var revocationList: SignedRevocations? { nil }
  func revoke(_ list: SignedRevocations) throws(Refusal) -> Int {
    throw Refusal(.failed, "there is no CA here")
  }
  var authorities: AuthoritiesAnswer {
    AuthoritiesAnswer(number: 0, trusted: [.sha256([])], own: .sha256([]))
  }
  func trust(_ list: SignedAuthorities) throws(Refusal) {
    throw Refusal(.failed, "there is no CA here")
  }
}

/// One node's agent over a host in memory, and what an operator would do with it.
struct Node {
  let host: FakeNodeHost
  let agent: Agent
  /// What all nodes said of their seals at the last plan, as the command line keeps it.
  let seals: Lock<[SealView]>

  init(
    _ host: FakeNodeHost = FakeNodeHost(file: plainFile), name: String = "minio-1",
    of names: [String] = ["minio-1"], environmentFile: String = "/etc/default/minio",
    peers: any PeerPort = FakeNodeHost.NoPeers(), times: RecoveryTimes = RecoveryTimes(),
    settles: Bool = true, seals: Lock<[SealView]> = Lock([]),
    collectorTimes: CollectorTimes = CollectorTimes(), rollback: RollbackPolicy = .whenSafe,
    certificate: OwnCertificate? = nil,
    outsideNodes: [String] = (1...99).map { "minio-\($0)" }, proposals: ProposalRules? = nil
  ) {
    self.host = host
    self.seals = seals
    agent = Agent(
      node: name,
      inventory: Inventory(
        cluster: "prod", nodes: names.map { .init(name: $0, address: $0) },
        environmentFile: environmentFile, timeouts: .init(settleSeconds: 0), rollback: rollback,
        outsideNodes: outsideNodes, proposals: proposals),
      version: AgentVersion("test"), ports: host.ports(peers: peers, isForNewAgent: true),
      credentials: certificate.map(FixedCredentials.init), times: times,
      collectorTimes: collectorTimes)
    agent.start()
    if settles { agent.catchUp(until: .inMilliseconds(5_000)) }
  }

  func send(
    _ method: String, _ path: String, _ body: [UInt8] = [], as principal: Principal = alice,
    query: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    agent.answer(
      HTTPRequest(method, path, query: query, body: body), from: principal)
  }

  func plan(
    _ changes: [SettingChange], kind: RolloutKind = .apply, to earlier: Int? = nil,
    changesPools: Bool? = nil
  ) throws -> PlanAnswer {
    let request = PlanRequest(
      RolloutRequest(
        kind: kind, generation: earlier, changes: changes, changesPools: changesPools))
    let response = send("POST", "/v1/plan", JSON.encode(request))
    return try JSON.decode(PlanAnswer.self, from: response.body)
  }

  func rollout(
    _ changes: [SettingChange], id: String = "00000000000000aa", kind: RolloutKind = .apply,
    to earlier: Int? = nil, number: Int? = nil, settleMilliseconds: Int = 0
  ) throws -> Rollout {
    let plan = try plan(changes, kind: kind, to: earlier)
    seals.update { $0 = [plan.sealView].compactMap(\.self) }
    let isKept = kind == .restart && plan.isLastGeneration
    let seal =
      plan.seal == nil
      ? plan.key.map {
        Seal(
          cluster: "prod", keyName: $0.name, enclave: $0.enclave, rollout: id,
          sealedAtMicroseconds: 1, previous: plan.lifted)
      } : nil
    return Rollout(
      id: id, epoch: plan.epoch + 1, kind: kind, cluster: "prod",
      generation: number ?? plan.generation + (isKept ? 0 : 1), seal: seal,
      contents: [
        MemberContent(
          member: "minio-1", incarnation: plan.incarnation, path: plan.path, before: plan.before,
          after: plan.after)
      ],
      createdBy: "alice", prepareMilliseconds: 5_000, stopMilliseconds: 5_000,
      startMilliseconds: 10_000, settleMilliseconds: settleMilliseconds)
  }

  func prepare(
    _ rollout: Rollout, _ changes: [SettingChange], to earlier: Int? = nil
  ) throws -> VoteAnswer {
    let request = PrepareRequest(
      rollout: rollout,
      request: RolloutRequest(
        kind: rollout.kind, generation: earlier, changes: changes, undoes: rollout.undoes),
      seals: seals.withLock { $0 })
    let response = send("POST", "/v1/rollouts", JSON.encode(request))
    return try JSON.decode(VoteAnswer.self, from: response.body)
  }

  /// - Parameter incarnation: the one that the message is for; nil for the agent's own.
  func decide(
    _ rollout: Rollout, _ decision: Decision, as incarnation: Incarnation? = nil
  ) throws -> ReplyAnswer {
    let request = DecisionRequest(
      epoch: rollout.epoch, incarnation: incarnation ?? agent.incarnation, decision: decision,
      instant: Clock.now(),
      bootID: host.state.withLock { $0.boot },
      reason: "another node said no")
    let response = send(
      "POST", "/v1/rollouts/\(rollout.id)/decision", JSON.encode(request))
    return try JSON.decode(ReplyAnswer.self, from: response.body)
  }

  func history() throws -> HistoryAnswer {
    try JSON.decode(HistoryAnswer.self, from: send("GET", "/v1/generations").body)
  }

  /// GET /v1/generations/N/diff; against the file as it is without `to`.
  func diff(_ from: Int, _ to: Int? = nil) -> HTTPResponse {
    send(
      "GET", "/v1/generations/\(from)/diff", query: to.map { [(name: "to", value: "\($0)")] } ?? [])
  }

  /// Follows the rollout to its end by long polls.
  func outcome(_ rollout: Rollout) throws -> Outcome? {
    var after = 0
    for _ in 0..<100 {
      let response = send(
        "GET", "/v1/rollouts/\(rollout.id)",
        query: [(name: "after", value: String(after)), (name: "wait", value: "5000")])
      let view = try JSON.decode(RolloutView.self, from: response.body)
      if let outcome = view.outcome { return outcome }
      after = view.events.last?.sequence ?? after
    }
    return nil
  }

  /// The whole way: plan, vote, accept, commit, confirmed.
  @discardableResult
  func apply(
    _ changes: [SettingChange], id: String = "00000000000000aa", kind: RolloutKind = .apply,
    to earlier: Int? = nil, number: Int? = nil
  ) throws -> Outcome? {
    let rollout = try rollout(changes, id: id, kind: kind, to: earlier, number: number)
    let vote = try prepare(rollout, changes, to: earlier)
    #expect(vote.refusal == nil)
    let request = AcceptRequest(
      epoch: rollout.epoch, incarnation: agent.incarnation,
      proposal: BallotValue(
        ballot: .coordinator, decision: .commit, instant: Clock.now(), bootID: "boot-1"))
    _ = send("POST", "/v1/rollouts/\(rollout.id)/accept", JSON.encode(request))
    _ = try decide(rollout, .commit)
    return try outcome(rollout)
  }

  /// Writes the record as it is just after the commit, in an agent that never got to act.
  ///
  /// - Parameter then: what the member was told besides.
  func recordCommit(
    of rollout: Rollout, at instant: Instant = Instant(nanoseconds: 1), boot: String = "boot-1",
    then: ParticipantInput? = nil
  ) throws {
    let bytes = try #require(host.state.withLock { $0.records["rollout"] })
    var participant = Participant(
      member: agent.node, incarnation: agent.incarnation,
      record: try JSON.decode(ParticipantRecord.self, from: bytes))
    let moment = Moment(now: Clock.now(), bootID: boot, jitterMilliseconds: 0)
    let key = rollout.key(for: agent.node)
    let commit = ParticipantInput.decided(key, .commit, instant: instant, bootID: boot, reason: "")
    for input in [commit, then].compactMap(\.self) { _ = participant.handle(input, at: moment) }
    host.state.update { $0.records["rollout"] = JSON.encode(participant.record) }
  }
}
