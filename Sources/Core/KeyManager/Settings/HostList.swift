// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The variables beside MINIO_KMS_SERVER that list the hosts of one service.
enum HostList {
  static let names = ["MINIO_VOLUMES", "MINIO_ETCD_ENDPOINTS", "MINIO_KMS_KES_ENDPOINT"]
  /// The name of a target may follow.
  static let brokers = Array("MINIO_NOTIFY_KAFKA_BROKERS".utf8)

  /// Whether the variable lists hosts.
  static func isOne(_ name: some Collection<UInt8>) -> Bool {
    names.contains { name.elementsEqual($0.utf8) } || name.starts(with: brokers)
  }

  /// The first ``Limits/listedHosts`` in a value, of a pattern such as `minio-{1...16}` three; what is none is
  /// left out.
  static func hosts(in value: String) -> [String] {
    let parts = value.split { $0.isWhitespace || $0 == "," }.prefix(Limits.listedHosts)
    let hosts = parts.lazy.flatMap { part -> [String] in
      var rest = part
      if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
      if rest.hasPrefix("/") { return [] }
      return samples(of: rest.prefix { $0 != "/" }).compactMap {
        HostPort($0, defaultPort: Endpoint.defaultPort)?.host
      }
      .filter(HostName.isPlausible)
    }
    return Array(hosts.prefix(Limits.listedHosts))
  }

  private static func samples(of authority: Substring) -> [String] {
    let pieces = authority.split(separator: "{", omittingEmptySubsequences: false)
    guard pieces.count > 1 else { return [String(authority)] }
    return ["1", "2", "3"].map { number in
      pieces[0]
        + pieces.dropFirst().map { piece in number + piece.drop { $0 != "}" }.dropFirst() }.joined()
    }
  }
}
