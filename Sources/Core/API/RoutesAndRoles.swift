// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model

/// What agents, witnesses and the local socket are asked: the one table of method, path, roles, body and query.
/// docs/development/api.md describes each, and a test compares the two.
package enum Route: CaseIterable, Sendable {
  case status, metrics, clock, plan, check, reached, explain
  case generations, diff, logs, seal, recoverSeal, keyProofs
  case vote, promise, accept, decide, breakOff, resolve, confirm, rollouts, follow, result
  case proposals, tellProposal, retryProposal, approveProposal
  case requestCertificate, installCertificate, revocations, witnessRevocations, revoke
  case authorities, trust
  case inventory, installInventory
  case connectBack
  case propose, checkProposal, withdrawProposal, ownProposal

  package enum Server: Sendable {
    /// The agent on a node.
    case agent
    /// The agent on a Key Manager host.
    case witness
    /// The agent on a node, for root on the same host.
    case local
  }

  package enum Parameter: String, Sendable {
    case after, challenge, errors, last, limit, name, nonce, rollout, since, timeout, to, wait
  }

  /// A path's part that is an identifier stands as `ID` in it, a number as `N`.
  private struct Row {
    var method: String
    var path: String
    var roles: [Role]
    var query: [Parameter]
    var bodyBytes: Int
    var servers: [Server]

    static func get(
      _ path: String, _ roles: [Role], _ query: [Parameter] = [], on servers: [Server] = [.agent]
    ) -> Row {
      Row(
        method: "GET", path: path, roles: roles, query: query, bodyBytes: Limits.smallBodyBytes,
        servers: servers)
    }

    static func post(
      _ path: String, _ roles: [Role], _ query: [Parameter] = [],
      upTo bytes: Int = Limits.smallBodyBytes, on servers: [Server] = [.agent]
    ) -> Row {
      Row(
        method: "POST", path: path, roles: roles, query: query, bodyBytes: bytes, servers: servers)
    }
  }

  /// A body with the settings, or with a line for each member, may be large.
  private var row: Row {
    switch self {
    case .status: .get("/v1/status", [.observer, .operator, .node], on: [.agent, .witness])
    case .metrics: .get("/metrics", [.observer, .operator], on: [.agent, .witness])
    case .clock: .get("/v1/clock", [.operator, .node], [.rollout])
    case .plan: .post("/v1/plan", [.operator, .node], upTo: Limits.httpBodyBytes)
    case .check: .post("/v1/check", [.observer, .operator], [.timeout])
    case .reached: .get("/v1/reached", [.witness], [.nonce, .challenge])
    case .explain: .get("/v1/explain", [.observer, .operator], [.name])
    case .generations: .get("/v1/generations", [.observer, .operator])
    case .diff: .get("/v1/generations/N/diff", [.observer, .operator], [.to])
    case .logs:
      .get(
        "/v1/logs", [.observer, .operator], [.since, .after, .last, .limit, .wait, .errors])
    case .seal: .get("/v1/seal", [.observer, .operator, .node])
    case .keyProofs: .get("/v1/seal/proofs", [.observer, .operator, .node])
    case .recoverSeal: .post("/v1/seal/recover", [.operator])
    case .vote: .post("/v1/rollouts", [.operator, .node], [.wait], upTo: Limits.httpBodyBytes)
    case .promise: .post("/v1/rollouts/ID/promise", [.node])
    case .accept: .post("/v1/rollouts/ID/accept", [.operator, .node])
    case .decide: .post("/v1/rollouts/ID/decision", [.operator, .node])
    case .breakOff: .post("/v1/rollouts/ID/break-off", [.operator, .node])
    case .resolve: .post("/v1/rollouts/ID/resolve", [.operator])
    case .confirm: .post("/v1/confirm", [.operator])
    case .rollouts: .get("/v1/rollouts", [.observer, .operator, .node])
    case .follow: .get("/v1/rollouts/ID", [.observer, .operator, .node], [.after, .wait])
    case .result: .post("/v1/rollouts/ID/result", [.operator, .node])
    case .proposals: .get("/v1/proposals", [.observer, .operator, .node])
    case .tellProposal: .post("/v1/proposals", [.node])
    case .retryProposal: .post("/v1/proposals/retry", [.operator])
    case .approveProposal: .post("/v1/proposals/approve", [.operator])
    case .requestCertificate:
      .post("/v1/certificate/request", [.operator], on: [.agent, .witness])
    case .installCertificate:
      .post(
        "/v1/certificate", [.operator], upTo: 2 * Limits.certificateBytes, on: [.agent, .witness])
    case .revoke:
      .post(
        "/v1/revocations", [.operator], upTo: 2 * Limits.revocationBytes, on: [.agent, .witness])
    case .revocations: .get("/v1/revocations", [.operator, .node, .witness], [.after])
    // Agents take the list from each other, and have no need of a witness for it.
    case .witnessRevocations: .get("/v1/revocations", [.operator], on: [.witness])
    case .authorities: .get("/v1/authorities", [.operator], on: [.agent, .witness])
    case .trust:
      .post(
        "/v1/authorities", [.operator], upTo: 2 * Limits.authoritiesBytes, on: [.agent, .witness])
    case .inventory: .get("/v1/inventory", [.observer, .operator, .node])
    case .installInventory:
      .post("/v1/inventory", [.operator], upTo: 2 * Limits.inventoryFileBytes, on: [.witness])
    case .connectBack:
      .post("/v1/witness", [.node], upTo: Limits.witnessBodyBytes, on: [.witness])
    case .propose: .post("/v1/proposal", [], upTo: Limits.httpBodyBytes, on: [.local])
    case .checkProposal:
      .post("/v1/proposal/check", [], upTo: Limits.httpBodyBytes, on: [.local])
    case .withdrawProposal: .post("/v1/proposal/withdraw", [], on: [.local])
    case .ownProposal: .get("/v1/proposal", [], on: [.local])
    }
  }

  package var method: String { row.method }
  /// The path with `ID` or `N` for what varies in it.
  package var pattern: String { row.path }
  /// Who may ask; empty on the local socket, which only root gets to.
  package var roles: [Role] { row.roles }
  package var query: [Parameter] { row.query }
  /// How large a body may be.
  package var bodyBytes: Int { row.bodyBytes }
  package var servers: [Server] { row.servers }
  /// Whether it only looks: an observer may ask nothing else.
  package var isLook: Bool { roles.contains(.observer) }

  /// The path with `argument` for what varies in it.
  package func path(_ argument: String) -> String {
    Self.parts(pattern).map { Self.isVariable($0) ? argument : String($0) }
      .joined(separator: "/")
  }

  /// The route of a request, and what stands in its path for `ID` or `N` (empty if nothing does); nil if the server has
  /// no such route.
  package static func of(
    _ request: HTTPRequest, to server: Server
  ) -> (route: Route, argument: String)? {
    let asked = parts(request.path)
    for (route, row, wanted) in rows
    where row.method == request.method && row.servers.contains(server)
      && wanted.count == asked.count
      && zip(wanted, asked).allSatisfy({ isVariable($0) || $0 == $1 })
    {
      return (route, zip(wanted, asked).first { isVariable($0.0) }.map { String($0.1) } ?? "")
    }
    return nil
  }

  private static let rows = allCases.map { ($0, $0.row, parts($0.row.path)) }

  private static func parts(_ path: String) -> [Substring] {
    path.split(separator: "/", omittingEmptySubsequences: false)
  }

  private static func isVariable(_ part: Substring) -> Bool { part == "ID" || part == "N" }

  /// What is said where ``of(_:to:)`` finds none.
  package static func unknown(_ request: HTTPRequest) -> Refusal {
    Refusal(.validation, "there is no \(request.method) \(request.path) in this agent's API")
  }

  /// Throws for a caller whose role may not ask this.
  package func permit(_ principal: Principal) throws(Refusal) {
    if roles.contains(principal.role) { return }
    throw Refusal(
      .notPermitted,
      "the certificate of \(principal.name) has role \(principal.role.rawValue), this needs \(roles.map(\.rawValue).joined(separator: " or ")): use the credentials of one"
    )
  }
}

extension HTTPRequest {
  package func query(_ parameter: Route.Parameter) -> String? { query(parameter.rawValue) }
}
