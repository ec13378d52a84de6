// SPDX-License-Identifier: Apache-2.0

/// The server's variables about key management (docs/facts.md, "Key Manager variables").
enum KnownVariables {
  static let keyEncryptionService = [
    "MINIO_KMS_KES_ENDPOINT", "MINIO_KMS_KES_KEY_NAME", "MINIO_KMS_KES_API_KEY",
    "MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_PASSWORD",
    "MINIO_KMS_KES_CAPATH",
  ]
  static let staticKey = ["MINIO_KMS_SECRET_KEY", "MINIO_KMS_SECRET_KEY_FILE"]
  static let ignored = [
    "MINIO_KMS_TLS_CLIENT_CERT", "MINIO_KMS_TLS_CLIENT_KEY", "MINIO_KMS_TLS_CA",
  ]
  private static let all =
    KeyManagerSettings.variables + keyEncryptionService + staticKey
    + ["MINIO_KMS_AUTO_ENCRYPTION", "MINIO_KMS_REPLICATE_KEYID"]

  static let proxies = ["HTTPS_PROXY", "https_proxy"]
  static let proxyExceptions = ["NO_PROXY", "no_proxy"]
  /// What all but the proxies begin with.
  static let prefix = Array("MINIO_KMS_".utf8)

  /// All that a rule knows by name, by the number of their bytes.
  private static let known: [[[UInt8]]] = (0..<32).map { count in
    (all + ignored + proxies + proxyExceptions + HostList.names).map { Array($0.utf8) }
      .filter { $0.count == count }
  }

  /// Whether a rule is about variables of this name, lists of hosts included.
  static func isKnown(_ name: ArraySlice<UInt8>) -> Bool {
    name.count < known.count && known[name.count].contains { name.elementsEqual($0) }
      || name.starts(with: HostList.brokers)
  }

  private static let candidates = all.map { (name: $0, bytes: Array($0.utf8)) }
  private static let letters = candidates.map { letters($0.bytes) }

  /// Whether one of the variables may be within two changes of a character, in any case.
  static func mayBeMeant(_ name: ArraySlice<UInt8>) -> Bool {
    guard (14...28).contains(name.count) else { return false }
    let letters = letters(name)
    // A change of a character adds a letter, takes one away, or both.
    return zip(candidates, self.letters).contains { candidate, its in
      abs(candidate.bytes.count - name.count) <= 2 && (letters ^ its).nonzeroBitCount <= 4
    }
  }

  /// One bit for each letter that the name has.
  private static func letters(_ name: some Sequence<UInt8>) -> UInt64 {
    name.reduce(0) { $0 | 1 << UInt64(upper($1) & 63) }
  }

  private static func upper(_ byte: UInt8) -> UInt8 {
    (0x61...0x7A).contains(byte) ? byte & 0xDF : byte
  }

  /// The variable whose name is nearest to `name`, if it is within `limit` changes of a character.
  static func nearest(to name: String, within limit: Int = 6) -> String? {
    let letters = name.utf8.map(upper)
    guard letters.count <= 64 else { return nil }
    let best = candidates.lazy.filter { abs($0.bytes.count - letters.count) <= limit }.map {
      (name: $0.name, distance: distance(letters, $0.bytes))
    }
    .min { $0.distance < $1.distance }
    guard let best, best.distance <= limit else { return nil }
    return best.name
  }

  /// How many characters must be inserted, removed or replaced to make `b` of `a` (Levenshtein).
  private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let next = min(row[j], row[j + 1], diagonal - (x == y ? 1 : 0)) + 1
        diagonal = row[j + 1]
        row[j + 1] = next
      }
    }
    return row[b.count]
  }
}
