// SPDX-License-Identifier: Apache-2.0
import Model
import Secrets
import Testing

@testable import HTTP

@Suite struct ProxySettingsTests {
  private func settings(_ variables: KeyValuePairs<String, String>) -> ProxySettings {
    ProxySettings(variables.map { EnvironmentVariable(name: $0, value: $1) })
  }

  private func target(_ text: String) throws -> HostPort { try #require(HostPort(text)) }

  @Test(
    "HTTPS_PROXY is read as net/http reads it",
    arguments: [
      ("http://proxy:3128", "http://proxy:3128"), ("proxy:3128", "http://proxy:3128"),
      ("proxy", "http://proxy:80"), ("HTTP://proxy/x?y", "http://proxy:80"),
      ("https://proxy", "https://proxy:443"), ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
      ("http://[fd00::1]:8080", "http://[fd00::1]:8080"),
      ("http://user:pass@proxy:3128", "http://proxy:3128"), ("", ""), ("http://a b", ""),
      ("http://%zz@proxy", ""),
    ])
  func proxy(value: String, expected: String) throws {
    let found = settings(["HTTPS_PROXY": value]).proxy(for: try target("kms-1:7373"))
    #expect(found?.text ?? "" == expected)
  }

  @Test("what stands before the @ goes into Proxy-Authorization, and is not shown")
  func credentials() throws {
    let cases = [
      ("user:pa%73s@", "Basic dXNlcjpwYXNz"), ("user@", "Basic dXNlcjo="),
      ("a:b@c@", "Basic YTpiQGM="), ("%C3%BF:%3F@", "Basic w786Pw=="),
    ]
    for (text, expected) in cases {
      let proxy = try #require(settings(["HTTPS_PROXY": "http://\(text)proxy"]).proxy)
      #expect(proxy.authorization?.reveal() == expected)
      #expect(proxy.place.host == "proxy")
      #expect(!"\(proxy)".contains(expected))
    }
    #expect(settings(["HTTPS_PROXY": "http://proxy"]).proxy?.authorization == nil)
  }

  @Test("the upper-case name counts unless it is empty, and HTTP_PROXY and ALL_PROXY never")
  func variables() throws {
    #expect(settings(["https_proxy": "a", "HTTPS_PROXY": "b"]).proxy?.place.host == "b")
    #expect(settings(["https_proxy": "a", "HTTPS_PROXY": ""]).proxy?.place.host == "a")
    #expect(settings(["HTTPS_PROXY": "a", "HTTPS_PROXY": "b"]).proxy?.place.host == "b")
    #expect(settings(["HTTP_PROXY": "a", "ALL_PROXY": "b", "http_proxy": "c"]).proxy == nil)
    #expect(settings(["HTTPS_PROXY": "a", "no_proxy": "*"]).proxy(for: try target("k:1")) == nil)
  }

  @Test(
    "NO_PROXY is read as net/http reads it",
    arguments: [
      ("example.net", "kms-1.example.net:7373", true), ("example.net", "example.net:7373", true),
      ("example.net", "example.net.:7373", false), ("example.net", "anexample.net:1", false),
      (".example.net", "kms-1.example.net:7373", true), (".example.net", "example.net:7373", false),
      ("*.example.net", "kms-1.example.net:7373", true), ("*.example.net", "example.net:1", false),
      (" EXAMPLE.net ,x", "KMS-1.Example.NET:7373", true),
      ("example.net:7373", "kms-1.example.net:7373", true),
      ("example.net:7374", "kms-1.example.net:7373", false),
      ("10.77.0.0/16", "10.77.1.11:7373", true), ("10.77.0.0/24", "10.77.1.11:7373", false),
      ("10.77.0.0/16", "kms-1.example.net:7373", false), ("10.77.1.11", "10.77.1.11:7373", true),
      ("10.77.1.11:7373", "10.77.1.11:7373", true), ("10.77.1.11:1", "10.77.1.11:7373", false),
      ("::ffff:10.77.1.11", "10.77.1.11:7373", true), ("fd00::/8", "[fd77::1]:7373", true),
      ("fd77:0::1", "[fd77::1]:7373", true), ("[fd77::1]:7373", "[fd77::1]:7373", true),
      ("[fd77::1]:1", "[fd77::1]:7373", false), ("fd77::1", "[fd77::2]:7373", false),
      ("a,*,b", "kms-1:7373", true), ("*example.net", "kms-1.example.net:1", false),
      ("10.77.0.0/33", "10.77.1.11:7373", false), (":7373", "kms-1:7373", false),
      (",,", "kms-1:7373", false), ("kms-1", "kms-1:7373", true),
      ("x", "localhost:7373", true), ("x", "127.8.8.8:7373", true), ("x", "[::1]:7373", true),
      ("x", "128.0.0.1:7373", false),
    ])
  func exceptions(value: String, host: String, isDirect: Bool) throws {
    let settings = settings(["HTTPS_PROXY": "http://proxy", "NO_PROXY": value])
    #expect((settings.proxy(for: try target(host)) == nil) == isDirect)
  }

  @Test(
    "an IP address has its bytes",
    arguments: [
      ("1.2.3.4", [1, 2, 3, 4]), ("::ffff:1.2.3.4", [1, 2, 3, 4]),
      ("::", [UInt8](repeating: 0, count: 16)),
      ("1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]),
      ("ab::1.2.3.4", [0, 0xAB] + [UInt8](repeating: 0, count: 10) + [1, 2, 3, 4]),
      ("1::", [0, 1] + [UInt8](repeating: 0, count: 14)),
    ])
  func address(text: String, bytes: [UInt8]) {
    #expect(IPAddress(text)?.bytes == bytes)
  }

  @Test(
    "what is no IP address is none",
    arguments: [
      "", "1.2.3", "1.2.3.4.5", "1.2.3.04", "1.2.3.256", "1.2.3.+4", "1:2", "1::2::3",
      "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "::g", "::1.2.3", "1.2.3.4::", ":::",
      "fe80::1%eth0", "+1::", "1:2:3:4:5:6:7:8::",
    ])
  func noAddress(text: String) { #expect(IPAddress(text) == nil) }
}
