// SPDX-License-Identifier: Apache-2.0
import KeyManager
import Model
import Secrets

/// What the environment says about a KMS (docs/facts.md, "Key Manager variables" to
/// "Reading of values"), with the server's own texts.
enum KMSSettings {
  case none
  case keyManager(hosts: [String], enclave: String, keyName: String, apiKey: APIKey)

  /// Why there can be no KMS, in the server's words.
  struct Problem: Error {
    var text: String
    /// What comes before it in text, but not in JSON.
    var introduction: String

    static func invalid(_ text: String) -> Problem {
      Problem(text: text, introduction: "Invalid KMS configuration specified: ")
    }
    static func unusable(_ text: String) -> Problem {
      Problem(text: text, introduction: "Failed to connect to KMS: ")
    }
  }

  init(_ given: ServerEnvironment) throws(Problem) {
    var environment = given
    let required = [
      "MINIO_KMS_SERVER", "MINIO_KMS_ENCLAVE", "MINIO_KMS_SSE_KEY", "MINIO_KMS_API_KEY",
    ]
    let kes = [
      "MINIO_KMS_KES_ENDPOINT", "MINIO_KMS_KES_KEY_NAME", "MINIO_KMS_KES_API_KEY",
      "MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_PASSWORD",
      "MINIO_KMS_KES_CAPATH",
    ]
    let fixed = ["MINIO_KMS_SECRET_KEY", "MINIO_KMS_SECRET_KEY_FILE"]
    // Static keys that are empty do not count, unlike the others.
    for name in fixed where environment.raw(name)?.isEmpty == true { environment.remove(name) }

    let hasKeyManager = required.contains(where: environment.exists)
    let hasKES = kes.contains(where: environment.exists)
    let hasFixed = fixed.contains(where: environment.exists)
    if hasKeyManager && hasKES {
      throw Problem.invalid("kms: configuration for MinIO KMS and MinIO KES is present")
    }
    if hasKeyManager && hasFixed {
      throw Problem.invalid("kms: configuration for MinIO KMS and static KMS key is present")
    }
    if hasKES && hasFixed {
      throw Problem.invalid("kms: configuration for MinIO KES and static KMS key is present")
    }
    guard hasKeyManager else {
      if hasKES || hasFixed {
        throw Problem.unusable("kms: this stand-in speaks with the MinIO Key Manager only")
      }
      self = .none
      return
    }
    if let missing = required.first(where: { !environment.exists($0) }) {
      throw Problem.invalid("kms: incomplete configuration for MinIO KMS: missing '\(missing)'")
    }

    let server = environment.get("MINIO_KMS_SERVER")
    if server.isEmpty { throw Problem.unusable("kms: no KMS server endpoint provided") }
    var hosts: [String] = []
    for part in server.split(separator: ",").map(trimmed) where !part.isEmpty {
      hosts += try Self.expand(part)
    }
    self = .keyManager(
      hosts: hosts.isEmpty ? ["127.0.0.1:7373"] : hosts.map(Self.withoutScheme),
      enclave: environment.get("MINIO_KMS_ENCLAVE"), keyName: environment.get("MINIO_KMS_SSE_KEY"),
      apiKey: try Self.apiKey(environment.get("MINIO_KMS_API_KEY")))
  }

  /// The client strips one `http://` and one `https://`, in lower case only, and always speaks
  /// https.
  private static func withoutScheme(_ endpoint: String) -> String {
    var host = endpoint[...]
    if host.hasPrefix("http://") { host = host.dropFirst(7) }
    if host.hasPrefix("https://") { host = host.dropFirst(8) }
    return String(host)
  }

  private static func expand(_ endpoint: String) throws(Problem) -> [String] {
    guard endpoint.contains("{"), endpoint.contains("}") else { return [endpoint] }
    guard let open = endpoint.firstIndex(of: "{"),
      let close = endpoint[open...].firstIndex(of: "}"),
      case let inside = endpoint[endpoint.index(after: open)..<close],
      let dots = inside.firstRange(of: "..."), let from = Int(inside[..<dots.lowerBound]),
      let to = Int(inside[dots.upperBound...]), from <= to, to - from < 1024
    else {
      throw Problem.unusable("kms: invalid endpoint '\(endpoint)': Invalid ellipsis format")
    }
    return (from...to).map {
      endpoint[..<open] + "\($0)" + endpoint[endpoint.index(after: close)...]
    }
  }

  private static func apiKey(_ text: String) throws(Problem) -> APIKey {
    let isSeed = text.hasPrefix("k1:")
    guard isSeed || text.hasPrefix("k2:") else {
      throw Problem.unusable("mtls: invalid private key")
    }
    let digits = Array(text.dropFirst(3).utf8)
    let bad = digits.firstIndex { !$0.isLetterOrDigit && $0 != 0x2D && $0 != 0x5F }
    if let bad { throw Problem.unusable("illegal base64 data at input byte \(bad)") }
    let count = digits.count * 3 / 4
    if !(isSeed ? [32] : [32, 48, 66]).contains(count) {
      throw Problem.unusable(
        "mtls: invalid \(isSeed ? "EdDSA" : "ECDSA") private key length \(count)")
    }
    do throws(Refusal) {
      return try APIKey(Secret(text))
    } catch { throw Problem.unusable("mtls: invalid private key") }
  }
}
