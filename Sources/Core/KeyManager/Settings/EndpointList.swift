// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A value of MINIO_KMS_SERVER taken apart: what is right, and everything that is wrong.
struct EndpointList {
  /// One thing that is wrong.
  struct Problem {
    var severity = Severity.error
    var rule: String
    var message: String
    var remedy: String
  }

  private(set) var endpoints: [Endpoint] = []
  private(set) var problems: [Problem] = []

  init(_ server: String) {
    let parts = server.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0).trimmed
    }
    guard parts.contains(where: { !$0.isEmpty }) else {
      problems = [
        Problem(
          rule: "kms-endpoint-none",
          message: "it names no endpoint, so the server would dial 127.0.0.1:7373",
          remedy: "list the Key Manager hosts as https://HOST:7373, separated by commas")
      ]
      return
    }
    if parts.contains("") {
      problems.append(
        Problem(
          severity: .warning, rule: "kms-endpoint-empty",
          message: "there is a comma with no endpoint beside it",
          remedy: "take the comma away, or add the endpoint that is missing"))
    }
    for part in parts where !part.isEmpty { add(part) }
    checkTogether()
  }

  private mutating func add(_ part: String) {
    let texts: [String]
    do throws(Ellipses.Problem) {
      texts =
        Ellipses.occur(in: part)
        ? try Ellipses.expand(part, limit: Limits.keyManagerEndpoints) : [part]
    } catch {
      problems.append(
        Problem(
          rule: "kms-endpoint-pattern",
          message: "the pattern \(quoted(part)) \(error.message)",
          remedy: "write a range such as https://kms-{1...3}.example.net:7373"))
      return
    }
    // All texts of a pattern differ in digits only: what is wrong with one is wrong with the
    // others.
    for (index, text) in texts.enumerated() {
      let before = problems.count
      if let endpoint = endpoint(text) { endpoints.append(endpoint) }
      if index > 0, problems.count > before { problems.removeLast(problems.count - before) }
    }
  }

  private mutating func endpoint(_ text: String) -> Endpoint? {
    func no(_ rule: String, _ message: String, _ remedy: String) -> Endpoint? {
      problems.append(Problem(rule: rule, message: message, remedy: remedy))
      return nil
    }
    var rest = text[...]
    if let colon = text.firstRange(of: "://") {
      let scheme = text[..<colon.lowerBound]
      switch scheme {
      case "https": rest = text[colon.upperBound...]
      case "http":
        return no(
          "kms-endpoint-scheme",
          "\(quoted(text)) says http, but the server speaks https with the Key Manager and "
            + "ignores the scheme", "write https://")
      case _ where scheme.lowercased() == "https" || scheme.lowercased() == "http":
        return no(
          "kms-endpoint-scheme",
          "the scheme of \(quoted(text)) is not in lower case; the server would take it for a host",
          "write https://")
      default:
        return no(
          "kms-endpoint-scheme", "the scheme of \(quoted(text)) is not https", "write https://")
      }
    } else {
      problems.append(
        Problem(
          severity: .note, rule: "kms-endpoint-scheme",
          message: "\(quoted(text)) has no scheme; the server speaks https with it all the same",
          remedy: "write https:// as the documentation does"))
    }
    // A password may follow; it is not shown.
    if rest.contains("@") {
      return no(
        "kms-endpoint-userinfo",
        "an endpoint has a user name or password before its @; the server authenticates itself "
          + "with MINIO_KMS_API_KEY only", "take away everything up to the @")
    }
    if let end = rest.firstIndex(where: { $0 == "?" || $0 == "#" }) {
      return no(
        "kms-endpoint-query",
        "\(quoted(text)) has a query or fragment, which the server would put before its own path",
        "End it at \(quoted(String(rest[..<end])))")
    }
    if let end = rest.firstIndex(of: "/") {
      return no(
        "kms-endpoint-path",
        "\(quoted(text)) has a path or trailing slash, which stops the server from failing over "
          + "to the other endpoints", "End it at \(quoted(String(rest[..<end])))")
    }
    let given = HostPort(String(rest))
    guard let target = given ?? HostPort(String(rest), defaultPort: Endpoint.defaultPort),
      HostName.isPlausible(target.host)
    else {
      return no(
        "kms-endpoint-host", "\(quoted(text)) does not name a host, or a host and a port",
        "write https://HOST:PORT, an IPv6 address in brackets")
    }
    return Endpoint(host: target.host, port: given?.port)
  }

  private mutating func checkTogether() {
    if endpoints.count > Limits.keyManagerEndpoints {
      problems.append(
        Problem(
          rule: "kms-endpoint-limit",
          message:
            "it names \(endpoints.count) endpoints, \(Limits.keyManagerEndpoints) are allowed",
          remedy: "check the ranges in braces"))
      endpoints.removeLast(endpoints.count - Limits.keyManagerEndpoints)
    }
    var seen: Set<String> = []
    for endpoint in endpoints {
      let target = endpoint.target.text.lowercased()
      if !seen.insert(target).inserted {
        problems.append(
          Problem(
            rule: "kms-endpoint-duplicate", message: "\(endpoint.text) is given twice",
            remedy: "take one away, or correct it to the host that was meant"))
      }
      if endpoint.port == nil {
        problems.append(
          Problem(
            severity: .warning, rule: "kms-endpoint-port",
            message: "\(endpoint.text) has no port, so the server will dial 443; the Key Manager "
              + "listens on 7373 by default",
            remedy: "write \(endpoint.text):7373, or :443 if that is meant"))
      }
    }
    for outsider in HostName.outsiders(among: endpoints.map(\.host)) {
      problems.append(
        Problem(
          severity: .warning, rule: "kms-endpoint-unlike",
          message: "\(outsider.host) \(outsider.oddity)",
          remedy: "check it for a slip, such as - in place of ."))
    }
  }

  private func quoted(_ text: String) -> String { "\"\(text)\"" }
}
