// SPDX-License-Identifier: Apache-2.0
package import Model
package import Secrets

/// The Key Manager settings of an environment, read as the server reads them.
package struct KeyManagerSettings: Sendable, Hashable {
  /// MINIO_KMS_SERVER without the blanks around it; every node must have the very same text
  /// (docs/facts.md, "Comparison of environments").
  package let server: String
  /// The endpoints that ``server`` names, in its order.
  package let endpoints: [Endpoint]
  /// MINIO_KMS_ENCLAVE.
  package let enclave: String
  /// MINIO_KMS_SSE_KEY: the name of the key, which is no secret.
  package let sseKey: String
  /// MINIO_KMS_API_KEY.
  package let apiKey: APIKey

  /// The four variables, in the order in which the server looks for them.
  package static let variables = [
    "MINIO_KMS_SERVER", "MINIO_KMS_ENCLAVE", "MINIO_KMS_SSE_KEY", "MINIO_KMS_API_KEY",
  ]

  /// The settings of `environment`, nil if none of the four is in it; refused with the first error
  /// that ``SettingsRules`` finds. Of a name given twice the last counts.
  package static func parse(
    _ environment: [EnvironmentVariable]
  ) throws(Refusal) -> KeyManagerSettings? {
    guard environment.contains(where: { variables.contains($0.name) }) else { return nil }
    let findings = SettingsRules.findings(environment, file: nil)
    if let error = findings.first(where: { $0.severity == .error }) {
      throw Refusal(error.refusal, error.text)
    }
    func value(_ name: String) -> String {
      environment.last { $0.name == name }?.value.trimmed ?? ""
    }
    return KeyManagerSettings(
      server: value(variables[0]), endpoints: try Endpoint.expand(value(variables[0])),
      enclave: value(variables[1]), sseKey: value(variables[2]),
      apiKey: try APIKey(Secret(value(variables[3]))))
  }
}
