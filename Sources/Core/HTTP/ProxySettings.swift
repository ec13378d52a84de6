// SPDX-License-Identifier: Apache-2.0
package import Model
package import Secrets

/// The proxy that a Go program with this environment goes through, as `http.ProxyFromEnvironment`
/// has it (golang.org/x/net/http/httpproxy): the server's client of the Key Manager takes it
/// (docs/facts.md, "Identity and TLS"), and S3 clients do.
///
/// HTTPS_PROXY, or else https_proxy, names it for https; HTTP_PROXY, or else http_proxy, for http.
/// NO_PROXY, or else no_proxy, names the hosts that are dialled all the same. `localhost` and
/// loopback addresses always are.
package struct ProxySettings: Sendable, Hashable {
  /// A proxy as it is dialled.
  package struct Proxy: Sendable, Hashable {
    /// How one speaks with it: `http`, `https`, `socks5` or `socks5h`, or what the variable says
    /// instead, which Go cannot use.
    package var scheme: String
    package var place: HostPort
    /// The value of Proxy-Authorization (RFC 7617) for what stands before the URL's @; nil if
    /// nothing does.
    package var authorization: Secret?

    /// What people may see of it.
    package var text: String { "\(scheme)://\(place.text)" }
  }

  private enum Exception: Sendable, Hashable {
    case everything
    case network(IPAddress, prefixLength: Int)
    case address(IPAddress, port: UInt16?)
    /// `.example.net`, and without the dot if `isWhole`.
    case domain(String, isWhole: Bool, port: String)
  }

  /// The proxy; nil if there is none, or if Go cannot read the variable, which it then ignores.
  package let proxy: Proxy?
  private let exceptions: [Exception]

  /// The settings of an environment. Of a name given twice the last counts.
  ///
  /// - Parameter isSecure: whether they are for https, else for http.
  package init(_ environment: [EnvironmentVariable], isSecure: Bool = true) {
    func value(_ names: String...) -> String {
      for name in names {
        // Go takes the first that is not empty.
        if let value = environment.last(where: { $0.name == name })?.value, !value.isEmpty {
          return value
        }
      }
      return ""
    }
    proxy = Self.parse(
      isSecure ? value("HTTPS_PROXY", "https_proxy") : value("HTTP_PROXY", "http_proxy"))
    exceptions = Self.exceptions(value("NO_PROXY", "no_proxy"))
  }

  /// The proxy on the way to `target`; nil if it is dialled itself.
  package func proxy(for target: HostPort) -> Proxy? {
    guard let proxy, target.host != "localhost" else { return nil }
    let address = IPAddress(target.host)
    if address?.isLoopback == true { return nil }
    let host = target.host.lowercased()
    for exception in exceptions {
      switch exception {
      case .everything: return nil
      case .network(let network, let length):
        if let address, address.isIn(network, prefixLength: length) { return nil }
      case .address(let other, let port):
        if address == other, port == nil || port == target.port { return nil }
      case .domain(let domain, let isWhole, let port):
        let isMatch = host.hasSuffix(domain) || isWhole && host == domain.dropFirst()
        if isMatch, port.isEmpty || port == String(target.port) { return nil }
      }
    }
    return proxy
  }

  // MARK: HTTPS_PROXY

  private static func parse(_ text: String) -> Proxy? {
    if text.isEmpty { return nil }
    // `proxy:3128` is no URL with a host: it gets a scheme.
    let scheme = text.firstRange(of: "://").map { String(text[..<$0.lowerBound]).lowercased() }
    let isURL = scheme.map { isScheme($0) } ?? false
    var rest =
      isURL ? text[(text.firstRange(of: "://")?.upperBound ?? text.startIndex)...] : text[...]
    let name = isURL ? scheme ?? "http" : "http"
    rest = rest.prefix { !"/?#".contains($0) }
    var authorization: Secret?
    if let at = rest.lastIndex(of: "@") {
      // What Go cannot decode is an URL that it cannot read.
      guard
        let user = rest[..<at].utf8.percentDecoded.flatMap({ String(validating: $0, as: UTF8.self) }
        )
      else { return nil }
      let whole = Array((rest[..<at].contains(":") ? user : user + ":").utf8)
      authorization = Secret("Basic \(Base64URL.standard(whole))")
      rest = rest[rest.index(after: at)...]
    }
    let port: UInt16 =
      switch name {
      case "https": 443
      case "socks5", "socks5h": 1080
      default: 80
      }
    guard let place = HostPort(String(rest), defaultPort: port) else { return nil }
    return Proxy(scheme: name, place: place, authorization: authorization)
  }

  private static func isScheme(_ text: String) -> Bool {
    text.utf8.first?.isSmall == true
      && text.utf8.allSatisfy { $0.isSmall || $0.isDigit || "+-.".utf8.contains($0) }
  }

  // MARK: NO_PROXY

  private static func exceptions(_ text: String) -> [Exception] {
    var exceptions: [Exception] = []
    for part in text.split(separator: ",") {
      let entry = String(part).trimmed.lowercased()
      if entry.isEmpty { continue }
      if entry == "*" { return [.everything] }
      if let exception = exception(entry) { exceptions.append(exception) }
    }
    return exceptions
  }

  private static func exception(_ entry: String) -> Exception? {
    if let slash = entry.firstIndex(of: "/"), let network = IPAddress(String(entry[..<slash])),
      let length = Int(entry[entry.index(after: slash)...]),
      (0...network.bytes.count * 8).contains(length)
    {
      return .network(network, prefixLength: length)
    }
    let (host, port) = split(entry)
    if let address = IPAddress(host) { return .address(address, port: UInt16(port)) }
    if host.isEmpty { return nil }
    var domain = host
    // `*.example.net` is `.example.net`.
    if domain.hasPrefix("*.") { domain.removeFirst() }
    let isWhole = !domain.hasPrefix(".")
    return .domain(isWhole ? "." + domain : domain, isWhole: isWhole, port: port)
  }

  /// `HOST`, `HOST:PORT`, `[V6]:PORT` or a bare IPv6 address, as `net.SplitHostPort` takes it apart.
  private static func split(_ entry: String) -> (host: String, port: String) {
    if entry.hasPrefix("["), let close = entry.lastIndex(of: "]") {
      let host = String(entry[entry.index(after: entry.startIndex)..<close])
      let rest = entry[entry.index(after: close)...]
      return (host, rest.hasPrefix(":") ? String(rest.dropFirst()) : "")
    }
    guard let colon = entry.lastIndex(of: ":"), !entry[..<colon].contains(":") else {
      return (entry, "")
    }
    return (String(entry[..<colon]), String(entry[entry.index(after: colon)...]))
  }
}
