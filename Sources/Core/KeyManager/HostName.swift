/// What can be said of a host by its text alone.
enum HostName {
  /// Whether it is an IP address as far as its alphabet tells.
  static func isAddress(_ host: String) -> Bool {
    host.contains(":") || host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
  }

  /// Whether it can be a host: an IPv6 address, four numbers of an IPv4 address, or labels of 1 to
  /// 63 letters, digits, `-` and `_` that neither begin nor end with `-`. One dot at the end is
  /// allowed.
  static func isPlausible(_ host: String) -> Bool {
    // HostPort has checked the alphabet; whether it is an address is the resolver's to say.
    if host.contains(":") { return true }
    let labels = self.labels(host)
    if isAddress(host) {
      return labels.count == 4 && labels.allSatisfy { UInt8($0) != nil } && !host.hasSuffix(".")
    }
    return labels.allSatisfy {
      (1...63).contains($0.utf8.count) && !$0.hasPrefix("-") && !$0.hasSuffix("-")
    }
  }

  /// The hosts outside the domain of their siblings, each with that domain (or sibling).
  ///
  /// With a majority that shares a parent domain, those that do not share it. Otherwise only the
  /// second of two that differ in their last two labels: hosts spread over several domains on
  /// purpose are common.
  static func outsiders(among hosts: [String]) -> [(host: String, siblings: String)] {
    let names = hosts.filter { !isAddress($0) }
    let parents = names.map { labels($0).dropFirst().joined(separator: ".") }
    if let parent = parents.first(where: { parent in
      parents.count(where: { $0 == parent }) * 2 > parents.count
    }) {
      return zip(names, parents).filter { $0.1 != parent }.map {
        ($0.0, parent.isEmpty ? "names without a domain" : parent)
      }
    }
    guard names.count == 2, labels(names[0]).suffix(2) != labels(names[1]).suffix(2) else {
      return []
    }
    return [(names[1], names[0])]
  }

  private static func labels(_ host: String) -> [String] {
    let host = host.lowercased()
    return (host.hasSuffix(".") ? host.dropLast() : host[...])
      .split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }
}
