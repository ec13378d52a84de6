// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import Foundation
import HTTP
import Model
import Testing

@Suite("Routes") struct RouteTests {
  private static let servers: [Route.Server] = [.agent, .witness, .local]

  @Test("what a route prints is read as that route, with what varies in it")
  func round() {
    for route in Route.allCases {
      for server in route.servers {
        let found = Route.of(HTTPRequest(route.method, route.path("17")), to: server)
        #expect(found?.route == route)
        #expect(found?.argument == (route.pattern == route.path("17") ? "" : "17"))
      }
      for server in Self.servers where !route.servers.contains(server) {
        // Another one may have the same path there.
        let found = Route.of(HTTPRequest(route.method, route.path("17")), to: server)
        #expect(found?.route != route && (found == nil || found?.route.pattern == route.pattern))
      }
    }
  }

  @Test("what is in no row is no route")
  func unknown() {
    for (method, path) in [
      ("DELETE", "/v1/status"), ("get", "/v1/status"), ("GET", "/"), ("GET", ""),
      ("GET", "/v2/plan"),
      ("GET", "/v1/status/"), ("POST", "/v1//plan"), ("POST", "/v1/plan/x"), ("GET", "v1/status"),
      ("GET", "/v1/generations/1/diff/2"), ("GET", "/V1/status"),
    ] { #expect(Route.of(HTTPRequest(method, path), to: .agent) == nil, "\(method) \(path)") }
  }

  @Test("each request prints only parameters that its route has")
  func parameters() {
    func check<Answer>(_ request: AgentRequest<Answer>) {
      for (name, _) in request.message.query {
        #expect(request.route.query.contains { $0.rawValue == name }, "\(request.route) \(name)")
      }
    }
    check(.clock(rollout: "a"))
    check(.follow(id: "a", after: 1, waitMilliseconds: 2))
    check(.check(timeoutMilliseconds: 1))
    check(.diff(from: 1, to: 2))
    check(.explain("A"))
    check(.reached(nonce: .sha256([]), challenge: .sha256([])))
    for start in [LogsQuery.Start.since(1), .after(cursor: "c"), .last(3)] {
      check(.logs(LogsQuery(start: start, limit: 1, waitMilliseconds: 1, errorsOnly: true)))
    }
  }

  // MARK: docs/development/api.md

  private static let document = URL(filePath: #filePath)
    .appending(path: "../../../docs/development/api.md").standardized

  /// The rows of all tables of the document that begin with a cell of this head, by their first cell.
  private static func rows(_ head: String) throws -> [[String]] {
    var isTable = false
    var found: [[String]] = []
    for line in try String(contentsOf: document, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    {
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst()
        .dropLast()
        .map { $0.split(separator: " ").joined(separator: " ") }
      if cells.isEmpty { isTable = false } else if isTable { found.append(cells) }
      if cells.first == head { isTable = true }
    }
    return found.filter { $0[0] != "---" }
  }

  @Test("the document has every route with its roles and parameters, and no other")
  func documented() throws {
    let documented = try Self.rows("method and path").map { cells in
      let parameters = cells[2].split(separator: ";")[..<min(1, cells[2].isEmpty ? 0 : 1)]
        .flatMap { $0.split(separator: ",") }.map { $0.split(separator: " ").joined() }
        .filter { $0.hasPrefix("`") && !$0.contains("{") && $0.hasSuffix("`") }
      let roles = cells[1].split(separator: " (").first.map(String.init) ?? ""
      return "\(cells[0]) \(roles): \(parameters.map { $0.dropFirst().dropLast() }.sorted())"
    }
    let routes = Route.allCases.flatMap { route in
      let roles = route.roles.isEmpty ? "root" : route.roles.map(\.rawValue).joined(separator: ", ")
      let row =
        "`\(route.method) \(route.pattern)` \(roles): \(route.query.map { $0.rawValue[...] }.sorted())"
      return route.servers.map { _ in row }
    }
    #expect(Set(documented) == Set(routes))
    #expect(documented.sorted() == routes.sorted())
  }

  @Test("the document's limits are those of the code, and all large bodies are named")
  func limits() throws {
    func size(_ bytes: Int) -> String {
      bytes >= 1 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
    }
    func thousands(_ number: Int) -> String {
      number < 1_000
        ? "\(number)" : "\(thousands(number / 1_000)),\("\(1_000 + number % 1_000)".dropFirst())"
    }
    func seconds(_ milliseconds: Int) -> String { "\(milliseconds / 1_000) s" }
    let large = Route.allCases.filter {
      $0.bodyBytes == Limits.httpBodyBytes && $0.servers == [.agent]
    }.map { "`\($0.method) \($0.pattern)`" }.joined(separator: " and ")
    let limits = [
      "connections after the handshake":
        "\(Limits.agentConnections); of one role and name \(Limits.connectionsOfHolder)",
      "connections that wait for the end of their handshake":
        "\(Limits.handshakes); of one source \(Limits.handshakesOfSource)",
      "handshake; one whole request; sending one whole answer; idle": [
        Limits.handshakeMilliseconds, Limits.agentTransferMilliseconds,
        Limits.agentTransferMilliseconds, Limits.agentIdleMilliseconds,
      ].map(seconds).joined(separator: "; "),
      "body of \(large); of any other":
        "\(size(Limits.httpBodyBytes)); \(size(Limits.smallBodyBytes))",
      "all bodies at once, each counted eight times": size(Limits.bodyBudgetBytes),
      "head; line; header fields":
        "\(size(Limits.httpHeadBytes)); \(size(Limits.httpLineBytes)); \(Limits.httpHeaderCount)",
      "changes in one request": "\(Limits.settingsInChange)",
      "one long poll (`wait`, milliseconds; more counts as this)":
        thousands(Limits.longPollMilliseconds),
      "journal lines in one answer; their text; one line":
        "\(thousands(Limits.journalLinesInAnswer)); \(size(Limits.journalBytesInAnswer)), and the line that goes beyond; \(size(Limits.journalLineBytes))",
      "lines back from the journal's end (`last`)": thousands(Limits.journalLinesBack),
      "steps kept of one rollout; a step's detail":
        "\(Limits.rolloutEvents) (the first \(Limits.firstRolloutEvents), and the last); \(size(Limits.rolloutDetailBytes))",
      "lines kept of what a rollout changes; one line":
        "\(Limits.rolloutChangeLines); \(Limits.rolloutChangeBytes) bytes",
      "rollouts whose steps are kept": "\(Limits.timelines)",
    ]
    let documented = try Self.rows("what").map { ($0[0], $0[1]) }
    #expect(Dictionary(uniqueKeysWithValues: documented) == limits)
    #expect(Limits.bodyCostFactor == 8)
  }
}
