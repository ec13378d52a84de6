// SPDX-License-Identifier: Apache-2.0
internal import API
package import Crypto
package import HTTP
internal import JSONCoding
package import KeyManager
package import Model
internal import Rollout
internal import Threads

// The agent of a Key Manager host. It tells a node whether it reaches it from there, and does
// nothing else: it has no records but its own certificate, what it trusts and the agreed inventory, knows no secret, and
// connects only to the nodes at the addresses of that inventory: to the agent and the server of the one that asks, and to
// agents for the list of revoked certificates. What a node sends is one nonce.

/// What a witness needs of its host.
package protocol ReachPort: Sendable {
  /// Connects to every address of both ports of a node. The agent must prove that it holds the
  /// nonce. Blocks until the deadline at the longest.
  func reach(_ node: Inventory.Node, nonce: Digest, deadline: Instant) -> [ReverseAttempt]
}

/// The witness on one Key Manager host.
package final class Witness: Sendable {
  private struct State {
    var inventory: Inventory
    /// The number of the agreed inventory; nil while it is the file's.
    var agreed: InventoryReference?
    var admission: WitnessAdmission
    var underWay = 0
  }

  /// Its name, that of its Key Manager host in the inventory.
  package let name: String
  private let record: Record<KeptInventory>
  /// One inventory at a time.
  private let turn = Lock(Turn())
  private let version: String
  private let renewal: Renewal
  private let reach: any ReachPort
  let peers: any PeerPort
  let revocations: HandedOnRevocations
  private let log: @Sendable (_ priority: LogPriority, _ message: String) -> Void
  private let state: Lock<State>

  /// A witness with its inventory and its certificate, nil where there is no TLS. Blocks on the disk.
  ///
  /// - Parameters:
  ///   - inventory: what its file says; an agreed inventory that it was given before counts instead.
  ///   - records: where that is kept.
  package init(
    name: String, inventory: Inventory, records: any RecordPort, version: String,
    credentials: (any CredentialPort)? = nil,
    reach: any ReachPort, peers: any PeerPort,
    log: @escaping @Sendable (_ priority: LogPriority, _ message: String) -> Void
  ) {
    self.name = name
    record = Record("inventory", records)
    self.version = version
    renewal = Renewal(name: name, credentials: credentials, log: log)
    revocations = HandedOnRevocations(renewal, cluster: inventory.cluster)
    self.reach = reach
    self.peers = peers
    self.log = log
    var kept: AgreedInventory?
    do throws(Refusal) {
      if let record = try record.load() {
        if let problem = record.problem(in: inventory.cluster) {
          log(.error, "the record \"inventory\" is not used, but the file: \(problem)")
        } else {
          kept = record.agreed
        }
      }
    } catch { log(.error, error.message) }
    let known = kept?.inventory ?? inventory
    state = Lock(
      State(inventory: known, agreed: kept?.reference, admission: WitnessAdmission(known)))
  }

  var inventory: Inventory { state.withLock { $0.inventory } }

  /// Whether the state can be had; the watchdog asks.
  package var isResponsive: Bool { state.withLock { _ in true } }
  /// Whether nobody is being connected back to.
  package var isAtRest: Bool { state.withLock { $0.underWay == 0 } }

  /// Answers one request of a caller whose certificate says who it is. Blocks while it connects
  /// back.
  ///
  /// - Parameter certificateUntil: the end of the caller's certificate, seconds since 1970-01-01 UTC; nil where that is
  ///   not known.
  package func answer(
    _ request: HTTPRequest, from principal: Principal, certificateUntil: Int64? = nil
  ) -> HTTPResponse {
    guard let route = Route.of(request, to: .witness)?.route else {
      return refuse(.request, principal)
    }
    if route == .connectBack { return connectBack(request, principal) }
    guard principal.cluster == inventory.cluster else { return refuse(.cluster, principal) }
    guard route.roles.contains(principal.role) else { return refuse(.role, principal) }
    do throws(Refusal) {
      switch route {
      case .metrics: return metrics(callerUntil: certificateUntil)
      case .requestCertificate: return .json(200, try renewal.request())
      case .installCertificate:
        return .json(200, try renewal.install(Self.decode(request), by: principal))
      case .revoke: return .json(200, try renewal.revoke(Self.decode(request), by: principal))
      case .witnessRevocations: return .json(200, try renewal.revocations())
      case .authorities: return .json(200, try renewal.authorities())
      case .trust: return .json(200, try renewal.trust(Self.decode(request), by: principal))
      case .installInventory:
        return .json(200, try goBy(Self.decode(request), by: principal.name))
      default: return .json(200, status())
      }
    } catch {
      return .refusal(error.code == .validation ? 400 : 500, error)
    }
  }

  private static func decode<Value: Decodable>(_ request: HTTPRequest) throws(Refusal) -> Value {
    do throws(JSONFailure) { return try JSON.decode(Value.self, from: request.body) } catch {
      throw Refusal(.validation, "the body of \(request.method) \(request.path): \(error)")
    }
  }

  /// What a certificate's holder is owed here; the answer that it gets instead if there is nothing
  /// that it may do.
  package func standing(of principal: Principal) -> Result<Standing, Dismissal> {
    guard principal.cluster == inventory.cluster else {
      return .failure(Dismissal(answer: refuse(.cluster, principal)))
    }
    switch principal.role {
    case .operator: return .success(.operator)
    case .observer: return .success(.observer)
    case .witness: return .failure(Dismissal(answer: refuse(.role, principal)))
    case .node:
      guard inventory.node(named: principal.name) == nil else { return .success(.member) }
      return .failure(Dismissal(answer: refuse(.unknownNode, principal)))
    }
  }

  /// The answer where there is nothing to tell.
  package struct Dismissal: Error {
    /// The answer to whatever it would ask.
    package var answer: HTTPResponse
  }

  // MARK: connecting back

  private func connectBack(_ request: HTTPRequest, _ principal: Principal) -> HTTPResponse {
    let node: Inventory.Node
    do throws(WitnessAdmission.Refused) {
      node = try state.withLock { $0.admission.admit(principal, at: Clock.now()) }.get()
    } catch { return refuse(error, principal) }
    guard let nonce = Self.nonce(in: request) else { return refuse(.request, principal) }
    // Three fifths of what the node has, one of them at most for waiting: its own way here takes time
    // too.
    let fifth = min(Limits.witnessMilliseconds, inventory.timeouts.probeSeconds * 600) / 3
    let deadline = Instant.inMilliseconds(3 * fifth)
    let hasPlace = state.wait(until: .inMilliseconds(fifth)) { state in
      guard state.underWay < Limits.witnessAtOnce else { return nil as Bool? }
      state.underWay += 1
      return true
    }
    guard hasPlace != nil else { return refuse(.busy, principal) }
    let attempts = reach.reach(node, nonce: nonce, deadline: deadline)
    state.update {
      $0.underWay -= 1
      $0.admission.countServed()
    }
    let number = state.withLock { $0.agreed?.number }
    return .json(
      200,
      ReverseReport(
        witness: name, node: node.name, attempts: attempts, inventoryNumber: number))
  }

  /// The nonce, if that is all there is in the request: whoever names an address has not understood
  /// what a witness does, or wants something else of it.
  private static func nonce(in request: HTTPRequest) -> Digest? {
    guard request.query.isEmpty, request.body.count <= Limits.witnessBodyBytes,
      let fields = try? JSON.decode([String: Digest].self, from: request.body),
      fields.count == 1
    else { return nil }
    return fields["nonce"]
  }

  private func refuse(
    _ reason: WitnessAdmission.Refused, _ principal: Principal
  ) -> HTTPResponse {
    let isNew = state.withLock { $0.admission.count(reason, of: principal) }
    let (status, kind, what): (Int, RefusalCode, String) =
      switch reason {
      case .cluster:
        (403, .notPermitted, "its certificate is of another cluster than \(inventory.cluster)")
      case .role: (403, .notPermitted, "role \(principal.role.rawValue) may not ask this")
      case .unknownNode: (403, .notPermitted, "it is none of the inventory's nodes")
      case .request:
        (
          400, .validation,
          "a witness connects back to who asks, and takes a nonce and nothing else"
        )
      case .rate: (429, .busy, "it asks too often")
      case .busy: (429, .busy, "too many nodes ask at once")
      }
    if isNew {
      log(
        .warning,
        "refused \(principal.uri): \(what) (told once; keyturn_witness_refused_total counts)")
    }
    return .refusal(status, kind, "witness \(name) refuses \(principal.name): \(what)")
  }

  // MARK: the inventory

  /// POST /v1/inventory. Blocks on the disk.
  private func goBy(
    _ agreed: AgreedInventory, by person: String
  ) throws(Refusal) -> WitnessInventory {
    try turn.withLock { _ throws(Refusal) in
      let (own, known) = state.withLock { ($0.inventory, $0.agreed) }
      let reference = agreed.reference
      var problem = KeptInventory(agreed: agreed).problem(in: own.cluster)
      if let known, known != reference, reference.number <= known.number {
        problem =
          problem
          ?? "it is \(reference.text), and this witness goes by \(known.text) (docs/use/trouble.md, \"Inventories that differ\")"
      }
      if let problem {
        throw Refusal(.validation, "witness \(name) does not take the inventory: \(problem)")
      }
      if known != reference {
        try record.save(KeptInventory(agreed: agreed))
        state.update { state in
          (state.inventory, state.agreed) = (agreed.inventory, reference)
          state.admission.goBy(agreed.inventory)
        }
        log(.notice, "inventory \(reference.text) is in force, given by \(person)")
      }
      return WitnessInventory(witness: name, number: agreed.number)
    }
  }

  // MARK: looking

  private func status() -> WitnessStatus {
    let (admission, number) = state.withLock { ($0.admission, $0.agreed?.number) }
    return WitnessStatus(
      witness: name, version: version, inventoryNumber: number, served: admission.served,
      refused: Dictionary(
        uniqueKeysWithValues: admission.refused.map { ($0.key.rawValue, $0.value) }))
  }

  private func metrics(callerUntil: Int64?) -> HTTPResponse {
    let state = state.withLock { $0 }
    var text = MetricsText()
    text.family(
      "keyturn_build_info", "gauge", "The agent's version.", [("{version=\"\(version)\"}", 1)])
    text.family(
      "keyturn_witness_served_total", "counter", "Questions of nodes that were answered.",
      [("", state.admission.served)])
    text.family(
      "keyturn_witness_refused_total", "counter", "Questions that were refused, by reason.",
      WitnessAdmission.Refused.allCases.map {
        ("{reason=\"\($0.rawValue)\"}", state.admission.refused[$0] ?? 0)
      })
    text.family(
      "keyturn_witness_under_way", "gauge", "Nodes that are being connected back to.",
      [("", state.underWay)])
    text.family(
      renewal.credentials?.certificate, others: callerUntil.map { [("caller", $0)] } ?? [])
    return text.response
  }
}
