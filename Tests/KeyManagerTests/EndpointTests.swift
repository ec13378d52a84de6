// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@testable import KeyManager

@Suite struct EndpointTests {
  @Test(
    "a right list names its endpoints in the server's order",
    arguments: [
      ("https://kms-1.example.net:7373", ["https://kms-1.example.net:7373"]),
      ("https://kms-1:7373,https://kms-2:7373", ["https://kms-1:7373", "https://kms-2:7373"]),
      (" https://b:7373 , https://a:7373 ", ["https://b:7373", "https://a:7373"]),
      ("https://a", ["https://a"]),
      ("kms-1:7373", ["https://kms-1:7373"]),
      ("https://192.0.2.7:7373", ["https://192.0.2.7:7373"]),
      ("https://[2001:db8::7]:7373", ["https://[2001:db8::7]:7373"]),
      ("https://[2001:db8::7]", ["https://[2001:db8::7]"]),
      (
        "https://kms-{1...3}.example.net:7373",
        [
          "https://kms-1.example.net:7373", "https://kms-2.example.net:7373",
          "https://kms-3.example.net:7373",
        ]
      ),
      (
        "https://k{08...11}:1",
        ["https://k08:1", "https://k09:1", "https://k10:1", "https://k11:1"]
      ),
      ("https://k{0...2}:1", ["https://k0:1", "https://k1:1", "https://k2:1"]),
      ("https://k{1...02}:1", ["https://k01:1", "https://k02:1"]),
      ("https://k{01...2}:1", ["https://k1:1", "https://k2:1"]),
      ("https://k{7...7}:1", ["https://k7:1"]),
      (
        "https://r{1...2}k{1...2}:1",
        ["https://r1k1:1", "https://r2k1:1", "https://r1k2:1", "https://r2k2:1"]
      ),
      ("https://k:{1...2}", ["https://k:1", "https://k:2"]),
      (
        "https://k{1...2}:1,https://other:1",
        ["https://k1:1", "https://k2:1", "https://other:1"]
      ),
    ])
  func right(server: String, endpoints: [String]) throws {
    #expect(try Endpoint.expand(server).map(\.text) == endpoints)
  }

  @Test("an endpoint without a port is dialled at 443, as the server does")
  func target() throws {
    let endpoints = try Endpoint.expand("https://a,https://b:7373,https://[::1]")
    #expect(endpoints.map(\.target.text) == ["a:443", "b:7373", "[::1]:443"])
    #expect(endpoints.map(\.port) == [nil, 7373, nil])
  }

  @Test(
    "what the server would misread is refused by its own rule",
    arguments: [
      ("", "kms-endpoint-none"), (" , ,", "kms-endpoint-none"), (",", "kms-endpoint-none"),
      ("http://kms-1:7373", "kms-endpoint-scheme"),
      ("HTTPS://kms-1:7373", "kms-endpoint-scheme"),
      ("Http://kms-1:7373", "kms-endpoint-scheme"),
      ("tcp://kms-1:7373", "kms-endpoint-scheme"),
      ("://kms-1:7373", "kms-endpoint-scheme"),
      ("https://kms-1:7373/", "kms-endpoint-path"),
      ("https://kms-1:7373/v1", "kms-endpoint-path"),
      ("https://https://kms-1:7373", "kms-endpoint-path"),
      ("https://user@kms-1:7373", "kms-endpoint-userinfo"),
      ("https://user:pass@kms-1:7373/x?y", "kms-endpoint-userinfo"),
      ("https://kms-1:7373?a=b", "kms-endpoint-query"),
      ("https://kms-1:7373#a", "kms-endpoint-query"),
      ("https://", "kms-endpoint-host"), ("https://:7373", "kms-endpoint-host"),
      ("https://kms-1:", "kms-endpoint-host"), ("https://kms-1:0", "kms-endpoint-host"),
      ("https://kms-1:65536", "kms-endpoint-host"), ("https://kms-1:73a", "kms-endpoint-host"),
      ("https://kms 1:7373", "kms-endpoint-host"), ("https://kms%31:7373", "kms-endpoint-host"),
      ("https://2001:db8::7", "kms-endpoint-host"), ("https://[2001:db8::7", "kms-endpoint-host"),
      ("https://-kms:7373", "kms-endpoint-host"), ("https://kms-:7373", "kms-endpoint-host"),
      ("https://kms..net:7373", "kms-endpoint-host"), ("https://192.0.2:1", "kms-endpoint-host"),
      ("https://192.0.2.256:1", "kms-endpoint-host"),
      ("https://a:1;https://b:1", "kms-endpoint-path"),
      ("https://kms-{1..3}:1", "kms-endpoint-pattern"),
      ("https://kms-{1...}:1", "kms-endpoint-pattern"),
      ("https://kms-{...3}:1", "kms-endpoint-pattern"),
      ("https://kms-{a...c}:1", "kms-endpoint-pattern"),
      ("https://kms-{-1...3}:1", "kms-endpoint-pattern"),
      ("https://kms-{3...1}:1", "kms-endpoint-pattern"),
      ("https://kms-{1...2...3}:1", "kms-endpoint-pattern"),
      ("https://kms-{1...3:1", "kms-endpoint-pattern"),
      ("https://kms-1...3}:1", "kms-endpoint-pattern"),
      ("https://kms-{{1...3}}:1", "kms-endpoint-pattern"),
      ("https://kms-{}:1", "kms-endpoint-pattern"),
      ("https://kms-1...3:1", "kms-endpoint-pattern"),
      ("https://kms-{1...99999999999999999999}:1", "kms-endpoint-pattern"),
      ("https://kms-{1...65}:1", "kms-endpoint-pattern"),
      ("https://r{1...9}k{1...9}:1", "kms-endpoint-pattern"),
      ("https://a{1...40}:1,https://b{1...25}:1", "kms-endpoint-limit"),
      ("https://a:1,https://a:1", "kms-endpoint-duplicate"),
      ("https://a:1,https://A:1", "kms-endpoint-duplicate"),
      ("https://a,https://a:443", "kms-endpoint-duplicate"),
      ("https://k{1...3}:1,https://k2:1", "kms-endpoint-duplicate"),
    ])
  func wrong(server: String, rule: String) {
    let errors = EndpointList(server).problems.filter { $0.severity == .error }
    #expect(errors.map(\.rule) == [rule])
    #expect(throws: Refusal.self) { try Endpoint.expand(server) }
  }

  @Test("as many endpoints as the limit allows are allowed")
  func limit() throws {
    #expect(try Endpoint.expand("https://k{1...64}:1").count == Limits.keyManagerEndpoints)
    #expect(try Endpoint.expand("https://r{1...8}k{1...8}:1").count == Limits.keyManagerEndpoints)
  }

  @Test("a password in an endpoint is not shown")
  func password() throws {
    let refusal = try #require(throws: Refusal.self) {
      try Endpoint.expand("https://user:hunter2@kms-1:7373")
    }
    #expect(!refusal.message.contains("hunter2"))
  }

  @Test(
    "a probable slip is a warning by its own rule",
    arguments: [
      ("https://a:1,,https://b:1", ["kms-endpoint-empty"]),
      ("https://a:1,", ["kms-endpoint-empty"]),
      ("https://a", ["kms-endpoint-port"]),
      ("https://a:443", []),
      // The documentation's own example.
      (
        "https://kms-1.example.net:1,https://kms-2.example.net:1,https://kms3-example.net:1",
        ["kms-endpoint-unlike"]
      ),
      ("https://kms-1.example.net:1,https://kms2-example.net:1", ["kms-endpoint-unlike"]),
      ("https://kms.dc1.example.net:1,https://kms.dc2.example.net:1", []),
      (
        "https://kms-1.a.net:1,https://kms-2.a.net:1,https://kms-3.b.net:1", ["kms-endpoint-unlike"]
      ),
      ("https://a.dc1.net:1,https://a.dc2.net:1,https://a.dc3.net:1,https://a.dc4.net:1", []),
      ("https://KMS-1.Example.net:1,https://kms-2.example.NET.:1", []),
      ("https://kms-1:1,https://kms-2:1,https://kms-3.example.net:1", ["kms-endpoint-unlike"]),
      ("https://kms-1.example.net:1,https://192.0.2.1:1,https://[::1]:1", []),
      (
        "https://kms-1.example.net:1,https://kms-2.example.net:1,https://kms3.example.net:1",
        ["kms-endpoint-unlike"]
      ),
      ("https://kms-1.example.net:1,https://kms.2.example.net:1", ["kms-endpoint-unlike"]),
      ("https://kms-1.example.net:1,https://kms-22.example.net:1,https://db_3.example.net:1", []),
      ("https://a-1.net:1,https://a-2.net:1,https://a3.net:1,https://a4.net:1", []),
    ])
  func slips(server: String, rules: [String]) throws {
    #expect(EndpointList(server).problems.map(\.rule) == rules)
    _ = try Endpoint.expand(server)
  }

  @Test("the documentation's slip is named together with its siblings' domain")
  func documentation() throws {
    let list = EndpointList(
      "https://kms-1.example.net:7373,https://kms-2.example.net:7373,https://kms3-example.net:7373")
    let problem = try #require(list.problems.first)
    #expect(problem.message.contains("kms3-example.net"))
    #expect(problem.message.contains("(example.net)"))
  }
}
