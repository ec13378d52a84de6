// SPDX-License-Identifier: Apache-2.0
package import Model

/// Where an S3 server answers, and how buckets stand in its addresses.
package struct S3Endpoint: Sendable, Hashable {
  package enum Style: Sendable, Hashable {
    /// `https://server/bucket/object`, which MinIO takes without any setting.
    case path
    /// `https://bucket.server/object`.
    case virtualHost
  }

  package var isSecure: Bool
  package var place: HostPort
  package var style: Style

  package init(isSecure: Bool, place: HostPort, style: Style = .path) {
    self.isSecure = isSecure
    self.place = place
    self.style = style
  }

  /// Parses `http://host[:port]` or `https://host[:port]`, a slash after it at the most: no user, path
  /// or query.
  package init(url: String, style: Style? = nil) throws(S3EndpointProblem) {
    let lowered = url.lowercased()
    guard let scheme = ["http://", "https://"].first(where: lowered.hasPrefix) else {
      throw S3EndpointProblem(reason: "it does not begin with http:// or https://")
    }
    isSecure = scheme == "https://"
    var rest = url.dropFirst(scheme.count)
    if rest.contains("@") {
      throw S3EndpointProblem(reason: "credentials stand in it, where others can read them")
    }
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard !rest.contains(where: { "/?#".contains($0) }) else {
      throw S3EndpointProblem(reason: "something stands after the host and port")
    }
    guard let place = HostPort(String(rest), defaultPort: isSecure ? 443 : 80) else {
      throw S3EndpointProblem(reason: "there is no host, or a port that is none")
    }
    self.place = place
    self.style = style ?? Self.usualStyle(of: place.host)
  }

  /// As S3 clients choose it where nothing is said: by the bucket's own name only at the two services
  /// that want it.
  private static func usualStyle(of host: String) -> Style {
    let host = host.lowercased()
    return host.hasSuffix(".amazonaws.com") || host == "storage.googleapis.com"
      ? .virtualHost : .path
  }

  /// `https://minio-1.example.net:9000`, the port left out where it is the scheme's own.
  package var text: String { "\(isSecure ? "https" : "http")://\(Self.text(place, isSecure))" }

  /// Where a request on a bucket goes.
  package func target(_ bucket: String?) -> S3Target {
    var place = place
    if style == .virtualHost, let bucket { place.host = "\(bucket).\(place.host)" }
    return S3Target(isSecure: isSecure, place: place, hostField: Self.text(place, isSecure))
  }

  /// The path of an object, or of the bucket itself.
  package func path(_ bucket: String?, _ object: String = "") -> String {
    guard style == .path, let bucket else { return "/\(object)" }
    return object.isEmpty ? "/\(bucket)" : "/\(bucket)/\(object)"
  }

  /// What clients sign and send: some proxies take a port that is the scheme's own away.
  private static func text(_ place: HostPort, _ isSecure: Bool) -> String {
    guard place.port == (isSecure ? 443 : 80) else { return place.text }
    return place.host.contains(":") ? "[\(place.host)]" : place.host
  }
}

/// Why a text is not the address of a server; it holds nothing of the text.
package struct S3EndpointProblem: Error, Sendable, Hashable {
  package var reason: String
}

/// The rules that S3 has for a bucket's name.
package enum BucketName {
  /// What is wrong with a name, one clause; nil if nothing is.
  package static func problem(_ name: String) -> String? {
    guard (3...63).contains(name.utf8.count) else { return "has not 3 to 63 characters" }
    guard
      name.utf8.allSatisfy({ $0.isSmall || $0.isDigit || $0 == 0x2D || $0 == 0x2E })
    else { return "has other characters than small letters, digits, hyphens and dots" }
    let ends = [name.utf8.first, name.utf8.last]
    guard ends.allSatisfy({ $0?.isLetterOrDigit == true }) else {
      return "does not begin and end with a letter or digit"
    }
    guard !["..", ".-", "-."].contains(where: name.contains) else {
      return "has a dot beside another or beside a hyphen"
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count == 4, parts.allSatisfy(\.isDigits) { return "looks like an IPv4 address" }
    return nil
  }
}
