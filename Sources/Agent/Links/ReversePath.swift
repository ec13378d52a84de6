// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import KeyManager
internal import Linux
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// The question to every witness whether its host reaches this node, and the node's answer when one
/// comes to see. What is concluded is KeyManager's `ReverseJudgement`.
final class ReversePath: Sendable {
  private let site: Site
  private let handedOut = Lock(HandedOut())
  /// What the witnesses have shown when they answered last, by their names.
  private let certificates = Lock(WitnessCertificates())
  /// What they said last of the inventory that they go by.
  private let inventories = Lock(WitnessInventories())

  init(_ site: Site) { self.site = site }

  private var node: String { site.node }
  private var ports: Ports { site.ports }

  /// A question that is under way.
  struct Pending {
    fileprivate struct Found: Sendable {
      var looks: [ReverseLook]
      var own: OwnServer
    }
    fileprivate let node: String
    fileprivate let policy: Inventory.UnverifiedDirection
    fileprivate let deadline: Instant
    fileprivate let late: [ReverseLook]
    fileprivate let found: Lock<Found?>
    fileprivate let endpoints: [String: Endpoint]

    /// Blocks until every witness has answered, or the deadline; `forward` is what the node itself
    /// has seen meanwhile.
    func directions(_ forward: [EndpointReport]) -> [ReverseDirection] {
      let end = deadline.advanced(byMilliseconds: ReversePath.graceMilliseconds)
      let found =
        found.wait(until: end) { $0 } ?? Found(looks: late, own: .silent("it was not looked at"))
      return ReverseJudgement.directions(
        found.looks.map { look in
          var look = look
          look.forward = endpoints[look.keyManager].flatMap { endpoint in
            forward.first { $0.endpoint == endpoint.text }?[.tcp]?.verdict
          }
          return look
        }, node: node, own: found.own)
    }

    /// What stands against a rollout, by the inventory's policy.
    func findings(_ directions: [ReverseDirection]) -> [Finding] {
      ReverseJudgement.findings(directions, policy: policy)
    }

    /// The same for `keyturn check`.
    func answers(_ directions: [ReverseDirection]) -> [ReverseAnswer] {
      directions.map { ReverseAnswer($0, endpoint: endpoints[$0.keyManager]?.text) }
    }
  }

  /// Past the deadline: what comes after the last wait is a matter of the processor.
  private static let graceMilliseconds = 500

  /// Begins to ask the witness of every Key Manager in the inventory; returns at once. `endpoints`
  /// are those that the server uses: one that the inventory does not have is unverified.
  func begin(endpoints: [Endpoint], server: ServerArguments, deadline: Instant) -> Pending {
    let inventory = site.inventory
    var known: [String: Endpoint] = [:]
    var strangers: [ReverseLook] = []
    for endpoint in endpoints {
      if let host = inventory.keyManagers.first(where: {
        $0.place?.isSame(as: endpoint.target) == true
      }) {
        known[host.name] = endpoint
      } else {
        known[endpoint.target.text] = endpoint
        strangers.append(ReverseLook(keyManager: endpoint.target.text, answer: .notInInventory))
      }
    }
    let (hosts, others) = (inventory.keyManagers, strangers)
    let late = hosts.map { host in
      ReverseLook(
        keyManager: host.name,
        answer: host.witness == nil ? .noWitness : .silent("the deadline came first"))
    }
    let found = Lock<Pending.Found?>(nil)
    let pending = Pending(
      node: node, policy: inventory.unverifiedDirection, deadline: deadline, late: late + others,
      found: found, endpoints: known)
    guard hosts.contains(where: { $0.witness != nil }) else {
      // Nobody to ask: whether the own server runs does not matter then.
      found.update { $0 = .init(looks: late + others, own: .silent("it was not looked at")) }
      return pending
    }
    let work: @Sendable () -> Void = { [self] in
      let questions =
        [Question.ownServer] + hosts.filter { $0.witness != nil }.map { .witness($0) }
      let answers = Parallel.map(
        questions, thread: "reverse-path",
        until: deadline.advanced(byMilliseconds: Self.graceMilliseconds)
      ) { [self] in ask($0, server, deadline) }
      var (looks, own) = (late, OwnServer.silent("the deadline came first"))
      for answer in answers {
        switch answer {
        case .ownServer(let server): own = server
        case .witness(let name, let answer):
          if let index = looks.firstIndex(where: { $0.keyManager == name }) {
            looks[index].answer = answer
          }
        case nil: break
        }
      }
      found.update { [looks, own] in $0 = .init(looks: looks + others, own: own) }
    }
    do throws(Errno) { try Thread.start("reverse-path", work) } catch { work() }
    return pending
  }

  private enum Question: Sendable {
    case ownServer
    case witness(Inventory.KeyManagerHost)
  }
  private enum Answer: Sendable {
    case ownServer(OwnServer)
    case witness(String, WitnessAnswer)
  }

  private func ask(
    _ question: Question, _ server: ServerArguments, _ deadline: Instant
  ) -> Answer {
    switch question {
    case .ownServer: .ownServer(ports.probe.ownServer(server, deadline: deadline))
    case .witness(let host): .witness(host.name, ask(host, deadline))
    }
  }

  /// What is to be said of the witnesses' certificates at a time, seconds since 1970-01-01 UTC. They tell nobody
  /// themselves.
  func certificateFindings(at seconds: Int64) -> [Finding] {
    certificates.withLock { $0 }.all.compactMap { $0.finding(at: seconds) }
  }

  /// Whether a witness has joined a short while ago and has no key of its own yet: it gets one in a moment.
  var seesNewWitness: Bool {
    let now = Clock.now()
    return certificates.withLock { $0.seesNew(at: now) }
  }

  /// Whether a witness may get the nodes' inventory in a moment.
  var isWaitingForWitness: Bool {
    let now = Clock.now()
    return inventories.withLock { $0.areAwaited(at: now) }
  }

  private func note(_ witness: String, number: Int?, agreed: Int) {
    let now = Clock.now()
    inventories.update { $0.note(witness, number: number, agreed: agreed, at: now) }
  }

  /// Witnesses that were away when the inventory changed.
  func inventoryFindings() -> [Finding] {
    let agreed = site.inventories.agreed
    return inventories.withLock { $0 }.behind(agreed.number).compactMap { witness, number in
      guard agreed.inventory.keyManager(named: witness)?.witness != nil else { return nil }
      return Finding(
        .warning, rule: "witness-inventory", refusal: .vote,
        message:
          "the witness \(witness) goes by inventory number \(number), the nodes by \(agreed.number): nodes that have joined since it refuses",
        remedy: "keyturn inventory apply gives it the nodes' again")
    }
  }

  private func ask(_ host: Inventory.KeyManagerHost, _ deadline: Instant) -> WitnessAnswer {
    let witness = host.name
    let nonce = Self.random()
    handedOut.withLock { $0.handOut(nonce, to: witness, at: Clock.now()) }
    let agreed = site.inventories.agreed.number
    do throws(Refusal) {
      let answer = try ports.witnesses.ask(
        host, WitnessRequest(nonce: nonce), deadline: deadline)
      let now = Clock.now()
      certificates.update { $0.note(witness, answer.certificate, at: now) }
      let report = answer.report
      note(witness, number: report.inventoryNumber ?? 1, agreed: agreed)
      guard report.node == node, report.witness == witness else {
        return .silent("it answers as \(report.witness), and of \(report.node)")
      }
      return .answered(report)
    } catch {
      if error.code == .notPermitted { note(witness, number: nil, agreed: agreed) }
      return .silent(error.message)
    }
  }

  /// The proof that a witness asks for; nil if this agent has handed out no such nonce to it.
  func proof(of nonce: Digest, challenge: Digest, to witness: String) -> Digest? {
    handedOut.withLock {
      $0.proof(of: nonce, challenge: challenge, node: node, to: witness, at: Clock.now())
    }
  }

  /// 32 random bytes, in the form of a digest.
  private static func random() -> Digest {
    var generator = RandomNumbers()
    return .sha256((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }
}

extension HostPort {
  /// Whether both name the same host and port: names without regard to case and a dot at the end.
  fileprivate func isSame(as other: HostPort) -> Bool {
    func plain(_ host: String) -> Substring {
      let lower = host.lowercased()
      return lower.hasSuffix(".") ? lower.dropLast() : lower[...]
    }
    return port == other.port && plain(host) == plain(other.host)
  }
}

extension ReverseAnswer {
  init(_ direction: ReverseDirection, endpoint: String?) {
    self.init(
      keyManager: direction.keyManager, endpoint: endpoint, verdict: .known(direction.verdict),
      unverified: direction.unverified.map { .known($0) }, detail: direction.text,
      links: direction.links.map {
        ReverseLinkAnswer(
          port: .known($0.port), address: $0.address, verdict: .known($0.verdict),
          outcome: .known($0.outcome), milliseconds: $0.milliseconds, detail: $0.text,
          validUntil: $0.validUntil)
      })
  }
}
