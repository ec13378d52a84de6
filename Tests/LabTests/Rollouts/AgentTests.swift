// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// The agent as those meet it who may not, who send garbage, and who stop it.
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1))
  struct AgentTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// A kind of client, by what it can show.
    enum Client: String, CaseIterable {
      case nobody, stranger, otherCluster, otherNode, otherWitness, observer, node, `operator`

      /// Whether its TLS handshake succeeds.
      var isMember: Bool { self != .nobody && self != .stranger }
      /// Whether there is nothing that it may do here: its connection ends with the handshake.
      var isDismissed: Bool { [.otherCluster, .otherWitness].contains(self) }
    }

    private struct Route {
      let method: String
      let path: String
      let roles: Set<Client>

      init(_ method: String, _ path: String, _ roles: Set<Client>) {
        (self.method, self.path, self.roles) = (method, path, roles)
      }
    }

    private static let id = "0123456789abcdef"
    private static let routes = [
      Route("GET", "/v1/status", [.observer, .node, .operator]),
      Route("GET", "/metrics", [.observer, .operator]),
      // A node that is no member may be about to join, or in doubt of what it took part in.
      Route("GET", "/v1/clock", [.node, .otherNode, .operator]),
      Route("GET", "/v1/inventory", [.observer, .node, .otherNode, .operator]),
      Route("GET", "/v1/logs?limit=1", [.observer, .operator]),
      Route("GET", "/v1/explain?name=MINIO_VOLUMES", [.observer, .operator]),
      Route("GET", "/v1/rollouts", [.observer, .node, .operator]),
      Route("GET", "/v1/rollouts/\(id)", [.observer, .node, .operator]),
      Route("GET", "/v1/proposals", [.observer, .node, .operator]),
      Route("GET", "/v1/generations", [.observer, .operator]),
      Route("GET", "/v1/generations/0/diff?to=1", [.observer, .operator]),
      Route("GET", "/v1/seal", [.observer, .node, .operator]),
      Route("POST", "/v1/seal/recover", [.operator]),
      Route("POST", "/v1/check", [.observer, .operator]),
      Route("POST", "/v1/plan", [.node, .operator]),
      Route("POST", "/v1/rollouts", [.node, .operator]),
      Route("POST", "/v1/rollouts/\(id)/promise", [.node, .otherNode]),
      Route("POST", "/v1/rollouts/\(id)/accept", [.node, .otherNode, .operator]),
      Route("POST", "/v1/rollouts/\(id)/decision", [.node, .otherNode, .operator]),
      Route("POST", "/v1/rollouts/\(id)/resolve", [.operator]),
      Route("POST", "/v1/rollouts/\(id)/result", [.node, .operator]),
      Route("POST", "/v1/proposals", [.node]),
    ]
    private static let nowhere = [
      ("GET", "/"), ("PUT", "/v1/status"), ("DELETE", "/v1/rollouts/\(id)"), ("GET", "/v1/plan"),
      ("POST", "/v1/status"), ("GET", "/v1/../v1/clock/"), ("POST", "/v1/rollouts/\(id)/other"),
    ]

    /// Makes what the client has to show; curl's arguments for it.
    private func credentials(_ client: Client) throws -> String {
      let directory = lab.directory.path("\(client)")
      let pki = "\(lab.directory.path("stranger"))-pki"
      let name = client == .node ? "minio-2" : "mallory"
      let issue = "keyturn pki issue --out \(directory) --name \(name)"
      switch client {
      case .nobody: return ""
      case .stranger:
        try lab.run(
          """
          [ -e \(directory) ] || {
            keyturn pki init --cluster lab --out \(pki) &&
            \(issue) --pki \(pki) --role operator
          }
          """)
      case .otherCluster:
        try lab.run(
          """
          mkdir -p \(directory) && cd \(directory) &&
          printf '%s\\n' subjectAltName=URI:keyturn://other/operator/mallory \
            extendedKeyUsage=clientAuth basicConstraints=critical,CA:FALSE >extensions &&
          openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
            -subj /O=lab/OU=operator/CN=mallory -out request.pem 2>/dev/null &&
          openssl x509 -req -in request.pem -CA \(lab.pki)/ca.pem -CAkey \(lab.pki)/ca-key.pem \
            -set_serial 7 -days 1 -extfile extensions -out cert.pem 2>/dev/null
          """)
      case .observer, .otherWitness, .otherNode, .node, .operator:
        let role: Role =
          switch client {
          case .observer: .observer
          case .operator: .operator
          case .otherWitness: .witness
          default: .node
          }
        let address = role == .node || role == .witness ? "--address 10.77.0.1" : ""
        try lab.run(
          "[ -e \(directory) ] || \(issue) --pki \(lab.pki) --role \(role.rawValue) \(address)")
      }
      return "--cert \(directory)/cert.pem --key \(directory)/key.pem"
    }

    /// The status of the answer to each request; 0 without an answer.
    private func statuses(
      _ client: Client, _ requests: [(method: String, path: String)]
    ) throws -> [Int] {
      let shown = try credentials(client)
      let printed = try lab.run(
        requests.map { method, path in
          """
          curl -s -m 10 -o /dev/null -w '%{http_code}\\n' --path-as-is --cacert \(lab.pki)/ca.pem \
            \(shown) -X \(method) -d '{}' 'https://minio-1:7377\(path)' || true
          """
        }.joined(separator: "\n"))
      return printed.split(separator: "\n").compactMap { Int($0) }
    }

    @Test("each role can do what it may and nothing else", arguments: Client.allCases)
    func roles(_ client: Client) throws {
      let before = try lab.footprint()
      let routes = Self.routes
      let statuses = try statuses(client, routes.map { ($0.method, $0.path) })
      try #require(statuses.count == routes.count)
      for (route, status) in zip(routes, statuses) {
        let what: Comment = "\(route.method) \(route.path): \(status)"
        if !client.isMember {
          #expect(status == 0, what)
        } else if client.isDismissed || !route.roles.contains(client) {
          #expect(status == 403, what)
        } else {
          #expect(status == 200 || status == 400, what)
        }
      }
      let others = try self.statuses(client, Self.nowhere)
      let expected = !client.isMember ? 0 : client.isDismissed ? 403 : 404
      #expect(others == Self.nowhere.map { _ in expected })
      try lab.expectUntouched(since: before)
    }

    @Test("keyturn with an observer's certificate shows the status, and may not apply")
    func observer() throws {
      _ = try credentials(.observer)
      let directory = lab.directory.path("\(Client.observer)")
      #expect(try lab.keyturn("status", "--credentials", directory).status == 0)
      let before = try lab.footprint()
      for outcome in [
        try lab.keyturn("restart", "--yes", "--credentials", directory),
        try lab.keyturn(
          "apply", "--yes", "--unset", "MINIO_BROWSER", "--credentials", directory),
      ] {
        #expect(outcome.status == 77, "\(outcome.stdout)\(outcome.stderr)")
        #expect(outcome.stderr.contains("nothing was touched"))
      }
      try lab.expectUntouched(since: before)
    }

    @Test("what is too large, malformed or not TLS gets a 4xx or nothing, and the agent goes on")
    func garbage() throws {
      let agent = try lab.properties(of: "keyturnd", on: "minio-1", "MainPID", "NRestarts")
      let before = try lab.footprint()
      let shown = try credentials(.operator)
      let place = "minio-1:7377"
      func curl(_ arguments: String) throws -> String {
        try lab.run(
          """
          curl -s -m 10 -o /dev/null -w '%{http_code}' --cacert \(lab.pki)/ca.pem \(shown) \
            \(arguments) || true
          """)
      }
      for (count, status) in [(Limits.httpBodyBytes, "400"), (Limits.httpBodyBytes + 1, "413")] {
        let body = lab.directory.path("body")
        try lab.run("head -c \(count) /dev/zero >\(body)")
        // Otherwise curl asks first whether it may send so much, which gets a 417.
        #expect(try curl("-H Expect: --data-binary @\(body) https://\(place)/v1/plan") == status)
      }
      let longest = String(repeating: "x", count: Limits.httpLineBytes)
      #expect(try curl("https://\(place)/\(longest)").hasPrefix("4"))
      #expect(try curl("-H 'x: \(longest)' https://\(place)/v1/status").hasPrefix("4"))
      let many = (0...Limits.httpHeaderCount).map { "-H x\($0):1" }.joined(separator: " ")
      #expect(try curl("\(many) https://\(place)/v1/status").hasPrefix("4"))
      #expect(try curl("http://\(place)/v1/status") == "000")
      for (text, status) in [
        ("GARBAGE", 400), ("GET /v1/status", 400), ("GET  /v1/status HTTP/1.1", 400),
        ("GET /v1/status HTTP/9.9", 505), ("GET /v1/status HTTP/1.1\\r\\n: x", 400),
        ("GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: -1", 400),
        ("GET / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1\\r\\nContent-Length: 2", 400),
        ("POST /v1/plan HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked", 501),
      ] {
        let answer = try lab.run(
          """
          printf '\(text)\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -verify_quiet \
            -connect \(place) -CAfile \(lab.pki)/ca.pem \(shown) 2>/dev/null || true
          """)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(text): \(answer)")
      }
      #expect(try lab.properties(of: "keyturnd", on: "minio-1", "MainPID", "NRestarts") == agent)
      #expect(try lab.keyturn("status").status == 0)
      try lab.expectUntouched(since: before)
    }

    @Test("SIGTERM ends the agent in under a second with 0, though somebody waits for its answer")
    func stop() throws {
      let shown = try credentials(.operator)
      let unit = try lab.properties(
        of: "keyturnd", on: "minio-1", "Type", "ActiveState", "WatchdogUSec", "NRestarts")
      #expect(unit["Type"] == "notify" && unit["ActiveState"] == "active")
      #expect(unit["WatchdogUSec"] == "30s")
      let curl = "curl -s -m 60 --cacert \(lab.pki)/ca.pem \(shown) https://minio-1:7377/v1/logs -G"
      let poll = try lab.start(
        """
        cursor=$(\(curl) -d limit=1 | sed 's/.*"cursor":"\\([^"]*\\)".*/\\1/')
        \(curl) -N --trace-ascii - --data-urlencode "after=$cursor" -d wait=25000
        """)
      let isOpen = poll.wait(until: .inMilliseconds(10_000)) {
        $0.contains { $0.text.contains("=> Send header") }
      }
      #expect(isOpen)
      let asked = Clock.monotonicMicroseconds()
      try lab.exec("minio-1", "systemctl stop keyturnd")
      defer { _ = try? lab.exec("minio-1", "systemctl start keyturnd") }
      let ended = try lab.properties(
        of: "keyturnd", on: "minio-1", "ExecMainExitTimestampMonotonic", "ExecMainStatus",
        "ExecMainCode", "Result")
      let exited = try #require(UInt64(ended["ExecMainExitTimestampMonotonic"] ?? ""))
      #expect(exited > asked && exited - asked < 1_000_000, "\(exited) \(asked)")
      #expect(ended["ExecMainStatus"] == "0" && ended["ExecMainCode"] == "1")
      #expect(ended["Result"] == "success")
      #expect(try !poll.outcome().timedOut)
    }
  }
}
