// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What a server says of its peers while it waits for them (docs/facts.md, "Comparison of
/// environments"): how many answer, and in what the configuration of others differs from its own.
///
/// Every few seconds it logs a round of three lines, and once for each peer how that one differs.
struct PeerWait: Sendable {
  /// All peers of the server; nil if that is not known.
  let total: Int?
  /// Peers that do not answer, in the last round.
  private var offline: [String] = []
  /// Peers with another configuration, in the last round.
  private var mismatching: [String] = []
  /// What differs on a peer, by its address: names of variables, or the server's words.
  private var differences: [(peer: String, what: [String])] = []

  init(total: Int?) { self.total = total }

  /// Peers that are named in a sentence.
  private static let namedLimit = 3

  /// Takes what one line says; false if it is none of these.
  mutating func take(_ statement: String) -> Bool {
    if statement.hasPrefix("Waiting for at"), statement.holds("remote servers") {
      (offline, mismatching) = ([], [])
    } else if statement.hasPrefix("Following servers are currently offline") {
      offline = Self.peers(in: statement)
    } else if statement.hasPrefix("Following servers have mismatching") {
      mismatching = Self.peers(in: statement)
    } else if let (peer, what) = Self.difference(in: statement) {
      differences.removeAll { $0.peer == peer }
      differences.append((peer, what))
    } else {
      return false
    }
    return true
  }

  /// `3 of 7 peers answered, not minio-2:9000; 2 report another MINIO_KMS_SERVER (minio-3:9000,
  /// ...)`; empty if no round was heard yet.
  var text: String {
    var parts: [String] = []
    if let total, !offline.isEmpty || !mismatching.isEmpty {
      let answered = max(0, total - offline.count)
      let silent = offline.isEmpty ? "" : ", not \(Self.named(offline))"
      parts.append("\(answered) of \(total) peers answered\(silent)")
    } else if !offline.isEmpty {
      parts.append("no answer from \(Self.named(offline))")
    }
    var groups: [(what: String, peers: [String])] = []
    for peer in mismatching {
      let known = differences.first { $0.peer == peer }?.what ?? []
      let what = known.isEmpty ? "configuration" : known.joined(separator: ", ")
      if let index = groups.firstIndex(where: { $0.what == what }) {
        groups[index].peers.append(peer)
      } else {
        groups.append((what, [peer]))
      }
    }
    for (what, peers) in groups {
      let verb = peers.count == 1 ? "reports" : "report"
      parts.append("\(peers.count) \(verb) another \(what) (\(Self.named(peers)))")
    }
    return parts.joined(separator: "; ")
  }

  /// What to do about it; nil if no round was heard yet.
  var remedy: String? {
    var parts: [String] = []
    let known = mismatching.map { peer in differences.first { $0.peer == peer }?.what ?? [] }
    if known.joined().contains(Self.binary) {
      parts.append(
        "install the same MinIO program on all nodes: `keyturn status` shows which differ")
    }
    if known.contains(where: { $0.contains { $0 != Self.binary } }) {
      parts.append("make the MINIO_* values of all nodes alike: `keyturn plan` compares them")
    }
    if known.contains(where: \.isEmpty) {
      parts.append(
        "make MINIO_* values and MinIO program of all nodes alike: `keyturn status` compares them")
    }
    if !offline.isEmpty { parts.append("see that the peers run: `keyturn status`") }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  private static let binary = "binary of MinIO"

  private static func named(_ peers: [String]) -> String {
    let names = peers.prefix(namedLimit).joined(separator: ", ")
    let rest = peers.count - namedLimit
    return rest > 0 ? "\(names) and \(rest) more" : names
  }

  /// The addresses in a list of Go's, whose entries may go on with an error: `[https://a:9000 is
  /// unreachable: connection refused https://b:9000]`.
  private static func peers(in statement: String) -> [String] {
    var peers: [String] = []
    for word in statement.split(whereSeparator: { " [],".contains($0) }) {
      guard let address = address(of: word), !peers.contains(address) else { continue }
      peers.append(address)
    }
    return peers
  }

  /// `minio-2:9000` of `https://minio-2:9000` or `minio-2:9000`; nil if it is neither.
  private static func address(of word: Substring) -> String? {
    var text = word
    var isURL = false
    for scheme in ["https://", "http://"] where text.hasPrefix(scheme) {
      text = text.dropFirst(scheme.count)
      isURL = true
    }
    // Before 2023 the drive's path stood behind it.
    text = text.prefix { $0 != "/" }
    while text.last == ":" { text = text.dropLast() }
    guard isURL || text.last?.isNumber == true, let colon = text.lastIndex(of: ":") else {
      return isURL ? String(text) : nil
    }
    return text[text.index(after: colon)...].isDigits ? String(text) : nil
  }

  /// `https://minio-2:9000 has incorrect configuration: Expected ...: Mismatching environment
  /// values: [A B]. Missing environment values: [C].`
  private static func difference(in statement: String) -> (peer: String, what: [String])? {
    let mark = " has incorrect configuration: "
    guard let range = statement.firstRange(of: mark) else { return nil }
    let before = statement[..<range.lowerBound]
    guard let word = before.split(separator: " ").last, let peer = address(of: word) else {
      return nil
    }
    let rest = statement[range.upperBound...]
    if rest.hasPrefix("Expected MinIO binary checksum") { return (peer, [binary]) }
    if rest.hasPrefix("Expected number of endpoints") { return (peer, ["number of endpoints"]) }
    if rest.hasPrefix("Expected command line argument") { return (peer, ["MINIO_VOLUMES"]) }
    let names = rest.split(whereSeparator: { " [].,:".contains($0) }).map(String.init)
      .filter { $0.hasPrefix("MINIO_") && !$0.hasSuffix("*") && $0.utf8.count > 6 }
    return (peer, names)
  }
}
