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
  package let enclave: String
  /// MINIO_KMS_SSE_KEY: the name of the key, which is no secret.
  package let sseKey: String
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

/// What a server's own client of the Key Manager finds on its host, so that a probe can go about it
/// as that does (docs/facts.md, "Identity and TLS").
package struct ServerSurroundings: Sendable {
  /// The folder of the server's trusted certificates; nil if it is not known.
  package var certificateAuthorities: String?
  /// What keeps the server from reading a file or folder, for people; nil if nothing does.
  package var obstacle: @Sendable (_ path: String) -> String?
  /// The environment that it is started with: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR.
  package var environment: [EnvironmentVariable]

  package init(
    certificateAuthorities: String?, environment: [EnvironmentVariable] = [],
    obstacle: @escaping @Sendable (_ path: String) -> String? = { _ in nil }
  ) {
    self.certificateAuthorities = certificateAuthorities
    self.environment = environment
    self.obstacle = obstacle
  }

  /// The last value of a variable; nil if there is none, or if it is empty.
  package func value(_ name: String) -> String? {
    environment.last { $0.name == name }.flatMap { $0.value.isEmpty ? nil : $0.value }
  }
}
