/// The server's variables about key management (facts, section A.1).
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

  /// The variable whose name is nearest to `name`, if it is within `limit` changes of a character.
  static func nearest(to name: String, within limit: Int = 6) -> String? {
    let letters = Array(name.uppercased().utf8)
    guard letters.count <= 64 else { return nil }
    let best = all.lazy.filter { abs($0.utf8.count - letters.count) <= limit }.map {
      (name: $0, distance: distance(letters, Array($0.utf8)))
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
